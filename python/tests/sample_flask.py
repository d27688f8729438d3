from __future__ import annotations

from flask import Flask

from sample_web import outcome, verifier
from sendoff.flask import mount_tasks, pushed
from sendoff.push import PushedTask

app = Flask(__name__)


@app.post("/outcome/<kind>")
@pushed(verifier())
def hook(task: PushedTask, kind: str) -> str:
    return outcome(kind, task)


@app.post("/outcome/<kind>/other")
@pushed(verifier())
async def other(task: PushedTask, kind: str) -> str:
    return outcome(kind, task)


mount_tasks(app, verifier())
