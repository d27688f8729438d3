"""The messages of the protocol of functions: docs/protocol.md.

They are in a pool of their own: other packages have files of the same names, without our additions.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet

pool = descriptor_pool.DescriptorPool()
for _file in FileDescriptorSet.FromString((files("sendoff.functions._format") / "protocol.binpb").read_bytes()).file:
    pool.AddSerializedFile(_file.SerializeToString())


def message(name: str) -> Any:
    """The class of a message, by its full name."""
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


Any_ = message("google.protobuf.Any")
Duration = message("google.protobuf.Duration")
Timestamp = message("google.protobuf.Timestamp")
JSON = message("sendoff.v1.JSON")
Error = message("dispatch.sdk.v1.Error")
Call = message("dispatch.sdk.v1.Call")
CallResult = message("dispatch.sdk.v1.CallResult")
Poll = message("dispatch.sdk.v1.Poll")
PollResult = message("dispatch.sdk.v1.PollResult")
RunRequest = message("dispatch.sdk.v1.RunRequest")
RunResponse = message("dispatch.sdk.v1.RunResponse")
CallOptions = message("sendoff.v1.CallOptions")
Limit = message("sendoff.v1.Limit")
RetryPolicy = message("sendoff.v1.RetryPolicy")
Append = message("sendoff.v1.Append")
Journal = message("sendoff.v1.Journal")
RunContext = message("sendoff.v1.RunContext")
RunReport = message("sendoff.v1.RunReport")
Received = message("sendoff.v1.Received")
Signal = message("sendoff.v1.Signal")
CheckpointRequest = message("sendoff.v1.CheckpointRequest")
SendSignalRequest = message("sendoff.v1.SendSignalRequest")
ReceiveRequest = message("sendoff.v1.ReceiveRequest")
ReceiveResponse = message("sendoff.v1.ReceiveResponse")

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICRO = timedelta(microseconds=1)


def micros_of(at: Any) -> int:
    """Microseconds since 1970 of a Timestamp."""
    return int(at.seconds) * 1_000_000 + int(at.nanos) // 1000


def timestamp(micros: int) -> Any:
    """A Timestamp of microseconds since 1970."""
    seconds, rest = divmod(micros, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def duration(micros: int) -> Any:
    """A Duration of microseconds."""
    seconds, rest = divmod(abs(micros), 1_000_000)
    sign = -1 if micros < 0 else 1
    return Duration(seconds=sign * seconds, nanos=sign * rest * 1000)


def duration_micros(span: Any) -> int:
    """Microseconds of a Duration."""
    return int(span.seconds) * 1_000_000 + int(span.nanos / 1000)


def time_of(micros: int) -> datetime:
    """A time, in UTC, of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


def to_micros(at: datetime) -> int:
    """Microseconds since 1970; a time without a zone is local."""
    return (at.astimezone(timezone.utc) - _EPOCH) // _MICRO
