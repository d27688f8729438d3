"""For Flask: views that only the server may push to, and an app's tasks. pip install sendoff[flask].

@app.post("/hook")
@pushed(Verifier("http://127.0.0.1:4450"))
def hook(task: PushedTask) -> str: ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from flask import Flask, Response, current_app, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from sendoff.push import MAX_BODY, Outcome, PushedTask, answer_of, task_of, wsgi_head
from sendoff.tasks import Tasks, default
from sendoff.verify import KeysUnavailable, Refused, Verifier

P = ParamSpec("P")


def pushed(
    verifier: Verifier | None, *, max_body: int = MAX_BODY
) -> Callable[[Callable[Concatenate[PushedTask, P], Any]], Callable[P, Any]]:
    """Lets only verified pushes through to a view, plain or async, whose first argument is the task. It may raise
    Permanent, RetryAfter, Snooze and Manual. verifier = None: nothing is verified. max_body: bytes, 413 beyond it."""

    def wrap(view: Callable[Concatenate[PushedTask, P], Any]) -> Callable[P, Any]:
        @functools.wraps(view)
        def called(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                task = _verified(verifier, max_body)
                return current_app.ensure_sync(view)(task, *args, **kwargs)
            except (Outcome, Refused, KeysUnavailable) as e:
                status, headers = answer_of(e)
                return Response(str(e), status, headers, content_type="text/plain; charset=utf-8")

        return called

    return wrap


def _verified(verifier: Verifier | None, max_body: int) -> PushedTask:
    check = verifier.head(*wsgi_head(request.environ)) if verifier is not None else None
    request.max_content_length = max_body
    body = request.get_data()
    if check is not None:
        check(body)
    try:
        return task_of(request.environ)
    except ValueError as e:
        raise Refused(str(e)) from e


def mount_tasks(app: Flask, verifier: Verifier | None, *, path: str = "/tasks", tasks: Tasks = default) -> None:
    """Has an app carry out tasks that are pushed below path, which has to be that of tasks.url. Each is carried
    out in the context of the app, in worker processes that import this module as well."""
    tasks.around = app.app_context
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {path: tasks.wsgi(verifier)})  # type: ignore[method-assign]
