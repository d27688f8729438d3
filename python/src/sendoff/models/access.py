"""Answers of the server: access."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class APIKey:
    """An API key; key, the secret, is only in the answer that made it."""

    created_at: datetime
    id: str
    name: str
    namespace: str
    prefix: str  # How it begins
    scopes: list[str]
    expires_at: datetime | None = None
    key: str = ""  # The key itself: only in the answer that it is made with
    last_used_at: datetime | None = None  # To about a minute


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What a namespace may use; a field that is None is unlimited."""

    burst: int | None = None  # So many may come at once; default those of a second
    # Payloads of all tasks that are stored, those that have ended and are kept included. What other nodes let in counts
    # some seconds later
    bytes: int | None = None
    rate: str | None = None  # Of submissions, on each node
    schedules: int | None = None  # Schedules that are stored
    # Tasks that have not ended, or have failed and are kept. What other nodes let in counts some seconds later
    tasks: int | None = None


@dataclass(frozen=True, kw_only=True)
class Namespace:
    """A namespace, and what it may use."""

    name: str
    quota: Quota
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Me:
    """Who asks, and what that may do."""

    features: list[str]  # What this server does besides: graph_runs, control
    name: str  # Of the key; anybody where none is needed
    namespace: str
    paused: bool  # Everything is paused in the namespace
    scopes: list[str]
    version: str
    key: str = ""  # Id of the key, of one that is stored
    paused_since: datetime | None = None  # Since when it is


@dataclass(frozen=True, kw_only=True)
class Everything:
    """Whether everything is paused."""

    namespace: str  # In which it is: that of the key that asks
    paused: bool
    since: datetime | None = None  # Since when it is


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who did something."""

    address: str = ""  # Where the request came from
    key: str = ""  # Id of the key, of one that is stored
    name: str = ""  # Of the key


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """Something that an operator did."""

    action: str  # Id of the operation; refused for a request that had no key, or one that was not allowed it
    at: datetime
    by: Actor
    count: int  # To how many; of refused, how often in that second
    result: str  # ok, or the status of the answer when it was not done
    sealed: bool  # It is part of the chain, which happens within some seconds
    seq: int  # Rises, with gaps
    # Of a change of settings, as far as they differ: what was before, by the names of fields, such as
    # retry.max_attempts, and what came after. Of what is long, and of what tasks carry, size and hash
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    reason: str = ""  # What the header Sendoff-Reason said; of refused, the scope that was missing
    target: str = ""  # What it was done to: the id or name, and the query


@dataclass(frozen=True, kw_only=True)
class AuditState:
    """What a look through the whole audit has found."""

    ok: bool
    open: int  # Of these, not sealed yet
    rows: int  # That were looked at
    broken: int | None = None  # The first row that is not as it was
    head: str = ""  # The last seal: who keeps it elsewhere can tell later whether the end was cut off
    why: str = ""
