"""Values go to JSON and come back as their annotations say."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Optional, Union
from uuid import UUID

import pytest

from sendoff._values import Arguments, from_json, to_json
from sendoff.errors import InvalidValue


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


@dataclass(frozen=True)
class Item:
    name: str
    price: Decimal
    colors: frozenset[Color] = field(default_factory=frozenset)


@dataclass
class Order:
    id: UUID
    items: list[Item]
    due: datetime | None = None


OrderId = NewType("OrderId", int)
ID = UUID("12345678-1234-5678-1234-567812345678")
ORDER = Order(ID, [Item("pen", Decimal("1.10"), frozenset([Color.RED]))], datetime(2030, 1, 1, tzinfo=timezone.utc))

SAME: list[tuple[Any, Any]] = [
    (Order, ORDER),
    (list[Order], [ORDER]),
    (Optional[Item], None),  # noqa: UP045
    (Union[int, str], "7"),  # noqa: UP007
    (int | None, 7),
    (float, 1.5),
    (bool, True),
    (bytes, b"\x00\xff"),
    (date, date(2030, 1, 31)),
    (time, time(12, 30)),
    (timedelta, timedelta(hours=1, microseconds=5)),
    (Level, Level.LOW),
    (dict[int, Color], {7: Color.BLUE}),
    (dict[UUID, int], {ID: 1}),
    (dict[Level, int], {Level.LOW: 2}),
    (Mapping[str, Sequence[int]], {"a": [1]}),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], (1, 2)),
    (set[int], {1, 2}),
    (Literal["a", 1], 1),
    (Annotated[int, "a note"], 3),
    (OrderId, 4),
    (Any, {"a": [None, 1.5, "x"]}),
]


@pytest.mark.parametrize(("hint", "value"), SAME, ids=[str(h) for h, _ in SAME])
def test_what_goes_out_comes_back(hint: Any, value: Any) -> None:
    back = from_json(hint, json.loads(json.dumps(to_json(value))))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    ("hint", "value", "told"),
    [
        (int, "7", "value: want a whole number, got '7'"),
        (int, True, "want a whole number, got True"),
        (str, 7, "want text"),
        (bool, 1, "want true or false"),
        (list[int], [1, "x"], r"value\[1\]: want a whole number"),
        (Order, {"id": str(ID), "items": [{"name": "pen"}]}, r"value.items\[0\].price: is missing"),
        (Item, {"name": "pen", "price": "1", "weight": 3}, "value.weight: Item has no such field"),
        (Color, "green", "want one of 'red', 'blue'"),
        (datetime, "yesterday", "want a time such as"),
        (UUID, "x", "want a UUID"),
        (Decimal, "x", "want a decimal number"),
        (tuple[int, str], [1], "want a list of 2"),
        (int | None, "x", "want a whole number"),
        (int | bool, "x", "want int or bool"),
        (Literal[1], True, "want 1"),
        (object.__class__, 1, "want another annotation than type"),
    ],
)
def test_what_does_not_fit_is_named(hint: Any, value: Any, told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        from_json(hint, value)


@pytest.mark.parametrize("value", [object(), float("nan"), {None: 1}, [object()], {(1, 2): 3}])
def test_what_has_no_json_is_refused(value: Any) -> None:
    with pytest.raises(InvalidValue):
        to_json(value)


def sample(a: int, /, b: Color, *rest: Decimal, c: Item | None = None, **more: date) -> list[UUID]:
    return []


def test_arguments_of_every_kind_go_through() -> None:
    arguments = Arguments(sample)
    args = (1, Color.RED, Decimal("2.5"))
    kwargs = {"c": Item("pen", Decimal(1)), "day": date(2030, 1, 1)}
    left, named = json.loads(json.dumps(arguments.write(args, kwargs)))
    assert arguments.read(left, named) == ([*args], kwargs)
    assert arguments.result([str(ID)]) == [ID]


def test_a_wrong_argument_is_named() -> None:
    arguments = Arguments(sample)
    for args, told in [
        (("x", Color.RED), "sample: argument a: want a whole number"),
        ((1, "green"), "sample: argument b: want one of"),
        ((1, Color.RED, Decimal(1), "x"), r"sample: argument rest\[1\]: want a decimal"),
        ((1,), "sample: arguments: missing a required argument: 'b'"),
    ]:
        with pytest.raises(InvalidValue, match=told):
            arguments.write(args, {})
    with pytest.raises(InvalidValue, match="sample: argument day: want a date"):
        arguments.write((1, Color.RED), {"day": "x"})
