"""An order as a durable function: docs/functions.md, in Python.

    pip install ./python
    sendoff run -- python3 examples/python/orders.py

or, with a server that stays (kill the app or the server with -9, start it again, and see the orders go on):

    sendoff serve &
    SENDOFF_URL=http://127.0.0.1:4450 python3 examples/python/orders.py serve &
    SENDOFF_URL=http://127.0.0.1:4450 python3 examples/python/orders.py o-2 pen 200
    sendoff tasks signal o-2 verdict '{"ok":true,"by":"eve"}'
    sendoff tasks tree o-2
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from datetime import timedelta

import sendoff
from sendoff.functions import default

LARGE = 10_000  # cents: somebody has to look at an order from then on


@dataclass
class Item:
    sku: str
    count: int


@dataclass
class Order:
    id: str
    email: str
    items: list[Item]


@dataclass
class Receipt:
    cents: int
    payment: str
    parcel: str


@dataclass
class Verdict:
    ok: bool
    by: str


@sendoff.error("shop.SoldOut")
@dataclass
class SoldOut(Exception):
    sku: str


verdicts = sendoff.Signal("verdict", Verdict)


@sendoff.function
def price(item: Item) -> int:
    if item.sku == "unicorn":
        raise SoldOut(item.sku)
    return 250 * len(item.sku) * item.count


@sendoff.function(timeout=30, expiration=timedelta(hours=1))
def ship(order: Order) -> str:
    if not order.email:
        raise ValueError("there is no address to ship to")
    print(f"order {order.id}: parcel for {order.email}", flush=True)
    return f"parcel-{order.id}"


@sendoff.function(expiration=timedelta(days=14))  # longer than a person may take
async def order(order: Order) -> Receipt:
    async with sendoff.saga() as undo:
        cents = sum(await price.map(order.items))
        if cents >= LARGE:
            await approved()
        undo.add("refund", refund, order.id)
        payment = await sendoff.step("charge", charge, order.id, cents)
        return Receipt(cents, payment, await ship(order))


async def approved() -> None:
    """Waits for the verdict of a person, for a week."""
    verdict, late = verdicts.next(), sendoff.sleep(timedelta(days=7))
    if await sendoff.select(verdict, late) == 1:
        raise RuntimeError("nobody looked at the order for a week")
    said = await verdict
    if not said.ok:
        raise RuntimeError(f"{said.by} said no")


# What stands for the services of others.


def charge(id: str, cents: int) -> str:
    print(f"order {id}: charge {cents} cents, idempotency key {sendoff.step_key()}", flush=True)
    return f"payment-{id}"


def refund(id: str) -> None:
    print(f"order {id}: give the money back, if there is some", flush=True)


def main(id: str = "o-1", sku: str = "pen", count: str = "3") -> None:
    call = order.submit_as(id, Order(id, "ada@example.com", [Item(sku, int(count)), Item("ink", 1)]))
    print(call.result(timeout=60), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        default.serve()
    else:
        if "DISPATCH_ENDPOINT_ADDR" in os.environ:  # sendoff run says where to listen
            threading.Thread(target=default.serve, daemon=True).start()
        main(*sys.argv[1:])
