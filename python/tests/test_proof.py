"""Flows whose apps and servers are killed in turn, and many fan-outs: what really ran is counted from outside.

The short forms are run with the other tests, the long ones by make proof-python.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import sample_proof
from sample_proof import STEPS, WIDTH, fan, flow
from sendoff import NewTask
from sendoff.testing import Server

HEAVY = os.environ.get("SENDOFF_HEAVY") == "1"
FLOWS, NAP, PAUSE, FANS = (100, 1.0, 2.0, 1000) if HEAVY else (8, 0.05, 0.5, 10)


class App:
    """An instance of the app, which is killed and started again."""

    def __init__(self, port: int, server: Server, log: Path, nap: float) -> None:
        url = f"http://127.0.0.1:{port}"
        self._environment = {**os.environ, "PROOF_URL": url, "PROOF_LOG": str(log), "PROOF_NAP": str(nap)}
        self._server = server
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**self._environment, "SENDOFF_URL": self._server.url}
        self._process = subprocess.Popen([sys.executable, sample_proof.__file__], env=environment)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def postgres_bin() -> Path | None:
    found = [
        os.environ.get("PGBIN", "/none"),
        *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True),
    ]
    return next((Path(at) for at in found if (Path(at) / "initdb").exists()), None)


@contextmanager
def postgres() -> Iterator[str]:
    """A server of PostgreSQL over a directory of its own; the URL of its database."""
    bin = postgres_bin()
    if bin is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed")
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to be run by root
    home = Path(tempfile.mkdtemp(prefix="sendoff-proof-"))
    if user is not None:
        shutil.chown(home, user)
    port = free_port()
    flags = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
    try:
        subprocess.run(
            [bin / "initdb", "-D", home / "data", *flags], cwd=home, user=user, check=True, capture_output=True
        )
        serve: list[str | Path] = [bin / "postgres", "-D", home / "data", "-p", str(port), "-h", "127.0.0.1", "-k", ""]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [*serve, "-c", "max_connections=200"], cwd=home, user=user, stdout=log, stderr=log
            )
        try:
            until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
            until(lambda: b"ready to accept" in (home / "log").read_bytes())
            yield f"postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable"
        finally:
            process.send_signal(signal.SIGINT)  # it waits for nobody
            process.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


@pytest.fixture(params=["sqlite", "postgres"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Server]]:
    """One server over SQLite, or two over PostgreSQL."""
    with ExitStack() as stack:
        args: list[str] = []
        if request.param == "postgres":
            args = ["--db", stack.enter_context(postgres())]
            subprocess.run(
                [os.environ.get("SENDOFF_BIN", "sendoff"), "migrate", *args], check=True, capture_output=True
            )
        yield [stack.enter_context(Server(tmp_path, args=args)) for _ in range(1 + bool(args))]


@contextmanager
def apps(servers: list[Server], log: Path, nap: float) -> Iterator[list[App]]:
    """Two instances, which put on record what they do at one server each."""
    port = free_port()
    made = [App(port, servers[i % len(servers)], log, nap) for i in range(2)]
    try:
        for a in made:
            a.start()
        sample_proof.app._url = f"http://127.0.0.1:{port}"
        yield made
    finally:
        for a in made:
            a.kill()


def noted(log: Path, kind: str) -> list[tuple[int, int, str]]:
    """What the instances have begun, in its order."""
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(int(number), int(at), key) for what, number, at, key in lines if what == kind]


def ended(log: Path) -> bool:
    """All flows have begun their last step."""
    return len({number for number, at, _ in noted(log, "step") if at == STEPS - 1}) == FLOWS


def submit(server: Server, tasks: list[NewTask]) -> list[str]:
    with server.client() as client:
        return [r.task.id for r in client.batch(tasks, atomic=True) if r.task]


def results(server: Server, ids: list[str]) -> list[int]:
    with server.client() as client:
        return [client.result(id, timeout=3000 if HEAVY else 300) for id in ids]


def audit(begun: list[tuple[int, int, str]], kills: int) -> int:
    """How many steps ran again. Each ran; none ran again once the next one had begun, for its end was on record by
    then; each kill repeats one step of a flow at most; and a step has one key, which no other has."""
    furthest: dict[int, int] = {}
    keys: dict[str, tuple[int, int]] = {}
    for number, at, key in begun:
        assert at - furthest.get(number, -1) in (0, 1), f"flow {number} began step {at} behind {furthest.get(number)}"
        furthest[number] = at
        assert keys.setdefault(key, (number, at)) == (number, at), f"steps share the key {key}"
    assert furthest == dict.fromkeys(range(FLOWS), STEPS - 1)
    assert len(keys) == FLOWS * STEPS, "a step had several keys"
    again = Counter(number for number, _, _ in begun)
    assert max(again.values()) - STEPS <= kills
    return len(begun) - FLOWS * STEPS


def test_flows_survive_the_death_of_their_apps_and_servers(servers: list[Server], tmp_path: Path) -> None:
    log, kills = tmp_path / "log", 0
    with apps(servers, log, NAP) as instances:
        ids = submit(servers[0], [flow.new(number) for number in range(FLOWS)])
        until(lambda: len(noted(log, "step")) > FLOWS // 2)
        victims: list[App | Server] = [instances[0], servers[0], instances[1], servers[-1]]
        for victim in itertools.cycle(victims):
            victim.kill()
            kills += 1
            time.sleep(0.3)
            victim.start()
            before = len(noted(log, "step"))
            until(lambda: len(noted(log, "step")) > before or ended(log))  # noqa: B023
            time.sleep(PAUSE)
            if kills >= 4 and ended(log):
                break
            assert kills < 200, "the flows do not end"
        assert results(servers[0], ids) == [2 * (2000 * number + 190) for number in range(FLOWS)]
    again = audit(noted(log, "step"), kills)
    print(
        f"{FLOWS} flows of {STEPS} steps, {len(servers)} servers: {kills} kills, {again} steps ran again, none was lost"
    )


def test_fan_outs_run_each_call_once(servers: list[Server], tmp_path: Path) -> None:
    log, began = tmp_path / "log", time.monotonic()
    with apps(servers, log, 0):
        ids = submit(servers[0], [fan.new(number) for number in range(FANS)])
        assert results(servers[-1], ids) == [WIDTH * number + WIDTH * (WIDTH - 1) // 2 for number in range(FANS)]
        took = time.monotonic() - began
    calls = Counter((number, at) for number, at, _ in noted(log, "leaf"))
    assert calls == {(number, at): 1 for number in range(FANS) for at in range(WIDTH)}
    print(f"{FANS} fan-outs of {WIDTH} calls, {len(servers)} servers: {took:.0f} s, each call ran once")
