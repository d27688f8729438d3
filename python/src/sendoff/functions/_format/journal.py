"""The journal of a durable function, byte for byte as the Go SDK writes it: docs/protocol.md, "Format of a journal"."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from sendoff.errors import SendoffError
from sendoff.functions._format.wire import (
    BYTES,
    FIXED64,
    VARINT,
    WireError,
    crc32c,
    put_bytes,
    put_fixed64,
    put_number,
    put_varint,
    skip,
    take_bytes,
    take_fixed64,
    take_tag,
    take_varint,
    unzigzag,
    zigzag,
)

NEWEST = 2  # the newest format that is read and written; 1 has no generation
_MAX_COMMANDS = 1 << 24  # bounds what a damaged journal can make us allocate


class Damaged(SendoffError):
    """The journal cannot be read."""


class Newer(SendoffError):
    """The journal was written by a newer SDK."""


class Kind(IntEnum):
    """Of an entry."""

    HEADER = 1
    COMMAND = 2
    DONE = 3  # of a command
    SIGNAL = 4  # came, whether somebody waits for it or not
    VERSION = 5
    POLL = 6  # all commands so far are sent; with Op.STEP: but for steps, which start after it
    SEAL = 7  # checksum of all before it
    EXPIRE = 8  # the deadline of the run passed; with n = BY_CANCEL it was canceled


BY_CANCEL = 1


class Op(IntEnum):
    """Of a command."""

    CALL = 1
    STEP = 2
    TIMER = 3
    GO = 4
    PROMISE = 5


_OPS: dict[int, str] = {Op.CALL: "call", Op.STEP: "step", Op.TIMER: "timer", Op.GO: "branch", Op.PROMISE: "promise"}


class Value(NamedTuple):
    """An encoded value: the two fields of an Any. An empty url is none."""

    url: str = ""
    data: bytes = b""


NONE = Value()


@dataclass(slots=True)
class Entry:
    """A line of a journal. Which fields are set depends on its kind; times are microseconds since 1970."""

    kind: int = 0

    # of the header
    version: int = 0
    sdk: str = ""
    seed: int = 0
    epoch: int = 0
    expires: int = 0  # 0 = never
    dispatch: str = ""
    generation: int = 0  # tells the journals of one run apart; 0 = the first one, or format 1

    # of a command; the name also of the header (function), a signal, a version, and of a poll: the signals it waits for
    op: int = 0
    branch: int = 0
    name: str = ""
    site: str = ""  # file:line, for people
    digest: int = 0
    count: int = 1  # of commands in one entry
    ordinal: int = 0  # of the first; of DONE: which

    at: int = 0
    n: int = 0  # of a signal: its sequence; a poll: calls sent; a version: which; the end of a step: attempts, 0 = 1
    value: Value = NONE
    fail: bytes | None = None  # a dispatch.sdk.v1.Error

    child: int = 0  # the branch that Op.GO made
    index: int = 0  # in the journal
    end: int = 0  # bytes of the journal up to its end

    def __str__(self) -> str:
        at = f" {_clock(self.at)}" if self.at else ""
        if self.kind == Kind.HEADER:
            return f"start {self.name}{at} input={self.value.url} {len(self.value.data)} bytes"
        if self.kind == Kind.COMMAND:
            return f"  #{self.ordinal} branch {self.branch}: {describe(self)}{at}"
        if self.kind == Kind.DONE:
            if self.fail is not None:
                return f"  #{self.ordinal} failed{at}"
            return f"  #{self.ordinal} done{at} {self.value.url} {len(self.value.data)} bytes"
        if self.kind == Kind.SIGNAL:
            return f"  signal {self.name} ({self.n}){at}"
        if self.kind == Kind.VERSION:
            return f"  version {self.name} = {self.n}"
        if self.kind == Kind.EXPIRE:
            return f"  {'canceled' if self.n == BY_CANCEL else 'expired'}{at}"
        return "  suspended" if self.kind == Kind.POLL else f"  entry {self.kind}"


def _clock(micros: int) -> str:
    seconds, micros = divmod(micros, 1_000_000)
    return f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micros:06}"


def describe(e: Entry | None) -> str:
    """Names what a command asks for, and where the code does; "nothing" for None."""
    if e is None:
        return "nothing"
    text = _OPS.get(e.op, f"command {e.op}")
    if e.name:
        text += f" {e.name}"
    if e.op == Op.CALL and e.count > 1:
        text += f" ({e.count} times)"
    return f"{text} at {e.site}" if e.site else text


def place(generation: int, path: str) -> str:
    """A path of branches and commands that no other journal of the run has, as in "g2/3/1"."""
    if generation == 0:
        return path
    digits = ""
    while generation:
        generation, digit = divmod(generation, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return f"g{digits}/{path}"


_ENTRY = 1  # the only field of a journal: segments can be put one after another
# The fields of an entry. A text is written in full the first time, and as its number, in the field behind, later.
_KIND, _BRANCH, _OP, _NAME, _SITE, _DIGEST, _COUNT, _AT, _ORDINAL = 1, 2, 3, 4, 6, 8, 9, 10, 11
_URL, _DATA, _FAIL, _N, _VERSION, _SDK, _SEED, _EPOCHS, _EXPIRES, _DISPATCH, _LIFE = 12, 14, 15, 16, *range(17, 24)


class Writer:
    """Encodes entries. What was not taken yet is pending. A new one begins a journal."""

    def __init__(self) -> None:
        self.taken = 0  # bytes taken: where the next segment begins
        self._pending = bytearray()
        self._sum = 0  # of them
        self._texts: dict[str, int] = {}
        self._start = 0  # of the header; times are written as distances from it

    @property
    def pending(self) -> int:
        """Bytes that were not taken yet."""
        return len(self._pending)

    def __len__(self) -> int:
        return self.taken + len(self._pending)

    def add(self, e: Entry) -> None:
        """Writes an entry."""
        if e.kind == Kind.HEADER:
            self._start = e.at
        b = bytearray()
        put_number(b, _KIND, e.kind)
        put_number(b, _BRANCH, e.branch)
        put_number(b, _OP, e.op)
        self._text(b, _NAME, e.name)
        self._text(b, _SITE, e.site)
        put_fixed64(b, _DIGEST, e.digest)
        put_number(b, _COUNT, e.count if e.count > 1 else 0)
        if e.at:  # the distance may be 0
            put_varint(b, _AT << 3 | VARINT)
            put_varint(b, zigzag(e.at if e.kind == Kind.HEADER else e.at - self._start))
        put_number(b, _ORDINAL, e.ordinal if e.kind == Kind.DONE else 0)
        self._text(b, _URL, e.value.url)
        put_bytes(b, _DATA, e.value.data)
        put_bytes(b, _FAIL, e.fail or b"")
        put_number(b, _N, e.n)
        if e.kind == Kind.HEADER:
            _put_header(b, e)
        put_bytes(self._pending, _ENTRY, b)

    def _text(self, b: bytearray, field: int, text: str) -> None:
        if not text:
            return
        if known := self._texts.get(text):
            put_number(b, field + 1, known)
            return
        self._texts[text] = len(self._texts) + 1
        put_bytes(b, field, _encoded(text))

    def take(self, n: int | None = None) -> bytes:
        """Seals the first n pending bytes (None = all), and returns them as a segment."""
        segment = self._pending[:n]
        del self._pending[:n]
        self._sum = crc32c(segment, self._sum)
        seal, entry = bytearray(), bytearray()
        put_number(entry, _KIND, Kind.SEAL)
        put_number(entry, _N, self._sum + 1)
        put_bytes(seal, _ENTRY, entry)
        self._sum = crc32c(seal, self._sum)
        segment += seal
        self.taken += len(segment)
        return bytes(segment)


def _put_header(b: bytearray, e: Entry) -> None:
    put_number(b, _VERSION, e.version)
    put_bytes(b, _SDK, _encoded(e.sdk))
    put_number(b, _SEED, e.seed)
    put_number(b, _EPOCHS, e.epoch)
    put_number(b, _EXPIRES, max(e.expires, 0))
    put_bytes(b, _DISPATCH, _encoded(e.dispatch))
    put_number(b, _LIFE, e.generation)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def decode(journal: bytes) -> tuple[list[Entry], Writer]:
    """Reads all segments of a journal, and returns its entries and a writer that goes on with it.

    Raises Damaged, and Newer for a journal of a newer format.
    """
    r = _Reader(journal)
    while r.more():
        r.next()
    if not r.entries or not r.sealed:
        raise r.damaged("its end is missing")
    return r.entries, r.writer()


class _Reader:
    def __init__(self, journal: bytes) -> None:
        self.entries: list[Entry] = []
        self.position = 0  # of the entry that is read
        self.sealed = False
        self._next = 0
        self._journal = journal
        self._texts: list[str] = []
        self._start = self._commands = self._branches = 0
        self._sum = self._summed = 0  # over so many bytes

    def writer(self) -> Writer:
        w = Writer()
        w.taken, w._sum, w._start = len(self._journal), self._sum, self._start
        w._texts = {text: i for i, text in enumerate(self._texts, 1)}
        return w

    def damaged(self, why: str) -> Damaged:
        return Damaged(f"the journal is damaged: at byte {self.position}: {why}")

    def more(self) -> bool:
        return self._next < len(self._journal)

    def next(self) -> None:
        self.position = self._next
        try:
            field, wire, at = take_tag(self._journal, self.position)
        except WireError as wrong:
            raise self.damaged("it is no journal") from wrong
        if field != _ENTRY or wire != BYTES:
            raise self.damaged("it is no journal")
        try:
            body, end = take_bytes(self._journal, at)
        except WireError as wrong:
            raise self.damaged("it ends within an entry") from wrong
        e = Entry()
        try:
            self._fields(body, e)
        except WireError as wrong:
            raise self.damaged("a field cannot be read") from wrong
        self._check(e)
        self.sealed = e.kind == Kind.SEAL
        if self.sealed:
            self._sum_to(end)
        else:
            e.index, e.end = len(self.entries), end
            self.entries.append(e)
        self._next = end

    def _sum_to(self, end: int) -> None:
        self._sum = crc32c(self._journal[self._summed : end], self._sum)
        self._summed = end

    def _check(self, e: Entry) -> None:
        if (not self.entries) != (e.kind == Kind.HEADER):
            raise self.damaged("the header is not where it must be")
        if e.kind == Kind.HEADER:
            if not 0 < e.version <= NEWEST:
                raise Newer(
                    f"the journal was written by a newer SDK ({e.sdk}, format {e.version}; "
                    f"this one reads up to {NEWEST}): deploy that version again"
                )
            self._start = e.at
        elif e.kind == Kind.COMMAND:
            self._command(e)
        elif e.kind == Kind.DONE:
            if e.ordinal >= self._commands:
                raise self.damaged(f"end of command {e.ordinal}, which was never given")
        elif e.kind == Kind.SEAL:
            self._sum_to(self.position)
            if e.n != self._sum + 1:
                raise self.damaged("its checksum is wrong")
        elif e.kind not in (Kind.SIGNAL, Kind.VERSION, Kind.POLL, Kind.EXPIRE):
            raise self.damaged(f"entry of unknown kind {e.kind}")

    def _command(self, e: Entry) -> None:
        if e.branch > self._branches or self._commands + e.count > _MAX_COMMANDS:
            raise self.damaged(f"command of branch {e.branch} with {e.count} parts")
        if e.op == Op.GO:
            self._branches += 1
            e.child = self._branches
        e.ordinal = self._commands
        self._commands += e.count

    def _fields(self, body: bytes, e: Entry) -> None:
        at = 0
        while at < len(body):
            field, wire, at = take_tag(body, at)
            if wire == VARINT:
                number, at = take_varint(body, at)
                self._number(e, field, number)
            elif wire == BYTES:
                data, at = take_bytes(body, at)
                self._bytes(e, field, data)
            elif wire == FIXED64:
                number, at = take_fixed64(body, at)
                if field == _DIGEST:
                    e.digest = number
            else:
                at = skip(body, at, wire)

    def _number(self, e: Entry, field: int, v: int) -> None:
        if field == _KIND:
            e.kind = min(v, 255)
        elif field == _OP:
            e.op = min(v, 255)
        elif name := _NUMBERS.get(field):
            setattr(e, name, v & _MASKS.get(field, _ALL))
        elif field == _COUNT:
            e.count = max(v, 1)
        elif field == _AT:
            e.at = unzigzag(v) + self._start
        elif field == _NAME + 1:
            e.name = self._text(v)
        elif field == _SITE + 1:
            e.site = self._text(v)
        elif field == _URL + 1:
            e.value = Value(self._text(v), e.value.data)

    def _bytes(self, e: Entry, field: int, v: bytes) -> None:
        if field == _DATA:
            e.value = Value(e.value.url, v)
        elif field == _FAIL:
            e.fail = v
        elif field == _NAME:
            e.name = self._new_text(v)
        elif field == _SITE:
            e.site = self._new_text(v)
        elif field == _URL:
            e.value = Value(self._new_text(v), e.value.data)
        elif field == _SDK:
            e.sdk = _decoded(v)
        elif field == _DISPATCH:
            e.dispatch = _decoded(v)

    def _new_text(self, v: bytes) -> str:
        self._texts.append(_decoded(v))
        return self._texts[-1]

    def _text(self, ref: int) -> str:
        if not 0 < ref <= len(self._texts):
            raise self.damaged(f"text {ref}, which was never given")
        return self._texts[ref - 1]


_ALL = (1 << 64) - 1
_NUMBERS = {
    _BRANCH: "branch",
    _ORDINAL: "ordinal",
    _N: "n",
    _VERSION: "version",
    _SEED: "seed",
    _EPOCHS: "epoch",
    _EXPIRES: "expires",
    _LIFE: "generation",
}
_MASKS = {_EPOCHS: 0xFFFF, _EXPIRES: (1 << 63) - 1}
