"""The journal of a run, and how far the code has come in it."""

from __future__ import annotations

import time
from typing import Any

from sendoff.functions._format.journal import Entry, Kind, Op, Writer
from sendoff.functions._format.messages import Append


class Ledger:
    """Writes entries, and knows what of them is on disk."""

    def __init__(self, log: Writer) -> None:
        self.log = log
        self.ordinals: int = 0  # given to commands
        self.branches: int = 0  # made
        self.given: int = 0  # commands up to where the code is, in a replay too
        self.size: int = 0  # bytes of the journal up to there
        self.cut: int = -1  # bytes of the log before the first failure that is not on disk; -1 = there is none
        self.unsafe: bool = False  # steps have ended that are not on disk
        self.shown: float = 0.0  # when steps were started, or what there is was put on record

    def write(self, e: Entry) -> None:
        """Puts an entry into the journal."""
        self.log.add(e)
        self.size = len(self.log)

    def restore(self, entries: list[Entry]) -> None:
        """Sets it to the start of a journal that is repeated."""
        self.size = entries[0].end
        for e in entries:
            if e.kind == Kind.COMMAND:
                self.ordinals = e.ordinal + e.count
                self.branches = max(self.branches, e.child)

    def met(self, e: Entry) -> None:
        """Notes that the code gave a command which is in the journal."""
        self.given += e.count
        self.size = max(self.size, e.end)

    def number(self, e: Entry) -> None:
        """Gives a new command its ordinals, and a branch that it starts its number."""
        e.ordinal = self.ordinals
        self.ordinals += e.count
        self.given += e.count
        self.cut = -1  # what failed was followed by something: by an undo, maybe
        if e.op == Op.GO:
            self.branches += 1
            e.child = self.branches

    def failed(self) -> None:
        """Notes that the entry to come is a failure: an attempt that is made again must be able to try anew."""
        if self.cut < 0:
            self.cut = self.log.pending

    def repeatable(self) -> int:
        """How many pending bytes an attempt that is made again may meet."""
        return self.cut if self.cut >= 0 else self.log.pending

    def take(self, n: int) -> Any:
        """Takes the first n pending bytes, to be put on record."""
        offset = self.log.taken
        return Append(offset=offset, segment=self.log.take(n))

    def recorded(self, n: int) -> None:
        """Notes that the n bytes taken last are on disk."""
        self.shown = time.monotonic()
        if self.log.pending == 0:
            self.safe()
        elif self.cut >= 0:
            self.cut -= n

    def safe(self) -> None:
        """Notes that all is on disk, or goes there with the answer."""
        self.unsafe, self.cut = False, -1
