"""How a function is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from sendoff._waits import seconds
from sendoff.functions._format import messages as m
from sendoff.models import Limit, NewTask, RetryPolicy

Span = float | timedelta  # a number is seconds


@dataclass(frozen=True, kw_only=True)
class CallOptions:
    """Options of calls: those of the function, and in their place those of a call. None: the default."""

    queue: str | None = None  # default that of the caller
    priority: int | None = None  # 0 (first) to 9; default that of the caller
    delay: Span | None = None  # before the first attempt
    run_at: datetime | None = None  # in place of delay
    timeout: Span | None = None  # of one attempt, 1 s to 24 h; default 300 s
    expiration: Span | None = None  # of all attempts together, waits included; default 24 h, at most 366 days
    retry: RetryPolicy | None = None  # default: until it expires
    label: str | None = None  # the name that people see
    labels: Mapping[str, str] | None = None  # to find it by
    detached: bool | None = None  # it goes on by itself; nobody can wait for it
    limits: Sequence[Limit] | None = None  # it runs when all of them have room
    order_key: str | None = None  # calls with the same one run one at a time, in order
    on_duplicate: str | None = None  # serial, discard, queue_one, replace
    duplicate_key: str | None = None  # default the function with its input
    endpoint: str | None = None  # the app that has the function; default that of the caller
    version: str | None = None  # of the function, where the platform knows such a thing

    def also(self, options: Mapping[str, Any]) -> CallOptions:
        """These with others in their place. A TypeError names what is no option."""
        known = {f.name for f in fields(self)}
        if unknown := options.keys() - known:
            raise TypeError(f"{min(unknown)} is no option of a call: there are {', '.join(sorted(known))}")
        return replace(self, **options)

    def apply(self, call: Any, now: int) -> None:
        """Sets the fields of a Call; now in microseconds since 1970."""
        call.endpoint, call.version = self.endpoint or "", self.version or ""
        if self.expiration is not None:
            call.expiration.CopyFrom(_span(self.expiration))
        options = self._options(now)
        if options.ByteSize():
            call.options.CopyFrom(options)

    def _options(self, now: int) -> Any:
        o = m.CallOptions(
            queue=self.queue or "",
            priority=None if self.priority is None else min(max(self.priority, 0), 9),
            name=self.label or "",
            labels=dict(self.labels or {}),
            detached=bool(self.detached),
            order_key=self.order_key or "",
            on_duplicate=self.on_duplicate or "",
            duplicate_key=self.duplicate_key or "",
            limits=[_limit(one) for one in self.limits or ()],
        )
        if self.run_at is not None:
            o.delay.CopyFrom(m.duration(max(m.to_micros(self.run_at) - now, 0)))
        elif self.delay is not None:
            o.delay.CopyFrom(_span(self.delay))
        if self.timeout is not None:
            o.timeout.CopyFrom(_span(self.timeout))
        if self.retry is not None:
            o.retry.CopyFrom(_retry(self.retry))
        return o

    def task(self, base: NewTask, now: datetime) -> NewTask:
        """The same for a call from outside."""
        return replace(
            base,
            queue=self.queue,
            priority=self.priority,
            delay=_delta(self.delay),
            run_at=self.run_at,
            timeout=_delta(self.timeout),
            expires_at=None if self.expiration is None else now + timedelta(seconds=seconds(self.expiration)),
            retry=self.retry,
            name=self.label,
            labels=self.labels,
            limits=self.limits,
            order_key=self.order_key,
            on_duplicate=self.on_duplicate,
            duplicate_key=self.duplicate_key,
        )


def _delta(value: Span | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=seconds(value))


def _span(value: Span) -> Any:
    return m.duration(int(seconds(value) * 1_000_000))


def _limit(limit: Limit) -> Any:
    return m.Limit(key=limit.key, concurrency=limit.concurrency or 0, rate=limit.rate or "", burst=limit.burst or 0)


def _retry(retry: RetryPolicy) -> Any:
    made = m.RetryPolicy(max_attempts=retry.max_attempts or 0, factor=retry.factor or 0.0, jitter=retry.jitter)
    for name in ("max_age", "min_backoff", "max_backoff"):
        if (value := getattr(retry, name)) is not None:
            getattr(made, name).CopyFrom(_span(value))
    return made
