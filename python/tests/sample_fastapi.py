from __future__ import annotations

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from sample_web import Line, outcome, verifier
from sendoff.fastapi import Pushed, PushRouter, mount_tasks

app = FastAPI()
router = PushRouter(verifier(), prefix="/outcome")


@router.post("/{kind}", response_class=PlainTextResponse)
async def hook(kind: str, task: Pushed, line: Line) -> str:
    return outcome(kind, task)


@router.post("/{kind}/other", response_class=PlainTextResponse)
def other(kind: str, task: Pushed) -> str:
    return outcome(kind, task)


app.include_router(router)
mount_tasks(app, verifier())
