from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from sendoff import NewTask, Unique
from sendoff._codec import encode, format_duration, format_time, parse_duration, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("1h30m", 5400),
        ("1m0s", 60),
        ("3.274ms", 0.003274),
        ("250µs", 0.00025),
        ("-2s", -2),
        ("0", 0),
        ("168h0m0s", 604800),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "s", "1", "1x", "1h 2m", "h1"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize("value", [timedelta(days=7), timedelta(microseconds=1), timedelta(seconds=-1.25), timedelta()])
def test_durations_come_back(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


def test_times_are_utc() -> None:
    at = datetime(2026, 11, 27, 14, 2, 11, 302000, timezone.utc)
    assert parse_time("2026-11-27T14:02:11.302Z") == parse_time("2026-11-27T15:02:11.302000999+01:00") == at
    assert parse_time(format_time(at)) == at
    assert parse_time("2026-11-27T14:02:11Z").tzinfo is not None


def test_fields_without_a_value_are_left_out() -> None:
    task = NewTask(url="u", delay=timedelta(seconds=90), body=b"x", unique=Unique("k"), on_success=NewTask(url="v"))
    assert encode(task) == {
        "url": "u",
        "delay": "90s",
        "body_base64": "eA==",
        "unique": {"key": "k"},
        "on_success": {"url": "v"},
    }


def test_what_is_no_json_is_an_error() -> None:
    with pytest.raises(TypeError, match="no JSON"):
        encode(NewTask(payload=object()))
