"""The code in docs/python.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import App
from sendoff.testing import Server

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.fixture
def blocks() -> list[str]:
    if not PAGE.exists():
        pytest.skip("without the repository there is no page")
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_quick_start_runs(
    blocks: list[str],
    sendoff_server: Server,
    app: App,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SENDOFF_URL", sendoff_server.url)
    for block in blocks[:2]:
        exec(compile(block.replace("http://127.0.0.1:9000", app.url), str(PAGE), "exec"), {"__name__": "page"})
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["succeeded 1 ", "1 success 200", "succeeded"]


def test_all_code_is_python(blocks: list[str]) -> None:
    for block in blocks:
        compile(block, str(PAGE), "exec")
