"""What is left to repeat of a journal, and what is said when the code does not fit it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sendoff.errors import SendoffError
from sendoff.functions._format.journal import Entry, Kind, Op, describe

if TYPE_CHECKING:
    from sendoff.functions._core.branch import Branch

_WAYS = (
    "Three ways out: deploy the build that wrote the journal again; "
    "guard the change with sendoff.version, so that runs that are under way keep the old path; "
    "or restart the run from its input."
)


class Mismatch(SendoffError):
    """The code of a function does not fit the journal of a run: SENDOFF1001."""


class Replay:
    """Walks through a journal beside the code. Without entries there is nothing to repeat."""

    def __init__(self, entries: list[Entry] | None = None) -> None:
        self.entries: list[Entry] = entries or []
        self.branches: list[list[Entry]] = []  # the commands of each
        self.events: list[Entry] = []  # all that is neither command nor version
        self.before: list[int] = []  # commands before each event
        self.next = 0  # of events
        self.commands: int = 0
        self.matched: int = 0
        self.met: bytearray = bytearray(len(self.entries))  # commands that the code gave again
        self.versions: dict[str, int] = {}
        self._sort()

    def _sort(self) -> None:
        command, version, header = Kind.COMMAND, Kind.VERSION, Kind.HEADER
        for e in self.entries:
            if e.kind == command:
                while len(self.branches) <= e.branch:
                    self.branches.append([])
                self.branches[e.branch].append(e)
                self.commands += 1
            elif e.kind == version:
                self.versions[e.name] = e.n
            elif e.kind != header:
                self.events.append(e)
                self.before.append(self.commands)

    def commands_of(self, branch: int) -> list[Entry]:
        """Those of a branch."""
        return self.branches[branch] if branch < len(self.branches) else []

    @property
    def active(self) -> bool:
        """Something was not repeated yet."""
        return self.next < len(self.events) or self.matched < self.commands

    def match(self, branch: Branch, now: Entry) -> Entry:
        """The record of a command that a branch gives. Raises Mismatch."""
        position = branch.count - 1
        if position >= len(branch.recorded):
            raise self._mismatch(branch, None, now, "the journal has no such command here")
        e = branch.recorded[position]
        if e.op != now.op or e.name != now.name:
            raise self._mismatch(branch, e, now, "")
        if e.op == Op.CALL and e.count != now.count:
            raise self._mismatch(branch, e, now, f"it was {e.count} calls, and is now {now.count}")
        if e.op == Op.CALL and e.digest != now.digest:
            raise self._mismatch(branch, e, now, "its input differs")
        if self.next < len(self.events) and self.events[self.next].index < e.index:
            raise self._mismatch(branch, e, now, "it came later")
        self.met[e.index] = 1
        self.matched += 1
        return e

    def missing(self) -> Entry | None:
        """A recorded command that the code did not give by the time that the journal has it."""
        limit, index = self.commands, len(self.entries)
        if self.next < len(self.events):
            limit, index = self.before[self.next], self.events[self.next].index
        if self.matched >= limit:
            return None
        return next((e for e in self.entries[:index] if e.kind == Kind.COMMAND and not self.met[e.index]), None)

    def lost(self, branch: Branch, e: Entry) -> Mismatch:
        """Says that a recorded command did not come."""
        info = branch.run.info
        return Mismatch(
            f"SENDOFF1001: the code of function {info.function} does not fit the journal of run {info.id}: "
            "a command that was recorded did not come.\n"
            f"  recorded: {describe(e)}\n"
            "  code now: the branch returned, or waits for something else\n" + _WAYS
        )

    def _mismatch(self, branch: Branch, e: Entry | None, now: Entry, why: str) -> Mismatch:
        info = branch.run.info
        lines = [
            f"SENDOFF1001: the code of function {info.function} does not fit the journal of run {info.id}, "
            f"at command {branch.path(branch.count)}.",
            f"  recorded: {describe(e)}",
            f"  code now: {describe(now)}",
        ]
        if why:
            lines.append(f"  ({why})")
        if before := branch.recorded[: branch.count - 1][-5:]:
            lines.append("  before it:")
            first = branch.count - len(before)
            lines += [f"    {branch.path(first + i)}: {describe(b)}" for i, b in enumerate(before)]
        return Mismatch("\n".join([*lines, _WAYS]))
