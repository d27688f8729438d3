"""Errors of functions: how they end calls, how they are recorded, and what they are on the other side."""

from __future__ import annotations

import asyncio
import builtins
import concurrent.futures
import functools
import json
import socket
import ssl
import traceback
from collections.abc import Callable
from dataclasses import is_dataclass
from enum import IntEnum
from typing import Any, TypeVar

import httpx
from google.protobuf.message import DecodeError

from sendoff._named import register as register_named
from sendoff._values import from_json, to_json
from sendoff.errors import InvalidValue, QuotaExceeded, SendoffError, Unavailable, Unreachable
from sendoff.functions._format.messages import JSON, Any_, Error
from sendoff.push import Permanent, RetryAfter, Snooze

E = TypeVar("E", bound=type[BaseException])


class Status(IntEnum):
    """How a call of a function ends. An exception with such an attribute, status, chooses its own."""

    UNSPECIFIED = 0
    OK = 1
    TIMEOUT = 2
    THROTTLED = 3
    INVALID_ARGUMENT = 4
    INVALID_RESPONSE = 5
    TEMPORARY_ERROR = 6
    PERMANENT_ERROR = 7
    INCOMPATIBLE_STATE = 8
    DNS_ERROR = 9
    TCP_ERROR = 10
    TLS_ERROR = 11
    HTTP_ERROR = 12
    UNAUTHENTICATED = 13
    PERMISSION_DENIED = 14
    NOT_FOUND = 15

    @property
    def temporary(self) -> bool:
        """A server tries again what ended so."""
        return self in _AGAIN


_AGAIN = frozenset(
    {
        Status.TIMEOUT,
        Status.THROTTLED,
        Status.TEMPORARY_ERROR,
        Status.INCOMPATIBLE_STATE,
        Status.DNS_ERROR,
        Status.TCP_ERROR,
        Status.TLS_ERROR,
        Status.HTTP_ERROR,
    }
)


class CallError(SendoffError):
    """A call or a step has failed: as it was recorded.

    It is also of the class of the exception, when that is one of Python's own: except ValueError finds it. An
    exception whose class was registered with sendoff.error is raised in its place.
    """

    def __init__(self, function: str, raw: Any, final: bool = True) -> None:
        self.function = function  # or the name of the step
        self.type: str = raw.type  # the name of the error's class where it was raised
        self.message: str = raw.message
        self.traceback: str = raw.traceback.decode(errors="replace")  # where it happened, when that is known
        self.status: Status = named(raw.type)
        kind = f"{self.type}: " if self.type not in ("", "error") else ""
        super().__init__(f"{function}: {kind}{self.message}")
        _recorded(self, raw, final)


class Ended(SendoffError):
    """The wait was ended before what is waited for came. That is on record, so each replay meets it again."""


class Canceled(Ended):
    """The call was canceled, or what is waited for was given up."""

    def __init__(self, text: str = "canceled") -> None:
        super().__init__(text)


class TimedOut(Ended, TimeoutError):
    """A timeout of the function, or the time of its call, is over."""

    def __init__(self, text: str = "the time is over") -> None:
        super().__init__(text)


class Failed(SendoffError):
    """An error of the package itself, with a status."""

    def __init__(self, status: Status, text: str) -> None:
        super().__init__(text)
        self.status = status


_MARK = "_sendoff_recorded"  # on an exception: the Error it was made of, and whether a retry meets it again
_classes: dict[str, type[BaseException]] = {}
_names: dict[type[BaseException], str] = {}


def error(name: str) -> Callable[[E], E]:
    """Decorates an exception: raised by a function or a step, it is raised in the caller too.

    The name is the one on the wire, the same in all programs: "shop.SoldOut". A dataclass travels by
    its fields, others by their args. ValueError when another class has the name, unless its module was reloaded.
    """

    def register(cls: E) -> E:
        register_named("an error", name, _classes, cls, cls)
        _names[cls] = name
        return cls

    return register


def note(e: BaseException, text: str) -> None:
    """Adds what a traceback shows below the error, as add_note of Python 3.11 does."""
    e.__dict__.setdefault("__notes__", []).append(text)


def _recorded(e: BaseException, raw: Any, final: bool) -> None:
    e.__dict__[_MARK] = raw, final  # an exception may be a frozen dataclass


def raised(function: str, raw: Any, final: bool) -> BaseException:
    """The exception of a recorded failure: of its own class when that was registered here."""
    if (cls := _classes.get(raw.type)) and raw.value:
        try:
            found = json.loads(JSON.FromString(Any_.FromString(raw.value).value).json or b"{}")
            made = from_json(cls, found) if is_dataclass(cls) else cls(*found.get("args", [raw.message]))
        except Exception:  # its class is the user's, and its value may come from elsewhere
            return _twin(raw.type)(function, raw, final)
        _recorded(made, raw, final)
        return made
    return _twin(raw.type)(function, raw, final)


_WORDS = {"TIMEOUT": "TimeoutError", "TCP_ERROR": "ConnectionError"}  # the status has taken the name's place
# Made in other ways, or mean else.
_NEVER: tuple[type[BaseException], ...] = (StopIteration, StopAsyncIteration, UnicodeError, ImportError, SyntaxError)
if _group := getattr(builtins, "ExceptionGroup", None):  # since Python 3.11
    _NEVER += (_group,)


@functools.lru_cache(1000)  # names come from others
def _twin(name: str) -> type[CallError]:
    """CallError, of the class with a name as well."""
    cls = getattr(builtins, _WORDS.get(name, name), None)
    if not isinstance(cls, type) or not issubclass(cls, Exception) or issubclass(cls, _NEVER) or cls is Exception:
        return CallError
    return type(cls.__name__, (CallError, cls), {"__module__": CallError.__module__, "__doc__": CallError.__doc__})


def decode_error(data: bytes) -> Any:
    """The Error of its bytes. Those of others may be none."""
    try:
        return Error.FromString(data)
    except DecodeError:
        return Error(type="error", message="an error that cannot be read")


def recorded(e: BaseException) -> Any:
    """The recorded form of an error. That of a call or a step is passed on as it is."""
    if mark := getattr(e, _MARK, None):
        return mark[0]
    name, value = _registered(e)
    return Error(
        type=name or _type_name(e), message=_text(e), value=value, traceback=_trace(e).encode(errors="replace")
    )


def recorded_with_status(e: BaseException) -> Any:
    """As recorded; the status of an error without a name of its own goes into the type."""
    made = recorded(e)
    if getattr(e, _MARK, None) is None and not made.value and (status := status_of(e)) is not Status.PERMANENT_ERROR:
        made.type = status.name
    return made


def _registered(e: BaseException) -> tuple[str, bytes]:
    cls = next((c for c in type(e).__mro__ if c in _names), None)
    if cls is None:
        return "", b""
    try:
        shown = to_json(e) if is_dataclass(e) else {"args": to_json(list(e.args))}
    except InvalidValue:
        return "", b""
    text = JSON(json=json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))
    return _names[cls], Any_(
        type_url="type.googleapis.com/sendoff.v1.JSON", value=text.SerializeToString()
    ).SerializeToString()


def _type_name(e: BaseException) -> str:
    if isinstance(e, TimedOut):
        return "TIMEOUT"
    return "canceled" if isinstance(e, Canceled) else type(e).__qualname__


def _text(e: BaseException) -> str:
    try:
        return str(e).encode(errors="replace").decode()
    except Exception as worse:
        return f"{type(e).__qualname__}, whose text cannot be made: {type(worse).__qualname__}"


def _trace(e: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(type(e), e, e.__traceback__))
    except Exception:
        return ""


def named(text: str) -> Status:
    """The status that a server gave as the type of an error."""
    try:
        return Status[text.removeprefix("STATUS_")] or Status.PERMANENT_ERROR
    except KeyError:
        return Status.PERMANENT_ERROR


def wait_of(e: BaseException) -> float:
    """Seconds that an error asks to wait for; 0 = it does not."""
    return float(e.after) if isinstance(e, RetryAfter) else 0.0


def status_of(e: BaseException) -> Status:
    """How a call ends that ended with an exception: final, unless it says that it is temporary, or its cause does."""
    seen: set[int] = set()
    cause: BaseException | None = e
    while cause is not None and id(cause) not in seen:  # what is raised from itself is its own cause
        if (found := _alone(cause)) is not None:
            return found
        seen.add(id(cause))
        cause = cause.__cause__
    return Status.PERMANENT_ERROR


def _alone(e: BaseException) -> Status | None:
    """What it says itself; None = nothing."""
    members = getattr(e, "exceptions", None)
    if isinstance(members, tuple) and members:  # an ExceptionGroup: what all agree on
        found = {status_of(m) for m in members}
        return found.pop() if len(found) == 1 else Status.PERMANENT_ERROR
    if (own := _own(e)) is not None:
        return own
    for kinds, known in _KINDS:
        if isinstance(e, kinds):
            return known
    return _of_answer(e)


def _own(e: BaseException) -> Status | None:
    if mark := getattr(e, _MARK, None):
        status, final = named(mark[0].type), mark[1]
        return Status.PERMANENT_ERROR if final and status.temporary else status
    if isinstance(chosen := getattr(e, "status", None), Status):
        return chosen
    if isinstance(e, (Ended, Permanent)):
        return Status.PERMANENT_ERROR
    if isinstance(e, RetryAfter):
        return Status.THROTTLED if isinstance(e, Snooze) else Status.TEMPORARY_ERROR
    return None


def _of_answer(e: BaseException) -> Status | None:
    """Of what httpx and requests raise for an answer that says no."""
    code = getattr(getattr(e, "response", None), "status_code", None)
    if not isinstance(code, int) or code < 400:
        return None
    if code in _CODES:
        return _CODES[code]
    return Status.TEMPORARY_ERROR if code >= 500 else Status.PERMANENT_ERROR


_CODES = {
    400: Status.INVALID_ARGUMENT,
    401: Status.UNAUTHENTICATED,
    403: Status.PERMISSION_DENIED,
    404: Status.NOT_FOUND,
    408: Status.TIMEOUT,
    429: Status.THROTTLED,
    501: Status.PERMANENT_ERROR,
}

_KINDS: tuple[tuple[Any, Status], ...] = (
    ((TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError, httpx.TimeoutException), Status.TIMEOUT),
    (socket.gaierror, Status.DNS_ERROR),
    (ssl.SSLError, Status.TLS_ERROR),
    ((ConnectionError, httpx.TransportError, Unreachable), Status.TCP_ERROR),
    (QuotaExceeded, Status.THROTTLED),
    ((Unavailable, BlockingIOError, InterruptedError, EOFError), Status.TEMPORARY_ERROR),
    (PermissionError, Status.PERMISSION_DENIED),
    (FileNotFoundError, Status.NOT_FOUND),
    (InvalidValue, Status.INVALID_ARGUMENT),
)
