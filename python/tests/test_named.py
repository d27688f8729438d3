"""Modules that are imported twice."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
from dataclasses import dataclass
import sendoff
from sendoff.functions import Functions
from sendoff.functions.testing import Env

app, tasks = {kept}

@tasks.task(name="mail")
def mail(n: int) -> int: return n

@app.function
async def flow(n: int) -> str:
    try:
        return str(await sendoff.step("fails", fails, n, retry=sendoff.RetryPolicy(max_attempts=1)))
    except Refused as e:
        return f"refused {{e.why}}"

@sendoff.error("named.Refused")
@dataclass
class Refused(Exception):
    why: int

def fails(n: int) -> None:
    raise Refused(n)

def called() -> str:
    with Env(flow) as env:
        return env.run(flow, 7)

if __name__ == "__main__":
    import twice_imported_main
"""


def test_a_module_that_is_reloaded_takes_its_own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "twice_kept.py").write_text(
        "import sendoff\nfrom sendoff.functions import Functions\napp, tasks = Functions(), sendoff.Tasks()\n"
    )
    (tmp_path / "twice_reloaded.py").write_text(
        MODULE.format(kept="__import__('twice_kept').app, __import__('twice_kept').tasks")
    )
    module = importlib.import_module("twice_reloaded")
    first = module.flow
    assert module.called() == "refused 7"
    assert importlib.reload(module).flow is not first
    assert module.called() == "refused 7"
    with pytest.raises(ValueError, match="there is a function 'flow' already: give one of them another name"):
        module.app.function(name="flow")(module.fails)


def test_a_program_that_imports_itself_is_told_how_not_to(tmp_path: Path) -> None:
    (tmp_path / "twice_imported_main.py").write_text(
        MODULE.format(kept="sendoff.functions.default, sendoff.tasks.default")
    )
    program = [sys.executable, "-W", "ignore", "twice_imported_main.py"]
    ran = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "there is a task 'mail' already: its file was imported a second time, as twice_imported_main" in ran.stderr
