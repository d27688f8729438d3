"""Views that only the server may push to."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from sendoff.django._settings import verifier
from sendoff.push import (
    MAX_BODY,
    Outcome,
    PushedTask,
    TooLarge,
    answer_of,
    asgi_head,
    content_length,
    task_of,
    wsgi_head,
)
from sendoff.tasks import default
from sendoff.verify import KeysUnavailable, Refused


def pushed(view: Callable[..., Any]) -> Callable[..., Any]:
    """Lets only verified pushes through to a view, plain or async: view(request, task, ...). It may raise Permanent,
    RetryAfter, Snooze and Manual. It needs no CSRF token."""
    plain = async_to_sync(view) if inspect.iscoroutinefunction(view) else view

    @functools.wraps(view)
    def called(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return plain(request, _verified(request), *args, **kwargs)
        except (Outcome, Refused, KeysUnavailable, TooLarge) as e:
            status, headers = answer_of(e)
            if status >= 400:
                _roll_back()
            return HttpResponse(str(e), status=status, headers=headers, content_type="text/plain; charset=utf-8")

    del called.__wrapped__  # that one may be async, and this is plain
    return csrf_exempt(called)  # type: ignore[no-any-return]


def _roll_back() -> None:
    """What failed leaves nothing, where ATOMIC_REQUESTS has opened a transaction: an exception would end it so."""
    for connection in connections.all():
        if connection.settings_dict["ATOMIC_REQUESTS"] and connection.in_atomic_block:
            connection.set_rollback(True)


def _verified(request: HttpRequest) -> PushedTask:
    known = verifier()
    scope = getattr(request, "scope", None)
    head = asgi_head(scope) if scope is not None else wsgi_head(request.environ)
    check = known.head(*head) if known is not None else None
    content_length(request.META.get("CONTENT_LENGTH") or "", MAX_BODY)
    body = request.body
    if len(body) > MAX_BODY:
        raise TooLarge
    if check is not None:
        check(body)
    try:
        return task_of(request.headers)
    except ValueError as e:
        raise Refused(str(e)) from e


@pushed
def carry_out(request: HttpRequest, task: PushedTask, name: str) -> HttpResponse:
    """Carries out a task of sendoff.task."""
    answer = default.answer(name, request.headers, request.body)
    return HttpResponse(answer, content_type="application/json")
