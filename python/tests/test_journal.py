"""Journals, against the vectors that all SDKs share."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sendoff.functions._format.crc32c import crc32c
from sendoff.functions._format.journal import Damaged, Entry, Kind, Newer, Op, Value, Writer, decode, place

FILE = Path(__file__).parents[2] / "internal" / "journal" / "testdata" / "vectors.json"


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    if not FILE.exists():
        pytest.skip("without the repository there are no vectors")
    found: dict[str, Any] = json.loads(FILE.read_text())
    assert all(found[part] for part in ("journals", "refused", "places"))
    return found


def entry(given: dict[str, Any]) -> Entry:
    fields = dict(given)
    value = Value(fields.pop("url", ""), base64.b64decode(fields.pop("data", "")))
    fail = base64.b64decode(fields.pop("fail")) if "fail" in fields else None
    return Entry(**fields, value=value, fail=fail)


def write(w: Writer, segment: dict[str, Any]) -> str:
    for given in segment["entries"]:
        w.add(entry(given["entry"]))
    return w.take().hex()


def test_a_journal_has_the_bytes_that_the_go_sdk_writes(vectors: dict[str, Any]) -> None:
    for journal in vectors["journals"]:
        w = Writer()
        for segment in journal["segments"]:
            assert write(w, segment) == segment["bytes"], journal["name"]


def test_a_journal_is_read_as_it_was_written(vectors: dict[str, Any]) -> None:
    for journal in vectors["journals"]:
        whole = b"".join(bytes.fromhex(s["bytes"]) for s in journal["segments"])
        told = [given for s in journal["segments"] for given in s["entries"]]
        got, w = decode(whole)
        added = ("ordinal", "child", "end")
        want = [replace(entry(t["entry"]), index=i, **{k: t[k] for k in added}) for i, t in enumerate(told)]
        assert got == want, journal["name"]
        assert [str(e) for e in got] == [t["text"] for t in told]
        assert (w.taken, w.pending) == (len(whole), 0)


def test_a_journal_of_another_instance_goes_on_as_it_would_there(vectors: dict[str, Any]) -> None:
    for journal in vectors["journals"]:
        whole = b""
        for i, segment in enumerate(journal["segments"]):
            if i > 0:
                assert write(decode(whole)[1], segment) == segment["bytes"], journal["name"]
            whole += bytes.fromhex(segment["bytes"])


def test_what_cannot_be_read_is_refused_in_the_words_of_the_go_sdk(vectors: dict[str, Any]) -> None:
    for refused in vectors["refused"]:
        with pytest.raises((Damaged, Newer)) as e:
            decode(bytes.fromhex(refused["bytes"]))
        assert str(e.value) == refused["error"], refused["name"]
        assert isinstance(e.value, Newer) == (refused["name"] == "a newer format")


def test_every_other_bit_is_noticed(vectors: dict[str, Any]) -> None:
    segments = [bytes.fromhex(s["bytes"]) for s in vectors["journals"][0]["segments"]]
    whole = b"".join(segments)
    ends = {sum(map(len, segments[:n])) for n in range(1, len(segments))}
    for i in range(len(whole)):
        with pytest.raises((Damaged, Newer)):
            decode(whole[:i] + bytes([whole[i] ^ 0x10]) + whole[i + 1 :])
        if i not in ends:  # only the end of a segment is an end
            with pytest.raises(Damaged):
                decode(whole[:i])


def test_a_part_is_taken_and_the_rest_stays() -> None:
    w = Writer()
    w.add(Entry(kind=Kind.HEADER, version=1, name="f", dispatch="id"))
    size = w.pending
    w.add(Entry(kind=Kind.COMMAND, op=Op.STEP, name="f"))
    first = w.take(size)
    assert [e.kind for e in decode(first)[0]] == [Kind.HEADER]
    assert w.taken == len(first)
    assert len(w) == len(first) + w.pending
    whole = first + w.take()
    assert [(e.kind, e.name) for e in decode(whole)[0]] == [(Kind.HEADER, "f"), (Kind.COMMAND, "f")]


def byte_by_byte(data: bytes, before: int) -> int:
    total = before ^ 0xFFFFFFFF
    for byte in data:
        total ^= byte
        for _ in range(8):
            total = total >> 1 ^ (0x82F63B78 if total & 1 else 0)
    return total ^ 0xFFFFFFFF


def test_the_checksum_of_much_is_that_of_its_bytes() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # as RFC 3720 and others have it
    numbers = random.Random(7)
    for size in (0, 1, 3, 1023, 1024, 1025, 1026, 1027, 2048, 2049, 4095, 30_001):
        data, before = numbers.randbytes(size), numbers.getrandbits(32)
        assert crc32c(data, before) == byte_by_byte(data, before), size
        assert crc32c(bytearray(data), before) == crc32c(data, before)


def test_the_first_checksum_that_is_wrong_is_named() -> None:
    w = Writer()
    w.add(Entry(kind=Kind.HEADER, version=1, name="f", dispatch="id"))
    segments = [w.take()]
    for value in (b"a" * 3000, b"b" * 3000):
        w.add(Entry(kind=Kind.COMMAND, op=Op.STEP, name="f"))
        w.add(Entry(kind=Kind.DONE, ordinal=len(segments) - 1, value=Value("u", value)))
        segments.append(w.take())
    seal = len(b"".join(segments[:2])) - 11  # 11 bytes: the seal of the second
    for wrong in (segments[1].replace(b"aaa", b"aab", 1), segments[1][:-1] + bytes([segments[1][-1] ^ 1])):
        for end in (segments[2], segments[2][:50], b"\xff"):
            with pytest.raises(Damaged, match=f"at byte {seal}: its checksum is wrong"):
                decode(segments[0] + wrong + end)


def test_places_are_those_of_the_go_sdk(vectors: dict[str, Any]) -> None:
    for p in vectors["places"]:
        assert place(p["generation"], p["path"]) == p["place"]
