"""The journal of a durable function, byte for byte as the Go SDK writes it: docs/protocol.md, "Format of a journal"."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from sendoff.errors import SendoffError
from sendoff.functions._format.crc32c import crc32c
from sendoff.functions._format.wire import (
    BYTES,
    FIXED64,
    VARINT,
    WireError,
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

    def again(self) -> Entry:
        """The same command as it is written, in another place."""
        return Entry(self.kind, op=self.op, branch=self.branch, name=self.name, site=self.site, digest=self.digest,
                     count=self.count, at=self.at, n=self.n, value=self.value, fail=self.fail)  # fmt: skip

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
        self.taken: int = 0  # bytes taken: where the next segment begins
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
    try:
        while r.more():
            r.next()
        if not r.entries or not r.sealed:
            raise r.damaged("its end is missing")
    finally:
        r.check_seals()
    return r.entries, r.writer()


class _Reader:
    def __init__(self, journal: bytes) -> None:
        self.entries: list[Entry] = []
        self.position = 0  # of the entry that is read
        self.sealed = False
        self._next = 0
        self._journal = journal
        self._texts: list[str] = []
        self._repeated: dict[bytes, Entry] = {}  # commands, as in a loop: bodies that stand for the same each time
        self._start = self._commands = self._branches = 0
        self._sum = self._summed = 0  # over so many bytes
        self._seals: list[tuple[int, int]] = []  # where they are, and what they say

    def writer(self) -> Writer:
        self._sum_to(len(self._journal))
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
        body, self._next = self._body()
        if self.entries and body.startswith(_SEAL_HEAD) and self._plain_seal(body):
            return
        known = self._repeated.get(body)
        e = known.again() if known is not None else self._read(body)
        self._check(e)
        self.sealed = e.kind == _SEAL
        if not self.sealed:
            e.index, e.end = len(self.entries), self._next
            self.entries.append(e)

    def _plain_seal(self, body: bytes) -> bool:
        """Takes a seal, when it is as all SDKs write them."""
        try:
            n, at = take_varint(body, len(_SEAL_HEAD))
        except WireError:
            return False
        self.sealed = at == len(body)
        if self.sealed:
            self._seals.append((self.position, n))
        return self.sealed

    def check_seals(self) -> None:
        """Raises Damaged for the first that is wrong. The last one is of all bytes, so when it holds they all do."""
        for position, n in self._seals[-1:]:
            self._sum_to(position)
            if n == self._sum + 1:
                return
        self._sum = self._summed = 0
        for position, n in self._seals:
            self._sum_to(position)
            if n != self._sum + 1:
                self.position = position
                raise self.damaged("its checksum is wrong")

    def _read(self, body: bytes) -> Entry:
        e, texts = Entry(), len(self._texts)
        try:
            self._fields(body, e)
        except WireError as wrong:
            raise self.damaged("a field cannot be read") from wrong
        if e.kind == _COMMAND and len(self._texts) == texts:
            self._repeated[body] = e
        return e

    def _body(self) -> tuple[bytes, int]:
        """The fields of the entry, and where it ends."""
        journal, at = self._journal, self.position
        head = journal[at : at + 2]
        if len(head) == 2 and head[0] == _HEAD and head[1] < 0x80 and (end := at + 2 + head[1]) <= len(journal):
            return journal[at + 2 : end], end  # as nearly all are
        try:
            field, wire, at = take_tag(journal, at)
        except WireError as wrong:
            raise self.damaged("it is no journal") from wrong
        if field != _ENTRY or wire != BYTES:
            raise self.damaged("it is no journal")
        try:
            return take_bytes(journal, at)
        except WireError as wrong:
            raise self.damaged("it ends within an entry") from wrong

    def _sum_to(self, end: int) -> None:
        self._sum = crc32c(self._journal[self._summed : end], self._sum)
        self._summed = end

    def _check(self, e: Entry) -> None:
        if (not self.entries) != (e.kind == _HEADER):
            raise self.damaged("the header is not where it must be")
        if e.kind == _COMMAND:
            self._command(e)
        elif e.kind == _DONE:
            if e.ordinal >= self._commands:
                raise self.damaged(f"end of command {e.ordinal}, which was never given")
        elif e.kind == _SEAL:
            self._seals.append((self.position, e.n))
        elif e.kind == Kind.HEADER:
            if not 0 < e.version <= NEWEST:
                raise Newer(
                    f"the journal was written by a newer SDK ({e.sdk}, format {e.version}; "
                    f"this one reads up to {NEWEST}): deploy that version again"
                )
            self._start = e.at
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
        at, size = 0, len(body)
        while at < size:
            tag = body[at]
            if 8 <= tag < 0x80:  # as nearly all are
                at += 1
            else:
                field, wire, at = take_tag(body, at)
                tag = field << 3 | wire
            wire = tag & 7
            if wire == VARINT:
                number, at = take_varint(body, at)
                if name := _NUMBERS.get(tag):
                    setattr(e, name, number)
                else:
                    self._number(e, tag >> 3, number)
            elif wire == BYTES:
                data, at = take_bytes(body, at)
                self._bytes(e, tag >> 3, data)
            else:
                at = _fixed(e, tag, body, at)

    def _number(self, e: Entry, field: int, v: int) -> None:
        if field == _KIND:
            e.kind = min(v, 255)
        elif field == _AT:
            e.at = unzigzag(v) + self._start
        elif field == _URL + 1:
            e.value = Value(self._text(v), e.value.data)
        elif field == _OP:
            e.op = min(v, 255)
        elif field == _COUNT:
            e.count = max(v, 1)
        elif field == _NAME + 1:
            e.name = self._text(v)
        elif field == _SITE + 1:
            e.site = self._text(v)
        elif field == _EPOCHS:
            e.epoch = v & 0xFFFF
        elif field == _EXPIRES:
            e.expires = v & (1 << 63) - 1

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


def _fixed(e: Entry, tag: int, body: bytes, at: int) -> int:
    """Takes the digest, or leaves out what is no field of ours."""
    if tag & 7 != FIXED64:
        return skip(body, at, tag & 7)
    number, at = take_fixed64(body, at)
    if tag >> 3 == _DIGEST:
        e.digest = number
    return at


_HEADER, _COMMAND, _DONE, _SEAL = Kind.HEADER, Kind.COMMAND, Kind.DONE, Kind.SEAL
_HEAD = _ENTRY << 3 | BYTES  # what an entry begins with
_SEAL_HEAD = bytes([_KIND << 3 | VARINT, Kind.SEAL, _N << 3 & 0x7F | 0x80 | VARINT, _N << 3 >> 7])
_NUMBERS = {  # numbers that are taken as they are
    field << 3 | VARINT: name
    for field, name in (
        (_BRANCH, "branch"),
        (_ORDINAL, "ordinal"),
        (_N, "n"),
        (_VERSION, "version"),
        (_SEED, "seed"),
        (_LIFE, "generation"),
    )
}
