"""Real apps of FastAPI, Flask and Django, served by uvicorn and gunicorn, are pushed to by the real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sample_web import Line, Sum, count, count_soon
from sendoff import Client, NewTask
from sendoff.errors import TaskFailed
from sendoff.tasks import default
from sendoff.testing import Server
from test_push import HEAD, first_line

HERE = Path(__file__).parent
GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--threads", "4"]
UVICORN = ["uvicorn", "--port", "0", "--lifespan", "off"]
SERVERS = {
    "fastapi-uvicorn": [*UVICORN, "sample_fastapi:app"],
    "flask-gunicorn": [*GUNICORN, "sample_flask:app"],
    "django-gunicorn": [*GUNICORN, "sample_django.wsgi:application"],
    "django-uvicorn": [*UVICORN, "sample_django.asgi:application"],
}


@dataclass
class Running:
    process: subprocess.Popen[str]
    url: str = ""

    def listens(self) -> str:
        """Where it does, once it has told."""
        assert self.process.stdout is not None
        told = []
        while not self.url:
            told.append(self.process.stdout.readline())
            if not told[-1]:
                raise RuntimeError("the app has ended: " + "".join(told))
            if found := re.search(r"(?:Listening at:|running on) (http://[\d.:]+)", told[-1]):
                self.url = found[1]
        return self.url


@pytest.fixture(scope="module")
def apps(sendoff_server: Server) -> Iterator[dict[str, Running]]:
    """All of them, started side by side."""
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "SENDOFF_URL": sendoff_server.url, "PYTHONUNBUFFERED": "1"}
    env["DJANGO_SETTINGS_MODULE"] = "sample_django.settings"
    started = {
        name: Running(
            subprocess.Popen(
                [sys.executable, "-m", *command],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        for name, command in SERVERS.items()
    }
    yield started
    for app in started.values():
        app.process.terminate()
    for app in started.values():
        app.process.communicate(timeout=30)


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest, apps: dict[str, Running], sendoff_client: Client) -> Iterator[str]:
    default.client, default.url = sendoff_client, apps[request.param].listens() + "/tasks"
    yield apps[request.param].url
    default.client = default.url = None


LINES = [Line(article="pen", pieces=2), Line(article="ink")]


def test_tasks_are_carried_out_with_models_as_arguments(url: str) -> None:
    calls = [count.submit(LINES), count_soon.submit(LINES)]
    assert [call.result(20) for call in calls] == [Sum(3, 1), Sum(3, 1)]
    broken = NewTask(url=count.new(LINES).url, payload={"args": [[{"pieces": "many"}]], "kwargs": {}})
    task = default.connected().submit(broken, wait=20)
    assert (task.state, task.reason) == ("failed", "rejected")
    assert "article" in next(iter(default.connected().tasks.attempts(task.id))).body


def test_outcomes_are_what_a_view_raises(url: str, sendoff_client: Client) -> None:
    body = {"article": "pen"}
    for kind in ("outcome/{}", "outcome/{}/other"):  # plain and async
        fine = sendoff_client.submit(NewTask(url=f"{url}/{kind.format('fine')}?x=%2F", payload=body))
        assert sendoff_client.result(fine.id, 20) == fine.id
        refused = sendoff_client.submit(NewTask(url=f"{url}/{kind.format('permanent')}", payload=body), wait=20)
        assert refused.reason == "rejected"
    for kind, outcome, status in (("later", "failure", 500), ("snooze", "throttle", 503)):
        task = sendoff_client.submit(NewTask(url=f"{url}/outcome/{kind}", payload=body))
        attempts = list(sendoff_client.tasks.attempts(task.id))
        while not attempts or attempts[0].finished_at is None:
            attempts = list(sendoff_client.tasks.attempts(task.id))
        assert (attempts[0].outcome, attempts[0].status) == (outcome, status)
        sendoff_client.tasks.cancel(task.id)


def test_the_end_is_told_later(url: str, sendoff_client: Client) -> None:
    task = sendoff_client.submit(NewTask(url=f"{url}/outcome/manual", payload={"article": "pen"}, name="works"))
    assert sendoff_client.result(task.id, 20) == {"beats": [True, True]}
    task = sendoff_client.submit(NewTask(url=f"{url}/outcome/manual", payload={"article": "pen"}, name="fails"))
    with pytest.raises(TaskFailed, match="broken") as failed:
        sendoff_client.result(task.id, 20)
    assert failed.value.task.reason == "rejected"


def test_a_stranger_is_refused_by_each_framework(url: str, request: pytest.FixtureRequest) -> None:
    reads_first = request.node.callspec.params["url"] == "django-uvicorn"  # Django does, before it calls a view
    for path in ("/outcome/fine", "/tasks/web.count"):
        head = HEAD.replace("/hook", path).replace("Host: app", "Host: 127.0.0.1")
        sent = head.replace("1000000", "2") + "\n{}" if reads_first else head + "\n"
        assert " 401 " in first_line(url, sent)
