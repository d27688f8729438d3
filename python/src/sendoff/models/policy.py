"""What a request says and an answer shows in the same form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often and how soon a failed task is tried again. None: the queue's, or the default."""

    max_attempts: int | None = None  # the first included; default 25
    max_age: timedelta | None = None  # from the first attempt; default 7 days
    min_backoff: timedelta | None = None  # after the first failure; default 1 s
    max_backoff: timedelta | None = None  # default 1 h
    factor: float | None = None  # from one wait to the next; default 2
    jitter: float | None = None  # share of the wait that is random, 0 to 1; default 0.2


@dataclass(frozen=True)
class Limit:
    """What tasks that name the same key share. What is configured of a key counts in place of this."""

    key: str  # at most 200 bytes
    concurrency: int | None = None  # so many run at a time, on all nodes together; default any number
    rate: str | None = None  # so many start: "100/s", "10/m", "5/h"; default any number
    burst: int | None = None  # of a rate: so many start at once after a rest; default 1


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long ended tasks stay visible, by how they ended: timedelta() is not at all, they go with the next sweep.

    None: as its queue has it, and of a queue as the server is configured."""

    succeeded: timedelta | None = None
    failed: timedelta | None = None
    canceled: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """What tasks of a queue have where they say nothing themselves. None: not set."""

    timeout: timedelta | None = None  # of an attempt, 1 s to 24 h
    retry: RetryPolicy | None = None
    target: str | None = None  # where tasks without a target are pushed to
    concurrency: int | None = None  # attempts under way at a time, over all nodes
    rate: str | None = None  # of attempts that start: "100/s"
    burst: int | None = None  # of a rate: so many at once after a rest; default 1
    retention: Retention | None = None
    discipline: str | None = None  # "fifo", or "fair": the groups of tasks take turns
    weights: dict[str, int] | None = None  # of groups, while the discipline is fair; default 1 each
    # Secrets that sign its pushes after Standard Webhooks, in place of the server's: "whsec_...", or a private key
    # "whsk_...". The server shows names, of which each stands for the secret when it is set again
    webhook_secrets: list[str] | None = None
