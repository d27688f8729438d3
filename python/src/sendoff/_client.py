"""The two clients."""

from __future__ import annotations

from types import TracebackType

import httpx

from sendoff._drivers import Async, Sync
from sendoff._operations import Operations
from sendoff._settings import settings_of

_AGENT = "sendoff-python"


class Client(Operations[Sync]):
    """Talks to a Sendoff server, and blocks meanwhile. It keeps connections, and may be used by several threads.

    url: the server's; default SENDOFF_URL, then http://127.0.0.1:4450. api_key: default
    SENDOFF_API_KEY. resends: how often a request that may be repeated is sent again, after an
    error of the connection, a 502, and a 429 or 503 with Retry-After of 30 s at most; default 4.
    http: sends the requests, and stays open; default one of its own. A ValueError says what is
    wrong with the URL. Every method raises a SendoffError: see sendoff.errors.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        resends: int = 4,
        user_agent: str = _AGENT,
        http: httpx.Client | None = None,
    ) -> None:
        super().__init__(Sync(settings_of(url, api_key, resends, user_agent), http))

    def close(self) -> None:
        """Closes the connections."""
        self._driver.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(Operations[Async]):
    """As Client, for asyncio: methods are awaited, listings gone through with async for."""

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        resends: int = 4,
        user_agent: str = _AGENT,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(Async(settings_of(url, api_key, resends, user_agent), http))

    async def close(self) -> None:
        """Closes the connections."""
        await self._driver.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
