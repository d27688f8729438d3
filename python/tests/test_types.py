"""What type checkers know; mypy reads this, and would refuse a wrong line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from sendoff import AsyncClient, Client
from sendoff.models import Queue, Task


def sync_kinds(client: Client) -> tuple[Queue, Iterator[Task], Task]:
    client.queues.pause(1)  # type: ignore[arg-type]
    return client.queues.pause("q"), client.tasks.list(limit=1), client.wait("t", timeout=1)


async def async_kinds(client: AsyncClient) -> tuple[Queue, AsyncIterator[Task], Task]:
    await client.queues.pause(1)  # type: ignore[arg-type]
    return await client.queues.pause("q"), client.tasks.list(limit=1), await client.wait("t", timeout=1)


def test_methods_have_their_words() -> None:
    assert "attempts under way go on" in (Client().queues.pause.__doc__ or "")
    assert Client().queues.pause.__name__ == "pause"
