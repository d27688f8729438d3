"""For FastAPI: routes that only the server may push to, and an app's tasks. pip install sendoff[fastapi].

router = PushRouter(Verifier("http://127.0.0.1:4450"))

@router.post("/hook")
async def hook(task: Pushed, mail: Mail) -> None: ...

app.include_router(router)
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.routing import APIRoute

from sendoff.push import MAX_BODY, Asgi, PushedTask, Receive, Scope, Send, task_of
from sendoff.tasks import Tasks, default
from sendoff.verify import Verifier


class PushRouter(APIRouter):
    """An APIRouter whose routes let only verified pushes through, and may raise Permanent, RetryAfter, Snooze and
    Manual, as may their dependencies. verifier = None: nothing is verified. max_body: bytes, 413 beyond it.
    options: those of APIRouter."""

    def __init__(self, verifier: Verifier | None, *, max_body: int = MAX_BODY, **options: Any) -> None:
        class PushRoute(APIRoute):
            async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
                await Asgi(super().handle, verifier, max_body)(scope, receive, send)

        super().__init__(route_class=PushRoute, **options)


def pushed(request: Request) -> PushedTask:
    """A dependency: the task of the push; 400 when it is none."""
    try:
        return task_of(request.headers)
    except ValueError as e:
        raise HTTPException(400, str(e)) from e


Pushed = Annotated[PushedTask, Depends(pushed)]


def mount_tasks(app: FastAPI, verifier: Verifier | None, *, path: str = "/tasks", tasks: Tasks = default) -> None:
    """Has an app carry out tasks that are pushed below path, which has to be that of tasks.url."""
    app.mount(path, tasks.asgi(verifier))
