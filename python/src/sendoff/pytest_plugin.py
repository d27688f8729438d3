"""Fixtures for tests with a real server, found by pytest itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sendoff._client import Client
from sendoff.tasks import default
from sendoff.testing import Server


@pytest.fixture(scope="session")
def sendoff_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on a free port over a temporary file, one for all tests. It needs the program
    sendoff: that of SENDOFF_BIN, or of the PATH."""
    with Server(tmp_path_factory.mktemp("sendoff")) as server:
        yield server


@pytest.fixture
def sendoff_client(sendoff_server: Server) -> Iterator[Client]:
    """A client of it."""
    with sendoff_server.client() as client:
        yield client


@pytest.fixture
def sendoff_eager() -> Iterator[None]:
    """Calls the tasks of sendoff.task at once, without a server."""
    with default.eager():
        yield
