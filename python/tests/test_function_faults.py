"""What programs do that is no good: runs end all the same, and nothing is done twice or lost for it."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import decimal
import functools
import io
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

import sendoff
from sendoff import functions as f
from sendoff.errors import Unreachable
from sendoff.functions import _loop
from sendoff.functions._core import state
from sendoff.functions._core.listener import Listener, Stale
from sendoff.functions._core.mail import PROMISE
from sendoff.functions._core.workers import Workers
from sendoff.functions._format import messages as m
from sendoff.functions._http import MAX_BODY, PATH, Wsgi
from sendoff.functions._listen import Listener as HTTPListener
from sendoff.functions._server import HTTPServer
from sendoff.functions._signature import RunVerifier, Wrong
from sendoff.functions.testing import Env, crash_everywhere
from sendoff.models import RetryPolicy
from sendoff.testing import Server

app = f.Functions("http://127.0.0.1:1", development=True)
_serial = iter(range(1_000_000))
_once = RetryPolicy(max_attempts=1)


def made(code: Any, **options: Any) -> f.Function[..., Any]:
    """A function of its own."""
    return app.function(name=f"{code.__name__}_{next(_serial)}", **options)(code)


def in_time(work: Callable[[], Any], seconds: float = 20) -> Any:
    """Its result; a failure when it hangs."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "it hangs, or has failed"
    return found[0]


@app.function
def price(sku: str) -> int:
    return len(sku)


def test_the_package_can_be_imported_where_adapters_of_loggers_take_no_parameter() -> None:
    code = "import logging; del logging.LoggerAdapter.__class_getitem__; import sendoff.functions"
    if hasattr(logging.LoggerAdapter, "__class_getitem__"):
        subprocess.run([sys.executable, "-c", code], check=True)


# Steps.


class Unshown(Exception):
    @property
    def exceptions(self) -> Any:
        raise OSError("not now")


def test_a_step_ends_whatever_comes_of_it() -> None:
    around: list[Any] = []
    around.append(around)

    def of_itself() -> None:
        e = ValueError("of itself")
        raise e from e

    def unshown() -> None:
        raise Unshown

    async def flow() -> list[str]:
        bodies = of_itself, unshown, lambda: around
        return [f"{type(r.error).__name__}" for r in await f.settled(*[f.step("s", b, retry=_once) for b in bodies])]

    with Env() as env:
        assert in_time(lambda: env.run(made(flow))) == ["ValueError", "CallError", "RecursionError"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no groups of exceptions")
def test_a_step_fails_with_a_group_of_exceptions() -> None:
    def both() -> None:
        raise getattr(builtins, "ExceptionGroup")("both", [OSError("one"), ValueError("other")])  # noqa: B009

    async def flow() -> str:
        try:
            await f.step("both", both, retry=_once)
        except f.CallError as e:
            return e.message
        return ""

    with Env() as env:
        assert env.run(made(flow)).startswith("both")


@f.error("faults.Frozen")
@dataclass(frozen=True)
class Frozen(Exception):
    sku: str


def test_an_error_may_be_frozen() -> None:
    async def flow() -> str:
        def sold() -> None:
            raise Frozen("pen")

        try:
            await f.step("sold", sold, retry=_once)
        except Frozen as e:
            return e.sku
        return ""

    assert crash_everywhere(made(flow)) == "pen"


def test_a_step_whose_time_is_over_before_it_begins_is_stopped() -> None:
    stopped = []

    async def flow() -> None:
        async with f.timeout(60):
            late = f.step("late", lambda: stopped.append(f.step_stopped()))
        await late

    with Env() as env:
        env.run(made(flow))
    assert stopped == [True]


# Waits.


def test_what_was_started_in_a_timeout_ends_with_it() -> None:
    async def forever() -> str:
        try:
            return str(await f.Signal("never").receive())
        except f.Canceled:
            return "canceled"

    async def flow() -> str:
        async with f.timeout(60):
            started = f.branch(forever())
            await f.step("other", str)
        return await started

    assert crash_everywhere(made(flow)) == "canceled"


def test_a_race_may_be_lost_before_it_begins() -> None:
    async def flow() -> str:
        given_up = price("pen")
        given_up.cancel()
        try:
            await f.race(given_up, price("ink"))
        except f.Canceled:
            return "canceled"
        return "won"

    assert crash_everywhere(made(flow), others=(price,)) == "canceled"


def test_what_the_server_told_is_never_missed() -> None:
    """Another thread gives the answer while it is looked for."""

    class Told(Listener):
        looks = 0

        def __getattribute__(self, name: str) -> Any:
            found = super().__getattribute__(name)
            if name == "_answer" and found is None:
                self._answer = m.ReceiveResponse(sequence=1)
            return found

    listener = Told(lambda after, pause: None, None, 0)  # type: ignore[arg-type]
    listener._asking = True
    listener.hear(None)  # type: ignore[arg-type]
    assert listener.__dict__["_answer"] is not None


def test_a_promise_is_a_future() -> None:
    async def flow() -> str:
        kept, other = f.promise(str), f.promise(str)
        assert await f.select(other, kept, f.sleep(3600)) == 1
        return str((await f.gather(kept, price("pen")))[0])

    with Env(price) as env:
        call = env.start(made(flow))
        env.at(60, lambda: call.signal(PROMISE + "1", "kept"))
        assert call.result() == "kept"


def test_a_partial_has_the_annotations_of_its_function() -> None:
    async def order(count: int, sku: str) -> Frozen:
        return await f.step("make", functools.partial(make, sku))

    def make(sku: str) -> Frozen:
        return Frozen(sku)

    with Env() as env:
        assert env.run(app.function(name="partial")(functools.partial(order, 3)), sku="pen") == Frozen("pen")


def test_an_error_that_cannot_be_read_ends_a_promise() -> None:
    async def flow() -> str:
        promise = f.promise(str)
        try:
            return await promise
        except f.CallError as e:
            return e.message

    with Env() as env:
        call = env.start(made(flow))
        bad = m.Any_(type_url="type.googleapis.com/dispatch.sdk.v1.Error", value=b"\xff")
        env._server.signal(call.id, PROMISE + "1", bad)
        assert call.result() == "an error that cannot be read"


def test_a_run_that_is_told_to_end_when_it_has_suspended_stays_in_memory() -> None:
    async def flow() -> str:
        await f.sleep(60)
        await f.sleep(60)
        return "done"

    with Env() as env:
        host, lines = env._hosts[0], list[str]()
        host.trace = lines.append
        answered = host.cache.answered

        def late(id: str, active: Any, again: bool) -> None:
            active.stop()
            answered(id, active, again)

        host.cache.answered = late  # type: ignore[method-assign]
        assert env.run(made(flow)) == "done"
    assert sum(" start " in line for line in lines) == 1


# Code between.


_tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


def test_a_run_keeps_the_variables_of_its_context_and_no_other_sees_them() -> None:
    async def inner() -> str:
        seen = _tenant.get()
        _tenant.set("inner")
        await f.sleep(1)
        return seen

    async def flow(name: str) -> list[str]:
        before = _tenant.get()
        _tenant.set(name)
        within = await f.branch(inner())
        await price("pen")
        return [before, within, _tenant.get(), await f.step("tenant", _tenant.get)]

    fn = made(flow)
    for name in ("a", "b"):
        want = ["nobody", name, name, name]
        assert crash_everywhere(fn, name, others=(price,)) == want
    assert _tenant.get() == "nobody"


def test_decimals_are_as_exact_after_a_wait() -> None:
    async def flow() -> str:
        with decimal.localcontext() as exact:
            exact.prec = 50
            await price("pen")
            return str(decimal.Decimal(1) / 3)

    answers: list[str] = []
    with Env(price) as env:
        call = env.start(made(flow))
        answers.append(in_time(call.result))
    assert len(answers[0]) == 52


def test_code_that_catches_the_end_of_its_waits_in_a_loop_is_ended() -> None:
    async def flow() -> None:
        async with f.timeout(10):
            while True:
                with contextlib.suppress(Exception):
                    await f.step("fast", str)
                    await f.sleep(60)

    with Env() as env:
        call = env.start(made(flow))
        with pytest.raises(f.CallError, match="the function does not end"):
            raise in_time(lambda: pytest.raises(f.CallError, call.result)).value


class Proxy:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("there is no request")


proxy = Proxy()


def test_advice_about_code_fails_no_call() -> None:
    async def flow(quiet: bool) -> str:
        if not quiet:
            proxy.log("x")
        await f.sleep(1)
        return "done"

    with Env() as env:
        assert env.run(made(flow), True) == "done"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_code_that_catches_everything_leaves_memory(capsys: pytest.CaptureFixture[str]) -> None:
    async def stubborn() -> None:
        while True:
            try:
                await f.sleep(60)
            except BaseException:
                continue

    env = Env()
    env.start(made(stubborn))
    run_until(env, 30)
    thread = threading.Thread(target=env.close, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert "left memory" in capsys.readouterr().err


def run_until(env: Env, seconds: float) -> None:
    """Runs what there is for a while of its time."""
    env.run(made(wait_for), seconds)


async def wait_for(seconds: float) -> None:
    await f.sleep(seconds)


def test_other_branches_leave_memory_after_one_that_ends_badly(capsys: pytest.CaptureFixture[str]) -> None:
    left = []

    async def bad() -> None:
        try:
            await f.sleep(3600)
        finally:
            raise asyncio.CancelledError

    async def good() -> None:
        try:
            await f.sleep(3600)
        finally:
            left.append("good")

    async def flow() -> None:
        await f.gather(bad(), good())

    env = Env()
    env.start(made(flow))
    run_until(env, 1)
    env.close()
    assert left == ["good"]
    assert "left memory: CancelledError" in capsys.readouterr().err


def test_what_each_replay_would_do_again_is_refused() -> None:
    word = f.Signal("word", str)
    attempts: list[Callable[[], Any]] = [
        lambda: price.submit("pen"),
        lambda: price.submit_as("id", "pen"),
        lambda: price.signal_with_start("id", "word", "x", "pen"),
        lambda: price.handle("id"),
        lambda: word.send("id", "hello"),
        lambda: f.resolve("id:1", True),
    ]

    async def flow() -> int:
        refused = 0
        for attempt in attempts:
            try:
                attempt()
            except f.Misuse as e:
                refused += "do it in a step" in str(e)
        return refused

    with Env() as env:
        assert env.run(made(flow)) == len(attempts)


def test_a_saga_undoes_nothing_for_a_fault_that_has_the_function_tried_again() -> None:
    undone: list[str] = []
    faults = [f.Misuse("mended by the next build")]

    async def flow() -> str:
        async with sendoff.saga() as undo:
            undo.add("undo", undone.append, "it")
            await f.step("do", str)
            if faults:
                raise faults.pop()
        return "done"

    with Env() as env:
        assert env.run(made(flow)) == "done"
    assert undone == []


def test_none_is_none_where_the_default_is_another() -> None:
    async def flow(n: int | None = 5) -> int | None:
        return n

    with Env() as env:
        fn = made(flow)
        assert (env.run(fn), env.run(fn, None), env.run(fn, 3)) == (5, None, 3)


# Loops.


def test_the_body_of_a_loop_may_be_anything_that_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_loop, "_COMMANDS", 2)

    async def body(most: int, state: Any) -> Any:
        await f.sleep(1)
        n = 0.5 if state is None else state + 1
        return f.done(n) if n > most else n

    async def partial() -> float:
        return await f.loop(None, functools.partial(body, 4))

    async def plain() -> float:
        return await f.loop(None, lambda state: body(4, state))

    async def from_whole() -> float:
        return await f.loop(0, lambda state: body(4, state + 0.25))

    with Env() as env:
        assert [env.run(made(partial)), env.run(made(plain)), env.run(made(from_whole))] == [4.5, 4.5, 5.0]


# Journals.


def test_a_state_without_its_end_is_damaged() -> None:
    packed = state.pack(bytes(range(256)) * 40)
    body = m.message("google.protobuf.BytesValue").FromString(packed.value).value
    packed.value = m.message("google.protobuf.BytesValue")(value=body[:-3]).SerializeToString()
    with pytest.raises(Exception, match="its end is missing"):
        state.unpack(packed)


# Requests.


def request(app: f.Functions, function: str, token: int, **context: Any) -> Any:
    made = m.RunRequest(dispatch_id="d-1", function=function)
    made.input.CopyFrom(m.Any_(type_url="type.googleapis.com/google.protobuf.Empty"))
    made.context.token = token
    made.context.journal.SetInParent()
    return made


def scope() -> dict[str, Any]:
    headers = [(b"content-type", b"application/proto")]
    return {"type": "http", "method": "POST", "path": PATH, "headers": headers, "client": ("127.0.0.1", 1)}


async def ask(served: Any, body: bytes) -> Any:
    messages = [{"type": "http.request", "body": body}]
    sent: list[Any] = []

    async def receive() -> Any:
        if messages:
            return messages.pop()
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await served(scope(), receive, send)
    return m.RunResponse.FromString(sent[1]["body"])


def test_a_request_that_the_app_gives_up_lets_the_next_one_in() -> None:
    own = f.Functions("http://127.0.0.1:1", development=True)
    begun, go_on = threading.Event(), threading.Event()

    @own.function
    def block() -> str:
        begun.set()
        go_on.wait(20)
        return "done"

    async def main() -> Any:
        served = own.asgi()
        first = asyncio.create_task(ask(served, request(own, "block", 1).SerializeToString()))
        await asyncio.to_thread(begun.wait, 20)
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
        await asyncio.sleep(0.01)
        go_on.set()
        for token in range(2, 200):  # while the first goes on, it is busy
            answer = await asyncio.wait_for(ask(served, request(own, "block", token).SerializeToString()), 20)
            if answer.status == f.Status.OK:
                return answer
            await asyncio.sleep(0.02)
        return None

    assert asyncio.run(asyncio.wait_for(main(), 30)).exit.result.HasField("output")
    own.close()


def wsgi(served: Wsgi, body: bytes, kind: str, start: Callable[..., Any], **environ: str) -> Any:
    base = {"REQUEST_METHOD": "POST", "PATH_INFO": PATH, "REMOTE_ADDR": "127.0.0.1", "CONTENT_TYPE": kind}
    return served({**base, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), **environ}, start)


def test_an_answer_that_cannot_be_begun_ends_its_attempt() -> None:
    own = f.Functions("http://127.0.0.1:1", development=True)

    @own.function
    def one() -> int:
        return 1

    def broken(*_: Any) -> None:
        raise OSError("gone")

    served = own.wsgi()
    assert isinstance(served, Wsgi)
    with pytest.raises(OSError, match="gone"):
        wsgi(served, request(own, "one", 1).SerializeToString(), "application/proto", broken)
    again = request(own, "one", 2).SerializeToString()
    parts = in_time(lambda: b"".join(wsgi(served, again, "application/proto", lambda *_: None)))
    assert m.RunResponse.FromString(parts).status == f.Status.OK
    own.close()


def test_a_run_may_be_asked_for_in_json() -> None:
    own = f.Functions("http://127.0.0.1:1", development=True)

    @own.function
    def twice(values: list[int]) -> list[int]:
        return values * 2

    value = {"@type": "type.googleapis.com/sendoff.v1.JSON", "json": "WzFd"}
    body = json.dumps({"dispatchId": "d", "function": "twice", "input": value}).encode()
    served = own.wsgi()
    assert isinstance(served, Wsgi)
    answer = wsgi(served, body, "application/json", lambda *_: None)
    found = json.loads(b"".join(answer))
    answer.close()
    assert found["exit"]["result"]["output"]["json"] == "WzEsMV0="
    own.close()


@pytest.mark.parametrize("size", ["-1", "x", "\u0663", "9" * 30, str(MAX_BODY + 1)])
def test_a_request_of_a_size_that_is_none_is_not_read(size: str) -> None:
    own = f.Functions("http://127.0.0.1:1", development=True)
    served, told = own.wsgi(), []
    assert isinstance(served, Wsgi)
    wsgi(served, b"", "application/proto", lambda status, _: told.append(status[:3]), CONTENT_LENGTH=size)
    assert told == ["413"]
    own.close()


@pytest.mark.parametrize("created", ["\u00b2", "9" * 5000, ""], ids=["other digit", "long", "none"])
def test_the_time_of_a_signature_is_a_number(created: str) -> None:
    needed = '"@method" "@path" "@authority" "content-type" "content-digest"'
    headers = {
        "signature-input": f'dispatch=({needed});keyid="default";created={created}',
        "signature": "dispatch=:AAAA:",
    }
    with pytest.raises(Wrong, match="no time"):
        RunVerifier([bytes(32)], "127.0.0.1").head("POST", PATH, headers)


def test_what_is_under_way_is_answered_before_the_end() -> None:
    begun, ended = threading.Event(), threading.Event()

    def slow(environ: Any, start: Callable[..., Any]) -> list[bytes]:
        begun.set()
        time.sleep(0.3)
        ended.set()
        start("200 OK", [("Content-Length", "4")])
        return [b"done"]

    listener = HTTPListener(slow, "127.0.0.1:0")
    serving = threading.Thread(target=listener.serve)
    serving.start()
    answers: list[bytes] = []

    def ask() -> None:
        answers.append(httpx.post(f"http://{listener.address}/").content)

    asking = threading.Thread(target=ask)
    asking.start()
    assert begun.wait(20)
    listener.stop()
    serving.join(20)
    assert ended.is_set()
    asking.join(20)
    assert answers == [b"done"]


def test_threads_of_steps_take_whatever_comes_and_end() -> None:
    workers, met, before = Workers(), threading.Barrier(51), threading.active_count()
    for _ in range(50):
        workers.submit(met.wait, 20)  # all at once
    met.wait(20)
    done: list[int] = []
    for n in range(1000):
        workers.submit(done.append, n)
    deadline = time.monotonic() + 20
    while len(done) < 1000 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(done) == list(range(1000))
    workers.close()
    with pytest.raises(RuntimeError):
        workers.submit(done.append, 0)
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def answering(*answers: bytes) -> tuple[str, list[bytes]]:
    """A server that answers the requests of one connection so, and then ends it; what it was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            for answer in answers:
                asked.append(connection.recv(1 << 16))
                connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", asked


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nTrailer: t\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nabc",
        b"HTTP/1.1 200\r\nConnection: Close\r\n\r\nabc",
    ],
)
def test_answers_of_a_server_are_read_however_they_are_written(answer: bytes) -> None:
    url, asked = answering(answer)
    server = HTTPServer(f"{url}/a/", "secret")
    assert server._ask("Checkpoint", m.CheckpointRequest(dispatch_id="id"), 10) == b"abc"
    head, _, body = asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /a/sendoff.v1.FunctionExtension/Checkpoint HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer secret\r\n" in head
    assert m.CheckpointRequest.FromString(body).dispatch_id == "id"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * (1 << 17),
    ],
)
def test_an_answer_that_is_none_is_no_answer(answer: bytes) -> None:
    url, _ = answering(answer)
    with pytest.raises(Unreachable):
        HTTPServer(url, "")._ask("Checkpoint", m.CheckpointRequest(dispatch_id="id"), 10)


def test_a_connection_that_was_closed_meanwhile_is_made_anew(sendoff_server: Server) -> None:
    server = HTTPServer(sendoff_server.url, "")
    with pytest.raises(Stale):
        server.checkpoint("019aab6e-6f3a-7c1e-8d24-5f2b7a1c9e00", 1, m.Append(segment=b"x"))
    [kept] = server._idle
    kept._socket.shutdown(socket.SHUT_RDWR)
    with pytest.raises(Stale):
        server.checkpoint("019aab6e-6f3a-7c1e-8d24-5f2b7a1c9e00", 1, m.Append(segment=b"x"))
    assert kept not in server._idle
    with pytest.raises(ValueError, match="a line break"):
        HTTPServer(sendoff_server.url, "a\r\nX: y").checkpoint("none", 1, m.Append(segment=b"x"))
