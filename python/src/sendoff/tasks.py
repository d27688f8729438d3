"""Functions as tasks: pushed to the app that serves them, or run by the server's worker processes.

@sendoff.task(queue="mail")
def welcome(user: int) -> None: ...

welcome.submit(7)
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload
from urllib.parse import quote

from sendoff._client import Client
from sendoff._named import register
from sendoff._plan import RESULTS, first_argument
from sendoff._submitted import Submitted as Submitted
from sendoff._values import Arguments, to_json
from sendoff._waits import seconds
from sendoff.canvas import Signature
from sendoff.errors import InvalidValue
from sendoff.models import NewTask
from sendoff.push import (
    Asgi,
    AsgiApp,
    Environ,
    Outcome,
    Permanent,
    PushedTask,
    Receive,
    RetryAfter,
    Scope,
    Send,
    Wsgi,
    WsgiApp,
    task_of,
)
from sendoff.verify import Verifier

P = ParamSpec("P")
R = TypeVar("R")

_OURS = {"url", "process", "function", "endpoint", "handler", "payload", "body", "content_type", "method"}
_AS_JSON = "_sendoff_json"  # among the arguments of a call by a worker process, which knows nothing of annotations
_current: ContextVar[PushedTask] = ContextVar("sendoff-task")
_log = logging.getLogger("sendoff")


class Tasks:
    """The tasks of an app, and how they are carried out.

    url: where the server reaches this app's asgi() or wsgi(), such as "http://app:8000/tasks";
    default SENDOFF_TASKS_URL. Without one, worker processes of the server carry the tasks out.
    client: default one of its own, made on first use from the environment.
    always_eager: as within eager(), for the settings of a project's tests.
    around: makes the context that each task is carried out in, such as the app_context of Flask.
    """

    def __init__(self, url: str | None = None, *, client: Client | None = None) -> None:
        self.url: str | None = url
        self.client = client
        self.around: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext
        self._known: dict[str, TaskFunction[..., Any]] = {}
        self.always_eager = False
        self._eager, self._lock = False, threading.Lock()

    @overload
    def task(self, function: Callable[P, R], /) -> TaskFunction[P, R]: ...

    @overload
    def task(self, **options: Any) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...

    def task(self, *function: Any, **options: Any) -> Any:
        """Makes a task of a plain or async function. options: fields of NewTask, such as queue, retry, limits,
        timeout; name is "module.function" by default. A TypeError names what is none of them."""
        if not function:
            return lambda f: self._define(f, options)
        return self._define(function[0], options)

    def _define(self, function: Callable[P, R], options: dict[str, Any]) -> TaskFunction[P, R]:
        made = TaskFunction(self, function, _settings(NewTask(), options))
        register("a task", made.name, self._known, made, function)
        return made

    @contextlib.contextmanager
    def eager(self) -> Iterator[None]:
        """For tests: meanwhile, what is submitted is called at once, with arguments that went through JSON.
        What it raises, submit raises. No server is needed; options such as delay count for nothing."""
        before, self._eager = self._eager, True
        try:
            yield
        finally:
            self._eager = before

    @property
    def is_eager(self) -> bool:
        """Whether what is submitted is called at once."""
        return self._eager or self.always_eager

    def asgi(self, verifier: Verifier | None) -> AsgiApp:
        """An ASGI app that carries out what is pushed: mount it where url says. None: nothing is verified."""
        return Asgi(self._asgi, verifier)

    def wsgi(self, verifier: Verifier | None) -> WsgiApp:
        """As asgi, for WSGI."""
        return Wsgi(self._wsgi, verifier)

    def all(self) -> list[TaskFunction[..., Any]]:
        """Its tasks, by their names."""
        return [task for _, task in sorted(self._known.items())]

    def progress(self, done: int | None = None, total: int | None = None, text: str = "") -> None:
        """Tells how far the task is that is carried out here: done of total, and what it is at, for people.

        In an app that is pushed to, a request of the client, with its errors; in a worker process a word to the
        server, of which the last of several in quick succession counts; nothing within eager(). A LookupError where
        there is no task.
        """
        if self.is_eager:
            return
        here = current()
        worker = sys.modules.get("sendoff_worker")
        if worker is not None and _current.get(None) is None:
            worker.progress(done or 0, total or 0, text)
        else:
            self.connected().tasks.progress(here.id, here.token, done=done, total=total, text=text)

    def connected(self) -> Client:
        """The client that tasks are submitted with."""
        with self._lock:
            if self.client is None:
                self.client = Client()
            return self.client

    def _target(self, task: TaskFunction[..., Any]) -> dict[str, str]:
        url = self.url or os.environ.get("SENDOFF_TASKS_URL")
        if url and "/" in task.name:
            raise ValueError(f"task {task.name!r}: it is the last part of a URL: want a name without a slash")
        if url:
            return {"url": f"{url.rstrip('/')}/{quote(task.name, safe='')}"}
        function = task.function
        if function.__module__ == "__main__" or "." in function.__qualname__:
            raise ValueError(
                f"task {task.name!r}: worker processes cannot import it; define it at the top of a module, "
                "or set the URL of the app that serves it"
            )
        return {"process": f"{function.__module__}.{function.__qualname__}"}

    def _named(self, path: str) -> TaskFunction[..., Any]:
        name = path.rpartition("/")[2]
        if name not in self._known:
            raise RetryAfter(10, f"there is no task {name!r} in this app")
        return self._known[name]

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Carries out a push that was verified: the last part of path names the task, body is the call.
        What it returned, as JSON; an Outcome is raised."""
        with _failing(path), _shown(headers):
            args, kwargs = _payload(body)
            return _json(self._named(path).carry_out(*args, **kwargs))

    async def _asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, path = (await receive())["body"], scope["path"]  # the whole of it: Asgi has read it
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        task = self._known.get(path.rpartition("/")[2])
        if task is None or not inspect.iscoroutinefunction(task.function):
            answer = await asyncio.to_thread(self.answer, path, headers, body)
        else:
            with _failing(path), _shown(headers), self.around():
                args, kwargs = task.read(*await asyncio.to_thread(task.whole, *_payload(body)))
                answer = _json(task.written(await task.function(*args, **kwargs)))
        told = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": told})
        await send({"type": "http.response.body", "body": answer})

    def _wsgi(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
        answer = self.answer(path, environ, environ["wsgi.input"].read())
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]


class TaskFunction(Generic[P, R]):
    """A function that can be submitted as a task. Called, it is the function."""

    def __init__(self, tasks: Tasks, function: Callable[P, R], settings: NewTask) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name: str = settings.name or f"{function.__module__}.{function.__qualname__}"
        self.tasks: Tasks = tasks
        self.arguments: Arguments = Arguments(function)
        self._settings = replace(settings, name=self.name)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if _AS_JSON in kwargs:
            called: Any = self.carry_out(*args, **{k: v for k, v in kwargs.items() if k != _AS_JSON})
            return called  # type: ignore[no-any-return]
        return self.function(*args, **kwargs)

    def options(self, **options: Any) -> TaskFunction[P, R]:
        """The same task with other options, fields of NewTask: welcome.options(delay=...).submit(7)."""
        return TaskFunction(self.tasks, self.function, _settings(self._settings, {"name": self.name, **options}))

    def s(self, *args: Any, **kwargs: Any) -> Signature:
        """A call for a chain, a group or a chord, which takes what came before as its first argument."""
        return Signature(self, args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature:
        """As s, and takes nothing of what came before."""
        return Signature(self, args, kwargs, immutable=True)

    def submitted(self, id: str) -> Submitted:
        """A call that was handed over before, by its id: to wait for its result."""
        client = self.tasks.connected()
        return Submitted(self, client, client.get(id), None)

    def option(self, name: str) -> Any:
        """One of its options; None when the server chooses."""
        return getattr(self._settings, name)

    def new(self, *args: P.args, **kwargs: P.kwargs) -> NewTask:
        """What submit hands over: for batch, a schedule, or an AsyncClient. InvalidValue names a wrong argument."""
        return self._new(args, kwargs)

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Submitted:
        """Hands a call over: it is on the server's disk when this returns. InvalidValue names a wrong argument."""
        return self._submit(args, kwargs)

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Submitted:
        """Celery's name of submit."""
        return self._submit(args, kwargs)

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        countdown: float | timedelta | None = None,
        eta: datetime | None = None,
        expires: float | datetime | None = None,
        task_id: str | None = None,
        **options: Any,
    ) -> Submitted:
        """As Celery's: countdown in seconds is delay, eta run_at, expires expires_at (seconds from now, or a
        time), task_id id. options: fields of NewTask; priority is ours, 0 the first."""
        if isinstance(expires, (int, float)):
            expires = datetime.now().astimezone() + timedelta(seconds=expires)
        theirs = {
            "delay": None if countdown is None else timedelta(seconds=seconds(countdown)),
            "run_at": eta,
            "expires_at": expires,
            "id": task_id,
        }
        chosen = {k: v for k, v in theirs.items() if v is not None}
        return self.options(**chosen, **options)._submit(args, kwargs or {})

    def carry_out(self, *args: Any, **kwargs: Any) -> Any:
        """Calls it with arguments as JSON, and returns JSON."""
        given, named = self.read(*self.whole(args, kwargs))
        with self.tasks.around():
            function: Callable[..., Any] = self.function
            value = function(*given, **named)
            return self.written(asyncio.run(value) if inspect.iscoroutine(value) else value)

    def whole(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """With what came of the tasks that it follows, which is asked of the server, in front."""
        if RESULTS not in kwargs:
            return args, kwargs
        left = {k: v for k, v in kwargs.items() if k != RESULTS}
        return [first_argument(self.tasks.connected(), kwargs[RESULTS]), *args], left

    def read(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Makes arguments of their JSON; Permanent for what does not fit: the next attempt would have the same."""
        try:
            return self.arguments.read(args, kwargs)
        except InvalidValue as e:
            raise Permanent(str(e)) from e

    def written(self, value: Any) -> Any:
        """A result as JSON."""
        return to_json(value, f"{self.name}: result")

    def result(self, value: Any) -> Any:
        """A result, as the annotation says, out of JSON."""
        return self.arguments.result(value)

    def _new(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NewTask:
        return self.of_json(*self.arguments.write(args, kwargs))

    def of_json(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NewTask:
        """As new, of arguments that are JSON already."""
        target: dict[str, Any] = dict(self.tasks._target(self))
        named = {**kwargs, _AS_JSON: True} if "process" in target else kwargs
        return replace(self._settings, payload={"args": args, "kwargs": named}, **target)

    def _submit(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Submitted:
        return self.prepared(args, kwargs)()

    def prepared(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Callable[[], Submitted]:
        """submit in two halves: arguments are checked and written now, and the call is handed over by what this
        returns."""
        if self.tasks.is_eager:
            left, named = json.loads(json.dumps(self.arguments.write(args, kwargs or {})))
            return lambda: Submitted(self, None, None, json.loads(json.dumps(self.carry_out(*left, **named))))
        client, new = self.tasks.connected(), self._new(args, kwargs or {})
        return lambda: Submitted(self, client, client.submit(new), None)


def _settings(base: NewTask, options: dict[str, Any]) -> NewTask:
    if taken := _OURS & set(options):
        raise TypeError(f"{min(taken)} is no option of a task: Tasks chooses where it is carried out")
    return replace(base, **options)


@contextlib.contextmanager
def _failing(path: str) -> Iterator[None]:
    try:
        yield
    except Outcome:
        raise
    except Exception as e:
        _log.exception("task %s has failed", path)
        raise _Failed(f"{type(e).__name__}: {e}") from e


class _Failed(Outcome):
    """Any other exception: tried again as the task's retry says."""


def _payload(body: bytes) -> tuple[list[Any], dict[str, Any]]:
    try:
        found = json.loads(body)
        args, kwargs = found["args"], found["kwargs"]
    except (ValueError, KeyError, TypeError) as e:
        raise Permanent("the body is no call: want {args: [...], kwargs: {...}}") from e
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise Permanent("the body is no call: args is a list, kwargs an object")
    return args, kwargs


def current() -> PushedTask:
    """The task that is carried out here, by push to the app or by a worker process; a LookupError elsewhere.

    A worker process is not told the queue: it is "" there.
    """
    pushed = _current.get(None)
    if pushed is not None:
        return pushed
    told = os.environ
    if "sendoff_worker" not in sys.modules or not told.get("SENDOFF_TASK_ID"):
        raise LookupError("no task is carried out here")
    attempt, most = int(told["SENDOFF_ATTEMPT"]), int(told["SENDOFF_MAX_ATTEMPTS"])
    return PushedTask(
        id=told["SENDOFF_TASK_ID"],
        queue="",
        name=told["SENDOFF_TASK_NAME"],
        attempt=attempt,
        max_attempts=most,
        final=attempt >= most,
        token=int(told["SENDOFF_TOKEN"]),
    )


@contextlib.contextmanager
def _shown(headers: Mapping[str, str]) -> Iterator[None]:
    try:
        shown = _current.set(task_of(headers))
    except ValueError:  # it was not verified, and is sent by hand, say
        yield
        return
    try:
        yield
    finally:
        _current.reset(shown)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Defining(Protocol):
    """A decorator of tasks, bare or with options: what task is."""

    @overload
    def __call__(self, function: Callable[P, R], /) -> TaskFunction[P, R]: ...

    @overload
    def __call__(self, **options: Any) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...


default: Tasks = Tasks()
task: Defining = default.task


def progress(done: int | None = None, total: int | None = None, text: str = "") -> None:
    """As Tasks.progress, of the default tasks."""
    default.progress(done, total, text)
