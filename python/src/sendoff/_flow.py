"""What a call does, apart from how it waits.

An operation makes a Request. A flow is a generator that yields effects, to send a request or
to pause, and gets their outcomes; the drivers of the sync and the async client carry them out.
So nothing is written twice.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from sendoff import _codec
from sendoff.errors import NotSendoff, Problem, SendoffError, Unreachable, problem_of

T = TypeVar("T")

MAX_RETRY_AFTER = 30.0  # seconds; a longer wish is left to the caller
TRY_TIMEOUT = 30.0  # seconds of one try, besides Request.wait
_STOPPING = 499  # a server that stops answers so to whoever waits for a task


@dataclass(frozen=True)
class Reply:
    """An answer whose body has been read."""

    status: int
    headers: Mapping[str, str]  # found in any spelling
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as e:
            raise NotSendoff(f"{self.status} with a body that is no JSON") from e


@dataclass(frozen=True)
class Request(Generic[T]):
    """One call of the API, and how its answer is read."""

    method: str
    path: str
    parse: Callable[[Reply], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    again: bool = False  # may be repeated although it is a POST
    wait: float = 0.0  # seconds that the server takes on purpose
    also: int = 0  # a status that is an answer and no problem when its body is JSON

    def answered_by(self, reply: Reply) -> bool:
        """Whether an answer that is none of 2xx is what was asked for."""
        return reply.status == self.also and reply.headers.get("Content-Type") == "application/json"

    @property
    def target(self) -> str:
        """Path and query."""
        query = urlencode([(k, v) for k, vs in self.query.items() for v in query_values(vs)])
        return f"{self.path}?{query}" if query else self.path


def query_values(value: Any) -> list[str]:
    """The texts of a parameter: none of None, several of a sequence."""
    if value is None:
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [text for v in value for text in query_values(v)]
    return [str(_codec.encode(value))]


def path(*names: str) -> str:
    """The path of names below /v1. Names that would lead elsewhere are a ValueError."""
    for name in names:
        if name in ("", ".", ".."):
            raise ValueError(f"{name!r} is no name: nothing can have it")
    return "/v1/" + "/".join(quote(name, safe="") for name in names)


def body_of(value: Any) -> bytes:
    """A request's JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


JSON = {"Content-Type": "application/json"}
Items: TypeAlias = list[T]  # where a method is called list


def read(path: str, parse: Callable[[Reply], T], wait: float = 0.0, /, **query: Any) -> Request[T]:
    """A GET."""
    return Request("GET", path, parse, query, wait=wait)


def act(path: str, parse: Callable[[Reply], T], again: bool, /, **query: Any) -> Request[T]:
    """A POST without a body; again: doing it twice leads to the same."""
    return Request("POST", path, parse, query, again=again)


def write(
    method: str, path: str, parse: Callable[[Reply], T], body: Any, again: bool = True, /, **query: Any
) -> Request[T]:
    """A request with a JSON body; again: doing it twice leads to the same."""
    return Request(method, path, parse, query, body_of(body), JSON, again)


def keyed(request: Request[T], key: str | None) -> Request[T]:
    """Gives a request an Idempotency-Key, one for all times that it is sent: so it may be repeated."""
    headers = {**request.headers, "Idempotency-Key": key or f"py-{secrets.token_hex(16)}"}
    return replace(request, headers=headers, again=True)


def one(cls: type[T]) -> Callable[[Reply], T]:
    """Reads an answer that is one object."""
    return lambda reply: object_of(cls, reply.json())


def object_of(cls: type[T], value: Any) -> T:
    """As decode, but what is no such object is NotSendoff."""
    try:
        return _codec.decode(cls, value)
    except ValueError as e:
        raise NotSendoff(f"the answer is not that of a Sendoff server: {e}") from e


def items(cls: type[T]) -> Callable[[Reply], list[T]]:
    """Reads an answer with items and no further pages."""
    return lambda reply: page(cls)(reply).items


def nothing(reply: Reply) -> None:
    """Reads an answer without a body."""
    if reply.status != 204:
        raise NotSendoff(f"{reply.status} in place of 204")


@dataclass(frozen=True)
class Page(Generic[T]):
    """A page of a listing, which goes on at next_cursor unless that is empty."""

    items: list[T]
    next_cursor: str = ""


def page(cls: type[T]) -> Callable[[Reply], Page[T]]:
    """Reads a page of a listing."""

    def read(reply: Reply) -> Page[T]:
        body = reply.json()
        if not isinstance(body, dict) or "items" not in body:
            raise NotSendoff("the answer is not that of a Sendoff server: it has no items")
        return Page([object_of(cls, i) for i in body["items"] or []], body.get("next_cursor") or "")

    return read


@dataclass(frozen=True)
class Send:
    """An effect: send a request once. Its outcome is the Reply, or Unreachable is raised."""

    request: Request[Any]


@dataclass(frozen=True)
class Pause:
    """An effect: wait for so many seconds."""

    seconds: float


Flow: TypeAlias = Generator[Send | Pause, Any, T]


def send(request: Request[T], resends: int) -> Flow[T]:
    """Sends a request, again while that is safe."""
    for attempt in range(resends + 1):
        try:
            reply: Reply = yield Send(request)
            if reply.status < 300 or request.answered_by(reply):
                return request.parse(reply)
            failure: SendoffError = refusal(reply)
        except Unreachable as e:
            failure = e
        delay = _resend_after(request, failure, attempt)
        if delay is None or attempt == resends:
            raise failure
        yield Pause(delay)
    raise AssertionError("unreachable")


def _resend_after(request: Request[Any], failure: SendoffError, attempt: int) -> float | None:
    """Seconds until the request may be sent again; None = never."""
    delay = backoff(attempt)
    if isinstance(failure, Unreachable) and failure.never_sent:
        return delay
    if not request.again and request.method == "POST":
        return None
    if isinstance(failure, Problem):
        if failure.status in (_STOPPING, 502):
            return delay
        if failure.status not in (429, 503) or failure.retry_after is None:
            return None
        wish = failure.retry_after.total_seconds()
        return max(wish, delay) if wish <= MAX_RETRY_AFTER else None
    return delay


def backoff(attempt: int) -> float:
    """Some 50 ms, doubling to a second."""
    wait: float = min(0.05 * 2 ** min(attempt, 10), 1.0)
    return wait / 2 + random.random() * wait


def refusal(reply: Reply) -> Problem:
    """The error of an answer that is none of 2xx."""
    try:
        body = json.loads(reply.body)
    except ValueError:
        body = reply.body.decode(errors="replace")
    return problem_of(reply.status, body, _retry_after(reply.headers.get("Retry-After")))


def _retry_after(text: str | None) -> timedelta | None:
    """Reads a Retry-After: seconds, or a date."""
    if not text:
        return None
    try:
        if text.strip().isdigit():
            return timedelta(seconds=int(text))
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
        return timedelta(seconds=max(seconds, 0))
    except (ValueError, TypeError, OverflowError):
        return None
