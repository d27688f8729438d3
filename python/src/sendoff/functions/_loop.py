"""Runs that go on for ever."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sendoff._values import hints_of
from sendoff.functions._core.branch import owner
from sendoff.functions._format import messages as m
from sendoff.functions._format.journal import NONE, Value
from sendoff.functions._format.payload import PREFIX, decode, encode, of_any, to_any

if TYPE_CHECKING:
    from sendoff.functions._core.run import Run

S = TypeVar("S")
R = TypeVar("R")

_ANY = (bool, int, float, str, list, dict)  # the next state may be of another type than the first
_COMMANDS, _BYTES = 2000, 1 << 20  # when a loop starts a new journal
_MAGIC = b"sendoff.loop.v1\0"
_URL = PREFIX + "google.protobuf.BytesValue"
_Bytes = m.message("google.protobuf.BytesValue")


@dataclass
class Envelope:
    """The input of a run that goes on with a loop."""

    input: Value
    state: Value = NONE
    journals: int = 0  # before this one; makes each input another one, if the state is not


@dataclass(frozen=True)
class Done(Generic[R]):
    """What the body of a loop returns to end it. Made by done."""

    result: R


def done(result: R = None) -> Done[R]:  # type: ignore[assignment]
    """Ends a loop: return it from its body."""
    return Done(result)


async def loop(state: S, body: Callable[[S], Awaitable[S | Done[R]]]) -> R:
    """Calls body with the state, which returns the next one, again and again until it returns done(result), and keeps
    the journal short: when that has become long, the call goes on with an empty one, from the state. It may go on for
    ever.

    Make it what a function consists of: what the function did before it is done again with each new journal. Signals
    that nobody took are kept. In a branch the journal only grows.
    """
    from sendoff.functions._function import TailCall

    branch = owner("a loop")
    envelope = branch.run.envelope
    if envelope is not None and envelope.state.url:
        state = decode(_state_hint(body, state), envelope.state, "loop: the state of the last journal")
        envelope.state = NONE
    while True:
        following = await body(state)
        if isinstance(following, Done):
            return following.result
        state = following
        ledger = branch.run.ledger
        if branch.parent is None and (ledger.given >= _COMMANDS or ledger.size >= _BYTES):
            raise TailCall(_next_journal(branch.run, state))


def _state_hint(body: Callable[..., Any], state: Any) -> Any:
    first = next(iter(inspect.signature(body).parameters), "")
    try:
        hint = hints_of(body).get(first)
    except (NameError, TypeError, AttributeError):  # of a partial, a name that only type checkers have
        hint = None
    return hint or (Any if state is None or type(state) in _ANY else type(state))


def _next_journal(run: Run, state: Any) -> Any:
    envelope = run.envelope or Envelope(NONE)
    box = m.RunContext(epoch=envelope.journals + 1)
    for v in (envelope.input, encode(state, "loop: state")):
        box.journal.segments.append((to_any(v) or m.Any_()).SerializeToString())
    packed = _Bytes(value=_MAGIC + box.SerializeToString())
    return m.Call(function=run.info.function, input=m.Any_(type_url=_URL, value=packed.SerializeToString()))


def open_envelope(run: Run, input: Value) -> Value:
    """Unpacks the input of a run that goes on with a loop."""
    run.envelope = Envelope(input)
    if input.url != _URL or _MAGIC not in input.data[:40]:
        return input
    packed = _Bytes.FromString(input.data).value
    if not packed.startswith(_MAGIC):
        return input
    box = m.RunContext.FromString(packed[len(_MAGIC) :])
    given, state = (of_any(m.Any_.FromString(s)) for s in box.journal.segments)
    run.envelope = Envelope(given, state, box.epoch)
    return given
