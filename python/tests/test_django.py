"""Submission on commit, settings and the command, with a real Django, database and server."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import sendoff
from sendoff import Client
from sendoff.errors import InvalidValue, NotFound
from sendoff.testing import Server

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sample_django.settings")
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Django, set up over a file that worker processes see, too."""
    os.environ["SHOP_DATABASE"] = str(tmp_path_factory.mktemp("shop") / "shop.sqlite3")
    import django

    django.setup()
    from django.db import connection

    from sample_django.shop.models import Article

    with connection.schema_editor() as editor:
        editor.create_model(Article)
    Article.objects.create(name="pen", pieces=7)
    yield connection
    connection.close()


@pytest.fixture
def settings(database: Any, sendoff_server: Server) -> Iterator[dict[str, Any]]:
    """SENDOFF of the settings: pushed to an app that is not there."""
    from django.conf import settings as all_of_them
    from django.test.utils import override_settings

    chosen = {"URL": sendoff_server.url, "TASKS_URL": "http://127.0.0.1:9/tasks", **all_of_them.SENDOFF}
    with override_settings(SENDOFF=chosen):
        yield chosen


def test_a_call_is_submitted_when_its_transaction_commits(settings: dict[str, Any], sendoff_client: Client) -> None:
    from django.db import transaction

    from sample_django.shop.models import Article
    from sample_django.shop.tasks import stock
    from sendoff.django import submit_on_commit

    with transaction.atomic():
        id = submit_on_commit(stock, "pen")
        Article.objects.filter(name="pen").update(task=id)
        with pytest.raises(NotFound):
            sendoff_client.get(id)
    task = sendoff_client.get(Article.objects.get(name="pen").task)
    assert (task.queue, task.payload) == ("shop", {"args": ["pen"], "kwargs": {}})

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        id = submit_on_commit(stock.options(id="rolled-back"), "pen")
        1 / 0  # noqa: B018
    assert id == "rolled-back"
    with pytest.raises(NotFound):
        sendoff_client.get(id)

    with transaction.atomic(), pytest.raises(InvalidValue, match="argument name"):
        submit_on_commit(stock, 7)  # type: ignore[arg-type]
    assert sendoff_client.get(submit_on_commit(stock, "pen")).name == "shop.stock"


def test_what_fails_leaves_nothing_in_the_transaction_of_its_request(
    settings: dict[str, Any], database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.test import Client as Browser
    from django.test.utils import override_settings

    from sample_django.shop.models import Article

    monkeypatch.setitem(database.settings_dict, "ATOMIC_REQUESTS", True)
    push = {"Sendoff-Task-Id": "t", "Sendoff-Queue": "q", "Sendoff-Attempt": "1", "Sendoff-Max-Attempts": "1"}
    push["Sendoff-Token"] = "1"
    with override_settings(SENDOFF={**settings, "VERIFY": False}, ALLOWED_HOSTS=["testserver"]):
        for name, fails in (("cup", False), ("vase", True)):
            call = {"args": [name, fails], "kwargs": {}}
            answer = Browser().post("/tasks/shop.deliver", call, content_type="application/json", headers=push)
            assert (answer.status_code, Article.objects.filter(name=name).exists()) == (
                500 if fails else 200,
                not fails,
            )


def test_settings_make_calls_eager(settings: dict[str, Any]) -> None:
    from django.test.utils import override_settings

    from sample_django.shop.tasks import stock

    with override_settings(SENDOFF={**settings, "EAGER": True}):
        assert stock.submit("pen").result() == 7
    assert stock.submit("pen").id


def test_what_is_wrong_in_the_settings_is_named(settings: dict[str, Any]) -> None:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import CommandError, call_command

    from sendoff.django._settings import setting

    settings["URLS"] = 1
    with pytest.raises(ImproperlyConfigured, match="URLS is unknown"):
        setting("URL")
    del settings["URLS"]
    for given, told in [
        ({"task": "nobody"}, "no task 'nobody'"),
        ({"task": "shop.stock", "args": ["x"], "cro": 1}, "cro"),
    ]:
        settings["SCHEDULES"] = {"bad": given}
        with pytest.raises(CommandError, match=f"schedule bad: .*{told}"):
            call_command("sendoff", "schedules")


def test_schedules_are_those_of_the_settings(settings: dict[str, Any], sendoff_client: Client) -> None:
    from django.core.management import call_command

    out = StringIO()
    call_command("sendoff", "schedules", stdout=out)
    call_command("sendoff", "tasks", stdout=out)
    assert out.getvalue().startswith("set stock\nset often\n")
    assert "shop.stock  queue shop\n" in out.getvalue()
    night = sendoff_client.schedules.get("stock")
    assert (night.cron, night.task["queue"]) == ("0 3 * * *", "night")
    assert night.task["payload"] == {"args": ["pen"], "kwargs": {}}


def test_workers_are_those_of_the_project(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.test.utils import override_settings

    from sample_django.shop.tasks import stock

    manage = tmp_path / "manage"
    manage.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "manage.py"}" sendoff "$@"\n')
    manage.chmod(stat.S_IRWXU)
    path = f"{HERE}:{Path(sendoff.__file__).resolve().parents[1]}"
    monkeypatch.setenv("PYTHONPATH", path)
    server = Server(tmp_path, binary=str(manage), args=["--process-env", "SHOP_DATABASE"])
    with server, override_settings(SENDOFF={"URL": server.url}):
        assert stock.submit("pen").result(30) == 7
