"""Durable functions: their progress is on disk, and they go on where they were when their process, their machine or
the server dies.

import sendoff

@sendoff.function
async def order(id: str) -> str:
    payment = await sendoff.step("charge", charge, id)
    return await ship(id)
"""

from sendoff.functions._combine import Result, any, branch, gather, race, select, settled
from sendoff.functions._core.branch import Misuse
from sendoff.functions._core.future import Future
from sendoff.functions._core.replay import Mismatch
from sendoff.functions._determinism import DeterminismWarning
from sendoff.functions._endpoint import Functions, default, function, remote
from sendoff.functions._failure import CallError, Canceled, Ended, Status, TimedOut, error
from sendoff.functions._function import Function, Handle, TailCall
from sendoff.functions._loop import Done, done, loop
from sendoff.functions._operations import (
    RunInfo,
    info,
    logger,
    now,
    random,
    sleep,
    sleep_until,
    step,
    step_key,
    step_stopped,
    timeout,
    uuid,
    version,
)
from sendoff.functions._options import CallOptions
from sendoff.functions._saga import Saga, saga
from sendoff.functions._signal import Promise, Signal, promise, reject, resolve, send

__all__ = [
    "CallError",
    "CallOptions",
    "Canceled",
    "DeterminismWarning",
    "Done",
    "Ended",
    "Function",
    "Functions",
    "Future",
    "Handle",
    "Mismatch",
    "Misuse",
    "Promise",
    "Result",
    "RunInfo",
    "Saga",
    "Signal",
    "Status",
    "TailCall",
    "TimedOut",
    "any",
    "branch",
    "default",
    "done",
    "error",
    "function",
    "gather",
    "info",
    "logger",
    "loop",
    "now",
    "promise",
    "race",
    "random",
    "reject",
    "remote",
    "resolve",
    "saga",
    "select",
    "send",
    "settled",
    "sleep",
    "sleep_until",
    "step",
    "step_key",
    "step_stopped",
    "timeout",
    "uuid",
    "version",
]
