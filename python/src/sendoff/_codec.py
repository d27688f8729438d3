"""JSON to dataclasses by their annotations, and back."""

from __future__ import annotations

import base64
import functools
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar, cast

T = TypeVar("T")
Decoder = Callable[[Any], Any]

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|μs|ns|m|s)")


def parse_duration(text: str) -> timedelta:
    """Reads "1h30m"; a ValueError for anything else."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text)
    if rest == "0":
        return timedelta()
    parts = list(_PART.finditer(rest))
    if not parts or "".join(p[0] for p in parts) != rest:
        raise ValueError(f"duration {text!r}: want something like 1h30m")
    return sign * timedelta(seconds=sum(float(p[1]) * _UNITS[p[2]] for p in parts))


def format_duration(value: timedelta) -> str:
    """Writes seconds, exactly: "5400s", "0.25s"."""
    micros = value // timedelta(microseconds=1)
    whole, part = divmod(abs(micros), 1_000_000)
    text = f"{whole}.{part:06d}".rstrip("0") if part else str(whole)
    return f"{'-' if micros < 0 else ''}{text}s"


def parse_time(text: str) -> datetime:
    """Reads RFC 3339; parts of a second beyond microseconds are dropped."""
    text = re.sub(r"(\.\d{1,6})\d*", lambda m: m[1].ljust(7, "0"), text)
    return datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text))


def format_time(value: datetime) -> str:
    """Writes RFC 3339 in UTC; a time without a zone is local."""
    return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def decode(cls: type[T], value: Any) -> T:
    """Makes a dataclass of a JSON object. Unknown fields are left out: a server may be newer.

    Raises ValueError when it is the JSON of something else.
    """
    try:
        return cast("T", decoder(cast("Any", cls))(value))
    except (TypeError, KeyError, AttributeError) as e:
        raise ValueError(f"no {cls.__name__}: {e!r}") from e


@functools.cache
def decoder(hint: Any) -> Decoder:
    """What makes a value of an annotation out of JSON."""
    if hint is datetime:
        return parse_time
    if hint is timedelta:
        return read_duration
    if is_dataclass(hint):
        return _object(cast("type[Any]", hint))
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        inner = decoder(next(a for a in args if a is not type(None)))
        return lambda v: None if v is None else inner(v)
    if origin is list:
        item = decoder(args[0])
        return lambda v: [item(x) for x in v or []]
    if origin is dict:
        item = decoder(args[1])
        return lambda v: {k: item(x) for k, x in (v or {}).items()}
    return lambda v: v


def read_duration(value: Any) -> timedelta:
    """Reads "1h30m", or seconds."""
    return parse_duration(value) if isinstance(value, str) else timedelta(seconds=value)


def _object(cls: type[Any]) -> Decoder:
    plan: list[tuple[Field[Any], Decoder, bool]] = []

    def read(value: Any) -> Any:
        if not plan:
            hints = typing.get_type_hints(cls)
            plan.extend((f, decoder(hints[f.name]), _required(f)) for f in fields(cls))
        if not isinstance(value, dict):
            raise TypeError(f"{cls.__name__} is {type(value).__name__}")
        named = ((f.name, f.metadata.get("name", f.name), d, needed) for f, d, needed in plan)
        return cls(**{own: d(value[n]) for own, n, d, needed in named if needed or n in value})

    return read


def _required(f: Field[Any]) -> bool:
    return f.default is MISSING and f.default_factory is MISSING


def encode(value: Any) -> Any:
    """Makes JSON of what is sent; fields of a dataclass that are None are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            f.metadata.get("name", f.name): _field(f, v)
            for f in fields(value)
            if (v := getattr(value, f.name)) is not None
        }
    return _scalar(value, encode)


def encode_with_nulls(value: Any, names: Sequence[str]) -> dict[str, Any]:
    """As encode, of a dataclass, with null for the named fields, or parts of them: "retry.max_attempts"."""
    body: dict[str, Any] = encode(value)
    for name in names:
        group, dot, part = name.partition(".")
        if dot:
            body.setdefault(group, {})[part] = None
        else:
            body[name] = None
    return body


def plain(value: Any) -> Any:
    """Makes JSON of a user's value: as encode, but None stays where it is."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    return _scalar(value, plain)


def _field(f: Field[Any], value: Any) -> Any:
    return plain(value) if f.metadata.get("value") else encode(value)


def _scalar(value: Any, inner: Decoder) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {k: inner(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [inner(v) for v in value]
    raise TypeError(f"{type(value).__name__} is no JSON: {value!r:.100}")
