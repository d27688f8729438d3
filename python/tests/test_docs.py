"""The code in docs/python.md, docs/python-web.md and docs/python-functions.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conftest import App
from sendoff.functions.testing import Env
from sendoff.tasks import default
from sendoff.testing import Server

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "python.md"


def code_of(page: str) -> list[str]:
    if not (DOCS / page).exists():
        pytest.skip("without the repository there is no page")
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


@pytest.fixture
def blocks() -> list[str]:
    return code_of("python.md")


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


def test_the_canvas_of_the_page_works(blocks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (canvas,) = [b for b in blocks if "chord" in b]
    module: dict[str, Any] = sys.modules.setdefault("page_canvas", ModuleType("page_canvas")).__dict__
    exec(canvas, module)
    with default.eager():
        assert module["book"](3) == 4


def test_the_functions_of_the_page_do_what_it_says() -> None:
    module: dict[str, Any] = sys.modules.setdefault("page_functions", ModuleType("page_functions")).__dict__
    for block in code_of("python-functions.md"):
        exec(compile(block, "python-functions.md", "exec"), module)
    tests = [test for name, test in module.items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        test()
    with Env(module["cheapest"], module["buy"], module["price"], module["watch"]) as env:
        assert env.run(module["cheapest"], "pen") == 12
        env.stub(module["price"], lambda sku: sold_out(module, sku))
        assert env.run(module["buy"], "pen") == "pen: later"
        assert env.run(module["watch"], "http://shop.example") == 3


def sold_out(module: dict[str, Any], sku: str) -> int:
    raise module["SoldOut"](sku)


CHECKS = """
import django
django.setup()
import page_tasks, page_sell, page_urls
from django.core.management import call_command
from sendoff.django import _schedules, _settings
call_command("check")
for name, given in _settings.setting("SCHEDULES").items():
    _schedules._schedule(name, given)
"""


def test_the_code_for_frameworks_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(default, "around", default.around)  # what the page sets is undone
    fastapi, flask, *django, held = code_of("python-web.md")
    module: dict[str, Any] = sys.modules.setdefault("page", ModuleType("page")).__dict__
    exec(fastapi, module)
    exec(flask, module)
    exec(held, module)
    assert {"/hook/<int:order>", "/encode"} <= {rule.rule for rule in module["app"].url_map.iter_rules()}
    for name, block in zip(("settings", "tasks", "sell", "urls"), django, strict=True):
        (tmp_path / f"page_{name}.py").write_text(
            ("from page_tasks import confirm\n" if name == "sell" else "") + block
        )
    settings = tmp_path / "page_settings.py"
    settings.write_text(
        settings.read_text().replace("shop.tasks", "page_tasks") + "ROOT_URLCONF = 'page_urls'\nSECRET_KEY = 'x'\n"
    )
    (tmp_path / "page_checks.py").write_text(CHECKS)
    env = {
        **os.environ,
        "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}",
        "DJANGO_SETTINGS_MODULE": "page_settings",
    }
    subprocess.run([sys.executable, str(tmp_path / "page_checks.py")], env=env, check=True)
