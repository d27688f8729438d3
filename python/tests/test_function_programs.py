"""What programs return, whatever the server does, against what they must; and journals of all SDKs, replayed."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

import programs
from programs import FUNCTIONS, Program, Told, interpret
from sendoff._values import from_json
from sendoff.functions._core.rehearse import Unkind
from sendoff.functions.testing import Env, Idle, replay

HERE = Path(__file__).parents[2] / "internal" / "journal" / "testdata"
SHARED, OWN = HERE / "programs.json", HERE / "programs-python.json"

MODES: dict[str, dict[str, Any]] = {
    "state warm": {"journal": False},
    "state cold": {"journal": False, "cold": True},
    "plain server": {"plain": True, "journal": False},
    "journal warm": {},
    "journal cold": {"cold": True},
    "journal unkind": {"unkind": Unkind(lose=0.2, twice=0.3, forget=0.3)},
    "journal cold unkind": {"cold": True, "unkind": Unkind(lose=0.2, twice=0.3)},
    "journal of two instances": {"instances": 2, "unkind": Unkind(lose=0.2)},
    "state unkind": {"journal": False, "unkind": Unkind(lose=0.2, twice=0.3)},
}


@pytest.fixture(scope="module")
def shared() -> dict[str, Any]:
    if not SHARED.exists():
        pytest.skip("without the repository there are no programs")
    found: dict[str, Any] = json.loads(SHARED.read_text())
    return found


def send_everywhere(env: Env, after: float, name: str) -> None:
    """Sends a signal to all runs, again and again, until one has taken it: which one waits for it is not known."""
    sent: set[str] = set()

    def send() -> None:
        for id in env.open():
            if id not in sent:
                sent.add(id)
                env.signal(id, name, name)
        if env.open() and len(sent) < 1000:
            env.at(1, send)

    env.at(after, send)


def carry_out(given: dict[str, Any], mode: dict[str, Any], seed: int) -> tuple[str, list[tuple[str, bytes]]]:
    programs.effects.clear()
    programs.effects["watched"] = mode.get("journal", True)
    Told.tells = not mode.get("plain", False)
    with Env(*FUNCTIONS, seed=seed, **mode) as env:
        Told.send = env.signal
        call = env.start(interpret, from_json(Program, given["program"]))
        for n in range(given["signals"]):
            send_everywhere(env, n, f"signal{n + 1}")
        got = call.result()
        return got, [(t.call.function, b"".join(t.journal)) for t in env._server._tasks.values()]


@pytest.mark.parametrize("name", MODES)
def test_a_program_returns_the_same_whatever_the_server_does(shared: dict[str, Any], name: str) -> None:
    mode = MODES[name]
    for seed, given in enumerate(shared["programs"]):
        told = json.dumps(given["program"])
        if mode.get("plain") and (given["signals"] or '"heard"' in told):
            continue
        try:
            got, _ = carry_out(given, mode, seed)
        except Idle:
            pytest.fail(f"program {seed} waits for ever: {told}")
        assert got == given["want"], f"program {seed}: {told}"


def test_journals_of_all_sdks_are_replayed(shared: dict[str, Any]) -> None:
    known = {f.name: f for f in FUNCTIONS}
    if os.environ.get("UPDATE"):
        OWN.write_text(json.dumps({"journals": written(shared)}) + "\n")
    Told.tells = True
    for file in (SHARED, OWN):
        journals = json.loads(file.read_text())["journals"]
        assert journals
        for i, j in enumerate(journals):
            try:
                replay(known[j["function"]], base64.b64decode(j["journal"]))
            except Exception as e:
                raise AssertionError(f"{file.name}: journal {i}, of {j['function']}") from e


def written(shared: dict[str, Any]) -> list[dict[str, str]]:
    """The journals of the programs, as Python writes them."""
    found = []
    for seed, given in enumerate(shared["programs"]):
        for function, journal in carry_out(given, {}, seed)[1]:
            if function not in ("echo", "lame", "sick") and journal:
                found.append({"function": function, "journal": base64.b64encode(journal).decode()})
    return found
