"""Arguments and results of functions, as they travel and are recorded: as the Go SDK encodes them.

Text, numbers, bytes, times and spans go in the well-known wrappers, messages of protobuf as
themselves, everything else as JSON by sendoff's rules for values.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtoMessage

from sendoff._values import from_json, to_json
from sendoff.errors import InvalidValue
from sendoff.functions._format.journal import NONE, Value
from sendoff.functions._format.messages import (
    JSON,
    Any_,
    Timestamp,
    duration,
    duration_micros,
    message,
    micros_of,
    time_of,
    timestamp,
    to_micros,
)

PREFIX = "type.googleapis.com/"
_GOOGLE = PREFIX + "google.protobuf."
EMPTY = Value(_GOOGLE + "Empty")
_JSON = PREFIX + "sendoff.v1.JSON"
_MICRO = timedelta(microseconds=1)

_Bytes = message("google.protobuf.BytesValue")
_Duration = message("google.protobuf.Duration")
_String = message("google.protobuf.StringValue")
_Int = message("google.protobuf.Int64Value")
_Double = message("google.protobuf.DoubleValue")
_Bool = message("google.protobuf.BoolValue")
_INT = range(-(1 << 63), 1 << 63)


def to_any(v: Value) -> Any:
    """The Any of a value; None when there is none."""
    return Any_(type_url=v.url, value=v.data) if v.url else None


def of_any(a: Any) -> Value:
    """The value that an Any holds."""
    return Value(a.type_url, a.value) if a.type_url else NONE


def encode(value: Any, where: str) -> Value:
    """Encodes a value; InvalidValue names what cannot be."""
    if value is None:
        return EMPTY
    if write := _PLAIN.get(type(value)):
        return write(value, where)
    if isinstance(value, ProtoMessage):
        return Value(PREFIX + value.DESCRIPTOR.full_name, value.SerializeToString(deterministic=True))
    for kind in (datetime, timedelta, bytearray):
        if isinstance(value, kind):
            return _PLAIN[kind](value, where)
    return _json(value, where)


def _wrapped(kind: str, make: Callable[[Any], Any]) -> Callable[[Any, str], Value]:
    def write(value: Any, where: str) -> Value:
        try:
            return Value(_GOOGLE + kind, make(value).SerializeToString())
        except (UnicodeError, ValueError) as e:
            raise InvalidValue(where, f"cannot be sent: {e}") from e

    return write


def _json(value: Any, where: str) -> Value:
    text = json.dumps(
        _whole(to_json(value, where)), ensure_ascii=False, separators=(",", ":"), sort_keys=isinstance(value, Mapping)
    )
    for found, written in _ESCAPES:
        if found in text:
            text = text.replace(found, written)
    try:
        return Value(_JSON, JSON(json=text.encode()).SerializeToString())
    except UnicodeError as e:
        raise InvalidValue(where, f"cannot be sent: {e}") from e


NULL = Value(_JSON, JSON(json=b"null").SerializeToString())  # None, where EMPTY says that nothing was given

# As encoding/json of Go writes it: journals compare the inputs of calls by their bytes.
_ESCAPES = (
    ("<", "\\u003c"),
    (">", "\\u003e"),
    ("&", "\\u0026"),
    (chr(0x2028), "\\u2028"),
    (chr(0x2029), "\\u2029"),
)


def _whole(value: Any) -> Any:
    """Whole floats as whole numbers: JSON has one kind, Go writes them so, google.protobuf.Struct has no other."""
    if type(value) is float and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if type(value) is list:
        return [_whole(v) for v in value]
    if type(value) is dict:
        return {k: _whole(v) for k, v in value.items()}
    return value


def _int(value: int, where: str) -> Value:
    return _PLAIN_INT(value, where) if value in _INT else _json(value, where)


_PLAIN_INT = _wrapped("Int64Value", lambda v: _Int(value=v))
_PLAIN: dict[type, Callable[[Any, str], Value]] = {
    str: _wrapped("StringValue", lambda v: _String(value=v)),
    bool: _wrapped("BoolValue", lambda v: _Bool(value=v)),
    int: _int,
    float: _wrapped("DoubleValue", lambda v: _Double(value=v)),
    bytes: _wrapped("BytesValue", lambda v: _Bytes(value=v)),
    bytearray: _wrapped("BytesValue", lambda v: _Bytes(value=bytes(v))),
    datetime: _wrapped("Timestamp", lambda v: timestamp(to_micros(v))),
    timedelta: _wrapped("Duration", lambda v: duration(v // _MICRO)),
}


def decode(hint: Any, v: Value, where: str) -> Any:
    """Makes a value of what an annotation says; InvalidValue names what does not fit."""
    if not v.url or v.url == EMPTY.url:
        return from_json(hint, None, where)
    name = v.url.rpartition("/")[2]
    try:
        if wanted := _message_class(hint):
            return _own_message(wanted, name, v.data, where)
        read = _READERS.get(name)
        if read is None:
            raise InvalidValue(where, f"cannot be made of a {name}")
        return read(hint, v.data, where)
    except (DecodeError, UnicodeError, ValueError) as e:
        if isinstance(e, InvalidValue):
            raise
        raise InvalidValue(where, f"the {name} cannot be read: {e}") from e


def _message_class(hint: Any) -> type[ProtoMessage] | None:
    try:
        return _cached_class(hint)
    except TypeError:  # an annotation that cannot be hashed
        return _found_class(hint)


@functools.cache
def _cached_class(hint: Any) -> type[ProtoMessage] | None:
    return _found_class(hint)


def _found_class(hint: Any) -> type[ProtoMessage] | None:
    for part in typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,):
        if isinstance(part, type) and issubclass(part, ProtoMessage):
            return part
    return None


def _own_message(wanted: type[ProtoMessage], name: str, data: bytes, where: str) -> ProtoMessage:
    if wanted.DESCRIPTOR.full_name != name:
        raise InvalidValue(where, f"want a {wanted.DESCRIPTOR.full_name}, got a {name}")
    return wanted.FromString(data)


Reader = Callable[[Any, bytes, str], Any]


def _scalar(kind: str) -> Reader:
    cls = message("google.protobuf." + kind)
    return lambda hint, data, where: from_json(hint, cls.FromString(data).value, where)


def _number(kind: str) -> Reader:
    cls = message("google.protobuf." + kind)

    def read(hint: Any, data: bytes, where: str) -> Any:
        value = float(cls.FromString(data).value)
        if hint is int and value.is_integer():
            return int(value)
        return value if not math.isfinite(value) and hint in (float, Any) else from_json(hint, value, where)

    return read


def _direct(make: Callable[[bytes], Any], text: Callable[[Any], Any], *wanted: Any) -> Reader:
    """What is already of the annotated type; for other annotations, as JSON has it."""

    def read(hint: Any, data: bytes, where: str) -> Any:
        value = make(data)
        asked = (hint, *typing.get_args(hint))
        if any(a is w for a in asked for w in (Any, object, inspect.Parameter.empty, *wanted)):
            return value
        return from_json(hint, text(value), where)

    return read


def _structure(kind: str) -> Reader:
    cls = message("google.protobuf." + kind)
    return lambda hint, data, where: from_json(hint, _whole(json_format.MessageToDict(cls.FromString(data))), where)


def _from_json(hint: Any, data: bytes, where: str) -> Any:
    return from_json(hint, json.loads(JSON.FromString(data).json), where)


def _refused(hint: Any, data: bytes, where: str) -> Any:
    raise InvalidValue(where, "is a pickle, which is not read: whoever can send one can run code here")


_READERS: dict[str, Reader] = {
    "sendoff.v1.JSON": _from_json,
    "dispatch.sdk.python.v1.Pickled": _refused,
    **{f"google.protobuf.{kind}": _scalar(kind) for kind in ("StringValue", "BoolValue")},
    **{f"google.protobuf.{k}": _scalar(k) for k in ("Int64Value", "Int32Value", "UInt64Value", "UInt32Value")},
    **{f"google.protobuf.{kind}": _number(kind) for kind in ("DoubleValue", "FloatValue")},
    **{f"google.protobuf.{kind}": _structure(kind) for kind in ("Value", "Struct", "ListValue")},
    "google.protobuf.BytesValue": _direct(lambda d: _Bytes.FromString(d).value, to_json, bytes),
    "google.protobuf.Timestamp": _direct(lambda d: time_of(micros_of(Timestamp.FromString(d))), to_json, datetime),
    "google.protobuf.Duration": _direct(
        lambda d: timedelta(microseconds=duration_micros(_Duration.FromString(d))), to_json, timedelta
    ),
}
