"""What carries flows out: one driver blocks, the other awaits."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import httpx

from sendoff._flow import TRY_TIMEOUT, Flow, Page, Pause, Reply, Request, send
from sendoff._settings import Settings
from sendoff._tail import Tail
from sendoff.errors import Unreachable
from sendoff.models.events import Event

T = TypeVar("T")


def _arguments(settings: Settings, request: Request[Any]) -> dict[str, Any]:
    headers = {**settings.headers, **request.headers}
    timeout = httpx.Timeout(TRY_TIMEOUT + request.wait, connect=10.0)
    url = settings.url + request.target
    return {"method": request.method, "url": url, "content": request.content, "headers": headers, "timeout": timeout}


def _unreachable(settings: Settings, cause: httpx.TransportError) -> Unreachable:
    never_sent = isinstance(cause, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    return Unreachable(f"{settings.url}: {cause or type(cause).__name__}", never_sent)


def _following(request: Request[Page[T]], page: Page[T]) -> Request[Page[T]]:
    return dataclasses.replace(request, query={**request.query, "cursor": page.next_cursor})


class Sync:
    """Blocks its thread. Safe for several threads."""

    def __init__(self, settings: Settings, http: httpx.Client | None) -> None:
        self.settings, self.resends = settings, settings.resends
        self._own = http is None
        self._http = http or httpx.Client(limits=settings.limits)

    def close(self) -> None:
        if self._own:
            self._http.close()

    def once(self, request: Request[Any]) -> Reply:
        try:
            answer = self._http.request(**_arguments(self.settings, request))
        except httpx.TransportError as e:
            raise _unreachable(self.settings, e) from e
        return Reply(answer.status_code, answer.headers, answer.content)

    def run(self, flow: Flow[T]) -> T:
        outcome: Any = None
        try:
            effect = next(flow)
            while True:
                if isinstance(effect, Pause):
                    time.sleep(effect.seconds)
                    effect = flow.send(None)
                    continue
                try:
                    outcome = self.once(effect.request)
                except Unreachable as e:
                    effect = flow.throw(e)
                else:
                    effect = flow.send(outcome)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def pages(self, request: Request[Page[T]]) -> Iterator[T]:
        while True:
            page = self.run(send(request, self.resends))
            yield from page.items
            if not page.next_cursor:
                return
            request = _following(request, page)

    def tail(self, tail: Tail) -> Iterator[Event]:
        while True:
            try:
                with self._http.stream(**_arguments(self.settings, tail.request())) as answer:
                    if tail.opened(answer.status_code, answer.headers):
                        tail.refused(Reply(answer.status_code, answer.headers, answer.read()))
                    for line in answer.iter_lines():
                        if (event := tail.line(line)) is not None:
                            yield event
                tail.lost(None)
            except httpx.TransportError as e:
                tail.lost(e)
            time.sleep(tail.delay)


class Async:
    """Awaits, on the event loop of whoever calls."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient | None) -> None:
        self.settings, self.resends = settings, settings.resends
        self._own = http is None
        self._http = http or httpx.AsyncClient(limits=settings.limits)

    async def close(self) -> None:
        if self._own:
            await self._http.aclose()

    async def once(self, request: Request[Any]) -> Reply:
        try:
            answer = await self._http.request(**_arguments(self.settings, request))
        except httpx.TransportError as e:
            raise _unreachable(self.settings, e) from e
        return Reply(answer.status_code, answer.headers, answer.content)

    async def run(self, flow: Flow[T]) -> T:
        try:
            effect = next(flow)
            while True:
                if isinstance(effect, Pause):
                    await asyncio.sleep(effect.seconds)
                    effect = flow.send(None)
                    continue
                try:
                    outcome = await self.once(effect.request)
                except Unreachable as e:
                    effect = flow.throw(e)
                else:
                    effect = flow.send(outcome)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    async def pages(self, request: Request[Page[T]]) -> AsyncIterator[T]:
        while True:
            page = await self.run(send(request, self.resends))
            for item in page.items:
                yield item
            if not page.next_cursor:
                return
            request = _following(request, page)

    async def tail(self, tail: Tail) -> AsyncIterator[Event]:
        while True:
            try:
                async with self._http.stream(**_arguments(self.settings, tail.request())) as answer:
                    if tail.opened(answer.status_code, answer.headers):
                        tail.refused(Reply(answer.status_code, answer.headers, await answer.aread()))
                    async for line in answer.aiter_lines():
                        if (event := tail.line(line)) is not None:
                            yield event
                tail.lost(None)
            except httpx.TransportError as e:
                tail.lost(e)
            await asyncio.sleep(tail.delay)
