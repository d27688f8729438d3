"""A user's values as JSON, and back by annotation: arguments and results of tasks and functions.

to_json writes what JSON has, dataclasses, models of pydantic, datetime, date, time, timedelta, UUID,
Enum, Decimal, bytes, mappings, sequences and sets. from_json makes of it what an annotation says.
"""

from __future__ import annotations

import base64
import collections.abc as abc
import dataclasses
import enum
import functools
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from sendoff._codec import format_duration, parse_time, read_duration
from sendoff.errors import InvalidValue

_LISTS: dict[Any, Callable[[Any], Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Iterable: list,
    abc.Collection: list,
    abc.Set: frozenset,
}
_MAPS = (dict, abc.Mapping, abc.MutableMapping)
_NONE = type(None)


def to_json(value: Any, where: str = "value") -> Any:
    """Makes JSON of a value; where names it in an InvalidValue, for what has no JSON."""
    if value is None or type(value) in (str, bool, int):
        return value
    if isinstance(value, enum.Enum):
        return to_json(value.value, where)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidValue(where, f"{value} has no JSON")
        return float(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name), f"{where}.{f.name}") for f in dataclasses.fields(value)}
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(mode="json")
    return _written(value, where)


def _written(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        return {_key(k, where): to_json(v, f"{where}[{k!r}]") for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, abc.Sequence)) and not isinstance(
        value, (str, bytes, bytearray, memoryview)
    ):
        return [to_json(v, f"{where}[{i}]") for i, v in enumerate(value)]
    for kinds, write in _SCALARS:
        if isinstance(value, kinds):
            return write(value)
    raise InvalidValue(where, f"{type(value).__name__} has no JSON; want a dataclass, say, or what JSON has")


_SCALARS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (str, str),
    (int, int),
    ((datetime, date, time), lambda v: v.isoformat()),
    (timedelta, format_duration),
    ((UUID, Decimal), str),
    ((bytes, bytearray, memoryview), lambda v: base64.b64encode(bytes(v)).decode()),
)


def _key(key: Any, where: str) -> str:
    found = to_json(key, f"a key of {where}")
    if isinstance(found, str):
        return found
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    raise InvalidValue(f"a key of {where}", f"want text, got {key!r:.100}")


def from_json(hint: Any, value: Any, where: str = "value") -> Any:
    """Makes a value of an annotation out of JSON; Any leaves it as it is.

    Of a union the first member that fits counts. InvalidValue names what does not fit.
    """
    return _reader(hint)(value, where)


Reader = Callable[[Any, str], Any]


def _reader(hint: Any) -> Reader:
    try:
        return _cached(hint)
    except TypeError:  # an annotation that cannot be hashed, such as Literal with a list
        return _made(hint)


@functools.cache
def _cached(hint: Any) -> Reader:
    return _made(hint)


def _made(hint: Any) -> Reader:
    hint = _bare(hint)
    if hint is Any or hint is object or hint is inspect.Parameter.empty or isinstance(hint, (typing.TypeVar, str)):
        return lambda value, where: value
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin = typing.get_origin(hint) or hint
    if origin in (typing.Union, types.UnionType):
        return _union(typing.get_args(hint))
    if origin is typing.Literal:
        return _literal(typing.get_args(hint))
    if origin is tuple:
        return _tuple(typing.get_args(hint))
    if origin in _LISTS:
        return _list(_LISTS[origin], typing.get_args(hint))
    if origin in _MAPS:
        return _map(typing.get_args(hint))
    return _class(origin)


def _bare(hint: Any) -> Any:
    """Without Annotated and NewType; None as its type."""
    while True:
        if typing.get_origin(hint) is typing.Annotated:
            hint = typing.get_args(hint)[0]
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        else:
            return _NONE if hint is None else hint


def _class(cls: Any) -> Reader:
    if isinstance(cls, type):
        if issubclass(cls, enum.Enum):
            return _enum(cls)
        if typing.is_typeddict(cls):
            return _map(())
        if callable(getattr(cls, "model_validate", None)):
            return _model(cls)
        if dataclasses.is_dataclass(cls):
            return _dataclass(cls)

    def refuse(value: Any, where: str) -> Any:
        raise InvalidValue(where, f"cannot be made from JSON: want another annotation than {_name(cls)}")

    return refuse


def _kind(cls: Any, want: str, make: Callable[[Any], Any], accepts: Any) -> Reader:
    def read(value: Any, where: str) -> Any:
        if isinstance(value, accepts) and (accepts is bool or not isinstance(value, bool)):
            try:
                return make(value)
            except (ValueError, InvalidOperation, OverflowError):
                pass
        raise _misfit(where, want, value)

    return read


_PLAIN: dict[Any, Reader] = {
    str: _kind(str, "text", str, str),
    bool: _kind(bool, "true or false", bool, bool),
    int: _kind(int, "a whole number", int, int),
    float: _kind(float, "a number", float, (int, float)),
    datetime: _kind(datetime, "a time such as 2030-01-31T12:00:00+00:00", parse_time, str),
    date: _kind(date, "a date such as 2030-01-31", date.fromisoformat, str),
    time: _kind(time, "a time of day such as 12:00:00", time.fromisoformat, str),
    timedelta: _kind(timedelta, "a duration such as 1h30m, or seconds", read_duration, (str, int, float)),
    UUID: _kind(UUID, "a UUID", UUID, str),
    Decimal: _kind(Decimal, "a decimal number", lambda v: Decimal(str(v)), (str, int, float)),
    bytes: _kind(bytes, "base64", lambda v: base64.b64decode(v, validate=True), str),
    _NONE: _kind(_NONE, "null", lambda v: v, _NONE),
}


def _union(members: Sequence[Any]) -> Reader:
    def read(value: Any, where: str) -> Any:
        faults = []
        for member in members:
            try:
                return from_json(member, value, where)
            except InvalidValue as e:
                faults.append(e)
        told = [f for f, m in zip(faults, members, strict=True) if _bare(m) is not _NONE]
        raise told[0] if len(told) == 1 else _misfit(where, " or ".join(_name(m) for m in members), value)

    return read


def _literal(allowed: Sequence[Any]) -> Reader:
    def read(value: Any, where: str) -> Any:
        for one in allowed:
            if to_json(one) == value and isinstance(value, bool) == isinstance(one, bool):
                return one
        raise _misfit(where, " or ".join(repr(a) for a in allowed), value)

    return read


def _enum(cls: type[enum.Enum]) -> Reader:
    by_value = [(to_json(m.value), m) for m in cls]

    def read(value: Any, where: str) -> Any:
        for written, member in by_value:
            if written == value and isinstance(value, bool) == isinstance(written, bool):
                return member
        raise _misfit(where, "one of " + ", ".join(repr(w) for w, _ in by_value), value)

    return read


def _tuple(args: Sequence[Any]) -> Reader:
    if not args or (len(args) == 2 and args[1] is Ellipsis):
        return _list(tuple, args[:1])

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, list) or len(value) != len(args):
            raise _misfit(where, f"a list of {len(args)}", value)
        return tuple(from_json(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(args, value, strict=True)))

    return read


def _list(make: Callable[[Any], Any], args: Sequence[Any]) -> Reader:
    item = args[0] if args else Any

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, list):
            raise _misfit(where, "a list", value)
        return make(from_json(item, v, f"{where}[{i}]") for i, v in enumerate(value))

    return read


def _map(args: Sequence[Any]) -> Reader:
    key, item = args if len(args) == 2 else (Any, Any)

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise _misfit(where, "an object", value)
        return {_read_key(key, k, where): from_json(item, v, f"{where}[{k!r}]") for k, v in value.items()}

    return read


def _read_key(hint: Any, key: str, where: str) -> Any:
    named = f"a key of {where}"
    try:
        return from_json(hint, key, named)
    except InvalidValue:
        if key.removeprefix("-").isdecimal():  # of an int, or of an Enum of int
            return from_json(hint, int(key), named)
        raise


def _dataclass(cls: type[Any]) -> Reader:
    hints: dict[str, Any] = {}

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise _misfit(where, f"an object, of {cls.__name__}", value)
        if not hints:
            hints.update(hints_of(cls))
        own = {f.name: f for f in dataclasses.fields(cls) if f.init}
        if unknown := set(value) - {f.name for f in dataclasses.fields(cls)}:
            raise InvalidValue(f"{where}.{min(unknown)}", f"{cls.__name__} has no such field")
        for f in own.values():
            if f.name not in value and f.default is f.default_factory is dataclasses.MISSING:
                raise InvalidValue(f"{where}.{f.name}", "is missing")
        return cls(**{n: from_json(hints[n], value[n], f"{where}.{n}") for n in own if n in value})

    return read


def _model(cls: Any) -> Reader:
    def read(value: Any, where: str) -> Any:
        try:
            return cls.model_validate(value)
        except ValueError as e:  # pydantic's own error is one
            raise InvalidValue(where, str(e)) from e

    return read


def hints_of(owner: Any) -> dict[str, Any]:
    """The annotations of a class or a function, resolved; a partial has those of its function."""
    while isinstance(owner, functools.partial):
        owner = owner.func
    return typing.get_type_hints(owner, include_extras=True)


def _misfit(where: str, want: str, value: Any) -> InvalidValue:
    return InvalidValue(where, f"want {want}, got {value!r:.100}")


def _name(hint: Any) -> str:
    return "null" if _bare(hint) is _NONE else getattr(hint, "__name__", None) or str(hint)


_LATER: Any = object()


class Arguments:
    """The arguments of a function as JSON: a list, and an object of those by name."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._name = getattr(function, "__name__", "function")
        self._signature = inspect.signature(function)
        self._known: dict[str, Any] | None = None

    def write(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], behind: bool = False
    ) -> tuple[list[Any], dict[str, Any]]:
        """Checks arguments as a call would, and against the annotations; InvalidValue names the one that is wrong.
        behind: they come behind a first one, which is not known yet."""
        bound = self._bind([_LATER, *args] if behind else args, kwargs)
        left, named = self._each(bound, lambda where, hint, value: value if value is _LATER else to_json(value, where))
        self.read(left, named)
        return left[1:] if behind else left, named

    def read(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Makes the arguments of a call out of JSON."""
        bound = self._bind(args, kwargs)
        return self._each(bound, lambda where, hint, value: value if value is _LATER else from_json(hint, value, where))

    def result(self, value: Any) -> Any:
        """A result, out of JSON."""
        return from_json(self._hints().get("return", Any), value, f"{self._name}: result")

    def _hints(self) -> dict[str, Any]:
        if self._known is None:  # on first use: an annotation may name what is defined below
            self._known = hints_of(self._function)
        return self._known

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        try:
            return self._signature.bind(*args, **kwargs)
        except TypeError as e:
            raise InvalidValue(f"{self._name}: arguments", str(e)) from e

    def _each(
        self, bound: inspect.BoundArguments, make: Callable[[str, Any, Any], Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        hints = self._hints()
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            kind, hint = self._signature.parameters[name].kind, hints.get(name, Any)
            where = f"{self._name}: argument {name}"
            if kind is inspect.Parameter.VAR_POSITIONAL:
                args.extend(make(f"{where}[{i}]", hint, v) for i, v in enumerate(value))
            elif kind is inspect.Parameter.VAR_KEYWORD:
                kwargs.update({k: make(f"{self._name}: argument {k}", hint, v) for k, v in value.items()})
            elif kind is inspect.Parameter.KEYWORD_ONLY:
                kwargs[name] = make(where, hint, value)
            else:
                args.append(make(where, hint, value))
        return args, kwargs
