"""A real server for tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from sendoff._client import AsyncClient, Client


class Server:
    """Runs the program sendoff on a free port over a database file in a directory.

    binary: default SENDOFF_BIN, then sendoff of the PATH; FileNotFoundError without one. args:
    further flags of sendoff serve. It is started by start, or as a context.
    """

    def __init__(self, directory: Path, *, binary: str | None = None, args: Sequence[str] = ()) -> None:
        found = binary or os.environ.get("SENDOFF_BIN") or shutil.which("sendoff")
        if not found:
            raise FileNotFoundError("there is no program sendoff: set SENDOFF_BIN, or put it into the PATH")
        self.database: Path = directory / "sendoff.db"
        self.log: list[str] = []  # what it has said, by lines
        self._command = [found, "serve", "--db", str(self.database), *args]
        self._listen = "127.0.0.1:0"
        self._process: subprocess.Popen[str] | None = None
        self._ready = threading.Event()
        self._url = ""

    @property
    def url(self) -> str:
        """Where it listens; the same after a restart."""
        return self._url

    @property
    def webhook_secret(self) -> str:
        """What it makes webhook signatures with."""
        ask = [self._command[0], "keys", "webhook", "--db", str(self.database)]
        return subprocess.run(ask, check=True, capture_output=True, text=True).stdout.split()[0]

    def client(self) -> Client:
        """A new client of it."""
        return Client(self.url, api_key="none")

    def async_client(self) -> AsyncClient:
        """A new client of it, for asyncio."""
        return AsyncClient(self.url, api_key="none")

    def start(self) -> None:
        """Returns when it serves; RuntimeError with its words when it ends before."""
        self._ready.clear()
        self._process = subprocess.Popen(
            [*self._command, "--listen", self._listen],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()
        if not self._ready.wait(30) or self._process.poll() is not None:
            self.kill()
            raise RuntimeError("sendoff does not serve: " + "\n".join(self.log[-20:]))

    def stop(self) -> None:
        """Has it end in good order."""
        self._end(kill=False)

    def kill(self) -> None:
        """Ends it at once, as a loss of power would."""
        self._end(kill=True)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            self.log.append(line.rstrip())
            if '"msg":"serving"' in line and (at := re.search(r'"address":"(http://([^"]+))"', line)):
                self._url, self._listen = at[1], at[2]
                self._ready.set()
        self._ready.set()  # it has ended: nobody has to wait for it

    def _end(self, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill() if kill else process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
