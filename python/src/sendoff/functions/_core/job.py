"""One request of a server: finds the suspended run in memory or repeats its journal, and answers. The journal is kept
at the server, which gets only what is new (Sendoff), or in the state of the poll (any Dispatch server)."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sendoff.functions._core import state
from sendoff.functions._core.attempt import SECOND, Attempt, Crash, Info, Interrupted
from sendoff.functions._core.cache import Active, Denied, Warm
from sendoff.functions._core.listener import Listener, Stale
from sendoff.functions._core.poll import MAX_RESULTS, impatient, max_wait, need
from sendoff.functions._core.replay import Mismatch
from sendoff.functions._core.run import Run
from sendoff.functions._failure import Status, recorded
from sendoff.functions._format.fnv import START, fnv
from sendoff.functions._format.journal import NEWEST, Damaged, Entry, Kind, Newer, Op, Value, Writer, decode
from sendoff.functions._format.messages import (
    CallResult,
    Error,
    Poll,
    RunReport,
    RunResponse,
    duration,
    micros_of,
)
from sendoff.functions._format.payload import of_any
from sendoff.functions._format.wire import put_varint

if TYPE_CHECKING:
    from sendoff.functions._core.host import Host, Served

SDK = "sendoff-python/1"
_MAX_JOURNAL = 14 << 20  # bytes: what still fits into a request of 16 MB

Answer = tuple[Any, Callable[[bool], None]]  # a RunResponse, and what is called with whether it was written


class Job:
    """One request."""

    def __init__(self, host: Host, request: Any, function: Served, virtual: int) -> None:
        self._host, self._request, self._function = host, request, function
        self._id = request.dispatch_id
        self._context = request.context if request.HasField("context") else None
        kept = self._context is not None and self._context.HasField("journal")
        self._kept = request.context.journal if kept else None  # the journal that a Sendoff server keeps
        self._poll = request.poll_result if request.HasField("poll_result") else None
        self._virtual = virtual
        self._received = time.monotonic()
        self._clock = virtual or time.time_ns() // 1000
        self._keep: Warm | None = None  # set when the run is suspended and may stay in memory
        self._run: Run | None = None
        self._stopped = False

    def answer(self) -> Answer:
        active = Active(self._token, self._interrupt)
        try:
            warm = self._host.cache.begin(self._id, active)
        except Denied as e:
            return self._later("busy", str(e), e.wait), lambda written: None
        try:
            response = self._guarded(warm)
        except BaseException:
            self._host.cache.end(self._id, None)
            raise
        self._host.cache.answered(self._id, active, response.report.need_journal)

        def done(written: bool) -> None:
            keep = self._keep
            if keep is not None and not written:
                keep.run.evict()
                keep = None
            self._host.cache.end(self._id, keep)

        return response, done

    @property
    def _token(self) -> int:
        return self._context.token if self._context is not None else 0

    def _interrupt(self) -> None:
        self._stopped = True
        if self._run is not None:
            self._run.interrupt()

    def _guarded(self, warm: Warm | None) -> Any:
        """For code of the user's that is run beside the function: what has no text, and cannot be encoded."""
        try:
            return self._answered(warm)
        except Exception as e:
            self._keep = None
            return _temporary(e)

    def _answered(self, warm: Warm | None) -> Any:
        if warm is not None:
            if self._fits(warm):
                return self._advance(warm.run)
            warm.run.evict()
        if self._kept is not None and self._kept.length and not self._kept.complete:
            return RunResponse(status=Status.TEMPORARY_ERROR, report=self._report(RunReport(need_journal=True)))
        try:
            text = self._journal()
            return self._cold(text) if text else self._fresh()
        except (Damaged, Newer) as e:
            return self._mismatch(
                f"SENDOFF1002: run {self._id} of function {self._request.function}: {e}. "
                "Restart the run from its input."
            )

    def _report(self, report: Any) -> Any:
        report.sdk, report.build = SDK, self._host.build
        return report

    def _fits(self, warm: Warm) -> bool:
        """The run in memory is where the server believes it is."""
        if self._poll is None:
            return False  # a new life of the run: from its input, or a tail call
        if self._kept is not None:
            return bool(0 < warm.length == self._kept.length and warm.writer == self._kept.writer)
        return warm.length == 0 and warm.state == _digest(self._poll.typed_coroutine_state.value)

    def _journal(self) -> bytes:
        """The journal of the run; none at all for a first run."""
        if self._kept is not None and self._kept.length:
            text = b"".join(self._kept.segments)
            if len(text) != self._kept.length:
                raise Damaged(f"the journal is damaged: it has {len(text)} bytes in place of {self._kept.length}")
            return text
        if self._poll is None:
            return b""
        if not self._poll.HasField("typed_coroutine_state"):
            raise Damaged("the journal is damaged: the run is resumed without a journal")
        return state.unpack(self._poll.typed_coroutine_state)

    def _fresh(self) -> Any:
        """Starts a run from its input."""
        request, input = self._request, of_any(self._request.input)
        info = self._info()
        info.epoch = secrets.randbelow((1 << 16) - 1) + 1
        info.seed = self._seed(input)
        info.generation = max(self._context.epoch, 0) if self._context is not None else info.seed
        run = Run(self._host, info, Writer())
        run.kept = None if self._kept is not None else b""
        header = Entry(
            kind=Kind.HEADER, name=request.function, version=NEWEST if info.generation else 1, sdk=SDK, seed=info.seed,
            epoch=info.epoch, at=self._now(), value=input, dispatch=self._id, generation=info.generation,
            expires=info.expires,
        )  # fmt: skip
        run.ledger.write(header)
        run.tick(header.at)
        run.trace(header)
        run.start(self._function.start(run, input))
        return self._advance(run)

    def _cold(self, text: bytes) -> Any:
        """Brings a run back by repeating its journal."""
        entries, log = decode(text)
        header = entries[0]
        if header.name != self._request.function or header.dispatch != self._id:
            raise Damaged(f"the journal is damaged: it is that of run {header.dispatch} of function {header.name}")
        run = restored(self._host, self._info(), entries, log)
        run.kept = None if self._kept is not None else text
        run.start(self._function.start(run, header.value))
        return self._advance(run)

    def _info(self) -> Info:
        q = self._request
        return Info(
            id=self._id,
            function=q.function,
            parent=q.parent_dispatch_id,
            root=q.root_dispatch_id,
            attempt=max(self._context.attempt, 1) if self._context is not None else 1,
            created=micros_of(q.creation_time) if q.HasField("creation_time") else 0,
            expires=micros_of(q.expiration_time) if q.HasField("expiration_time") else 0,
        )

    def _seed(self, input: Value) -> int:
        """The same for each attempt to start the run, so that ids that a first attempt made and lost are made again."""
        made = START
        for text in (self._id, self._request.function, input.url):
            made = fnv(text.encode(errors="surrogateescape") + b"\0", made)
        epoch = bytearray()
        put_varint(epoch, max(self._context.epoch, 0) if self._context is not None else 0)
        return fnv(bytes(epoch), fnv(input.data, made))

    def _now(self) -> int:
        if self._context is not None and self._context.HasField("now"):
            return micros_of(self._context.now)
        return self._clock

    def _attempt(self, run: Run) -> Attempt:
        context, server = self._context, self._host.server
        signals = context.signals if context is not None else ()
        results = self._poll.results if self._poll is not None else ()
        failed = self._poll is not None and self._poll.HasField("error")
        run.inbox.bring(self._poll.error if failed and self._poll is not None else None, results, signals)
        attempt = Attempt(
            now=self._now(),
            sendoff=context is not None,
            virtual=bool(self._virtual),
            canceled=context is not None and context.canceled,
            received=self._received,
        )
        if self._kept is not None and server is not None:
            attempt.flush = self._flush
        if context is not None and context.HasField("told") and server is not None:
            attempt.listener = Listener(self._receive, self._host.threads, context.told)
        return attempt

    def _receive(self, after: int, pause: float) -> Any:
        assert self._host.server is not None
        if pause:
            time.sleep(pause)
        return self._host.server.receive(self._id, self._token, after)

    def _flush(self, segment: Any, rounds: int) -> None:
        """Stores a segment at the server, within a few seconds for each round, or ends the attempt."""
        assert self._host.server is not None
        worst: Exception | None = None
        for go in range(4 * rounds):
            if go % 4:
                time.sleep(0.1 * 2 ** (go % 4))
            try:
                self._host.server.checkpoint(self._id, self._token, segment)
                return
            except Stale as e:
                raise Interrupted(f"the attempt was interrupted: checkpoint: {e}") from e
            except Exception as e:
                worst = e
            if self._stopped:
                break
        raise Interrupted(f"the attempt was interrupted: checkpoint: {worst}")

    def _advance(self, run: Run) -> Any:
        """Runs on, and turns what came of it into an answer."""
        run.resumed()
        self._run = run
        if self._stopped:
            run.interrupt()
        try:
            return self._answer(run, run.advance(self._attempt(run)))
        finally:
            if self._keep is None:
                run.evict()

    def _answer(self, run: Run, failure: BaseException | None) -> Any:
        if isinstance(failure, Mismatch):
            return self._mismatch(str(failure))
        if isinstance(failure, Crash):
            return self._with_journal(run, _temporary(failure.error))
        if isinstance(failure, Interrupted):
            return self._later("interrupted", str(failure), 0)
        if failure is not None:
            return self._with_journal(run, _failed(Status.PERMANENT_ERROR, "stuck", f"sendoff: {failure}"))
        if run.root.done and not run.outbox.owes_detached:
            return self._exit(run)
        return self._suspend(run)

    def _later(self, kind: str, message: str, wait: float) -> Any:
        """Puts the attempt off: nothing of it was done, and no fault of the function."""
        response = _failed(Status.THROTTLED, kind, message)
        if self._context is not None:
            self._report(response.report)
            if wait:
                response.report.retry_after.CopyFrom(duration(int(wait * SECOND)))
        return response

    def _mismatch(self, text: str) -> Any:
        """Blocks the run at a Sendoff server. Other servers get an error that they retry: the documented reaction to
        an incompatible state is to start from the input, which would repeat what was done."""
        response = _failed(Status.TEMPORARY_ERROR, "nondeterminism", text)
        if self._context is not None:
            self._report(response.report).mismatch = text
        return response

    def _exit(self, run: Run) -> Any:
        """Answers with what the function returned."""
        if (lost := run.replay.missing()) is not None:
            return self._mismatch(str(run.replay.lost(run.root, lost)))
        response = self._function.respond(run.root.result.local, run.root.result.error)
        if run.canceled and Status(response.status).temporary:  # it has undone what it could
            response.status = Status.PERMANENT_ERROR
        response = self._with_journal(run, response)
        if response.HasField("report"):
            if (run.outbox.calls or run.outbox.given_up) and not Status(response.status).temporary:
                response.report.cancel_open_calls = True
            if response.exit.HasField("tail_call"):
                response.report.untaken.extend(run.inbox.untaken())
                self._note_received(run, response.report)
        return response

    def _note_received(self, run: Run, report: Any) -> None:
        listener = run.attempt.listener
        if listener is not None and (received := listener.received()) is not None:
            report.received.CopyFrom(received)

    def _with_journal(self, run: Run, response: Any) -> Any:
        """Adds what is new of the journal. An answer that is tried again leaves out the failures that it would only
        repeat."""
        if self._context is None:
            return response
        self._report(response.report).undo = run.undoing > 0
        n = run.ledger.repeatable() if Status(response.status).temporary else run.ledger.log.pending
        if self._kept is not None and n > 0:
            response.report.append.CopyFrom(run.ledger.take(n))
        return response

    def _suspend(self, run: Run) -> Any:
        """Sends the calls that are new, and says what to wait for."""
        size = len(run.ledger.log)
        if size > _MAX_JOURNAL:
            return _failed(
                Status.PERMANENT_ERROR,
                "journal",
                f"sendoff: the journal has grown to {size} bytes, at most {_MAX_JOURNAL} are possible: use "
                "sendoff.loop, move parts into functions of their own, or keep large results elsewhere",
            )
        if run.root.done:  # what takes its place is to be told of the signals that it did not come to
            while run.take_signal():
                pass
        sendoff = run.attempt.sendoff
        prompt = sendoff and impatient(run)
        calls, sent = run.outbox.next_calls(run.root.done)
        more = sent < len(run.outbox.unsent) or bool(run.to_start)
        poll = Poll(max_results=MAX_RESULTS, min_results=need(run), calls=calls)
        if (span := max_wait(run, more)) is not None:
            poll.max_wait.CopyFrom(duration(span))
        report = RunReport(cancel=run.outbox.given_up, prompt=prompt, undo=run.undoing > 0)
        self._note_received(run, report)
        entry = Entry(kind=Kind.POLL, n=sent, name="\n".join(run.inbox.awaited()))
        if run.to_start:
            entry.op = Op.STEP
        run.ledger.write(entry)
        run.mark_sent(sent)
        run.ledger.safe()
        self._keep = Warm(run)
        response = RunResponse(status=Status.OK, poll=poll)
        segment = run.ledger.take(run.ledger.log.pending)
        if self._kept is not None:
            report.append.CopyFrom(segment)
            self._keep.length, self._keep.writer = run.ledger.log.taken, self._token
        else:
            run.kept = journal = (run.kept or b"") + segment.segment
            packed = state.pack(journal)
            response.poll.typed_coroutine_state.CopyFrom(packed)
            self._keep.state = _digest(packed.value)
        if self._context is not None:
            response.report.CopyFrom(self._report(report))
        return response


def restored(host: Host, info: Info, entries: list[Entry], log: Writer) -> Run:
    header = entries[0]
    info.seed, info.epoch, info.generation = header.seed, header.epoch, header.generation
    info.expires = header.expires or info.expires
    run = Run(host, info, log)
    run.restore(entries)
    return run


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()


def _temporary(e: BaseException) -> Any:
    return _with_error(Status.TEMPORARY_ERROR, recorded(e))


def _failed(status: Status, kind: str, message: str) -> Any:
    return _with_error(status, Error(type=kind, message=message))


def _with_error(status: Status, error: Any) -> Any:
    response = RunResponse(status=status)
    response.exit.result.CopyFrom(CallResult(error=error))
    return response
