"""The worker of Sendoff for Python: one warm process that carries out task after task.

It reads frames from a socket, a line of JSON each, and writes frames back; its standard
output and error are left to the tasks. Where the package dispatcherd can be imported, its
own TaskWorker runs the tasks, with all of its hooks; elsewhere they are imported and
called.

It runs on one thread, the main one, as tasks do that install signal handlers. While a task
runs nobody reads the socket, so who wants something of it sends SIGUSR1 after the frame.
The handler raises in the task only when the frame names the task that runs, and only
while it is in the task's own code: before and after it nothing can be hit.
"""

import base64
import gc
import importlib
import inspect
import json
import os
import platform
import queue
import re
import signal
import socket
import sys
import threading
import time
import traceback
import types
from collections import deque

VERSION = 1


class Canceled(Exception):
    """Raised in a task that is to stop."""


def parsed(line):
    """A frame. A task whose JSON is too deep for this interpreter is one that has failed;
    the pool writes its id first of all."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        head = re.match(rb'\{"type":"task","id":("(?:[^"\\]|\\.)*")', line)
        if head is None:
            raise
        return {"type": "task", "id": json.loads(head.group(1)), "task": "", "unreadable": error}


class Channel:
    """The socket to the pool."""

    def __init__(self, fd):
        os.set_inheritable(fd, False)
        self.sock = socket.socket(fileno=fd)
        self.buffer = bytearray()
        self.tasks = deque()  # also what follows a task: stop
        self.replies = deque()
        self.canceled = set()  # ids of tasks that are to stop
        self.reading = False
        self.missed = False  # a signal came while something was read
        self.closed = False
        self.check = lambda: None  # called when something has come
        self.sending = threading.Lock()  # tasks have threads

    def send(self, frame):
        self.write(json.dumps(frame, separators=(",", ":"), default=str))

    def write(self, text):
        with self.sending:
            self.sock.sendall(text.encode() + b"\n")

    def take(self, data):
        """Sort what has come by what it is for."""
        self.buffer += data
        *lines, rest = self.buffer.split(b"\n")
        self.buffer = bytearray(rest)
        for line in lines:
            if not line:
                continue
            frame = parsed(line)
            kind = frame.get("type")
            if kind == "cancel":
                self.canceled.add(frame.get("id"))
            elif kind == "reply":
                self.replies.append(frame)
            else:
                self.tasks.append(frame)

    def read(self, timeout=None):
        """Wait for more. Nothing is lost when a signal comes in between."""
        self.reading = True
        try:
            self.sock.settimeout(timeout)
            data = self.sock.recv(1 << 16)
            if not data:
                self.closed = True
                self.tasks.append({"type": "stop"})
                return
            self.take(data)
        finally:
            self.sock.settimeout(None)
            self.reading = False
        self.catch_up()
        self.check()

    def look(self):
        """Take what is there already; for the handler of a signal."""
        if self.reading:
            self.missed = True  # whoever reads looks once more: what this is about may have come behind what was read
            return
        self.reading = True
        try:
            self.drain()
        finally:
            self.reading = False
        self.catch_up()

    def catch_up(self):
        if self.missed:
            self.missed = False
            self.look()

    def drain(self):
        while True:
            try:
                data = self.sock.recv(1 << 16, socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                return
            if not data:
                self.closed = True
                return
            self.take(data)

    def next(self, of, timeout=None):
        """The next frame of a kind; queue.Empty when there is none in time."""
        until = None if timeout is None else time.monotonic() + timeout
        while not of:
            if self.closed and of is self.replies:
                raise ConnectionError("the service is gone")
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise queue.Empty
            try:
                self.read(left)
            except (TimeoutError, socket.timeout):
                raise queue.Empty from None
        return of.popleft()


# The variables that tell a task which attempt it is.
KNOWN = (
    ("SENDOFF_TASK_ID", "id"), ("SENDOFF_TASK_NAME", "name"), ("SENDOFF_ATTEMPT", "attempt"),
    ("SENDOFF_MAX_ATTEMPTS", "max_attempts"), ("SENDOFF_TOKEN", "token"),
)


class Running:
    """The task that runs, and what came of it."""

    def __init__(self, channel):
        self.channel = channel
        self.id = None
        self.message = None  # of dispatcherd, that it came in
        self.inside = False  # in the task's own code
        self.cancel = Canceled
        channel.check = self.check

    def begin(self, frame):
        self.id, self.message, self.inside = frame["id"], None, False
        self.channel.canceled &= {self.id}
        for name, member in KNOWN:
            try:
                os.environ[name] = str(frame.get(member, "")).replace("\0", "")
            except ValueError:  # a text that no system can hold
                os.environ[name] = ""
        self.outcome, self.result, self.error = "ok", None, None

    def signaled(self, *_):
        """The handler of SIGUSR1."""
        self.channel.look()
        self.check()

    def check(self):
        """Raise in the task when it is to stop."""
        if self.inside and self.id in self.channel.canceled:
            self.inside = False
            raise self.cancel

    def run(self, code):
        """Run the task's code. It may be told to stop in here, and nowhere else."""
        try:
            try:
                self.inside = True
                if self.id in self.channel.canceled:
                    raise self.cancel
                return code()
            finally:
                self.inside = False
        except self.cancel:
            self.inside = False
            self.outcome = "canceled"
            raise

    def progress(self, done=0, total=0, text=""):
        """Tell how far the task is: done of total, 0 = that is not known, and what it is at, for people.

        Of what is told in quick succession the last counts. Any thread of the task may tell it.
        """
        frame = {"type": "progress", "id": self.id, "done": int(done), "total": int(total), "text": str(text)[:500]}
        inside, main = self.inside, threading.current_thread() is threading.main_thread()
        if main:
            self.inside = False  # half a frame would be the end of the worker
        try:
            if self.id is not None:
                self.channel.send(frame)
        finally:
            if main:
                self.inside = inside
        if main:
            self.check()

    def failed(self, error):
        self.outcome = "error"
        self.error = described(error)


def described(error):
    """An exception as a frame tells of it. What it says of retries is taken from it."""
    where = error.__traceback__
    while where is not None and where.tb_frame.f_globals is globals():
        where = where.tb_next  # of ours: it tells nobody anything
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be had)"
    out = {"type": type(error).__name__, "message": text, "trace": "".join(traceback.format_exception(type(error), error, where))}
    for name in ("permanent", "snooze"):
        if getattr(error, name, None) is True:
            out[name] = True
    after = getattr(error, "retry_after", None)
    if isinstance(after, (int, float)) and not isinstance(after, bool):
        out["retry_after"] = after
    return out


def flush():
    """Have everything that was printed in the pipes before the end of a task is told."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    if LIBC is not None:
        LIBC.fflush(None)


def libc():
    try:
        import ctypes

        return ctypes.CDLL(None)
    except Exception:
        return None


def done(channel, running, stopping=False):
    frame = {"type": "done", "id": running.id, "outcome": running.outcome}
    if running.outcome == "ok" and running.result is not None:
        frame["result"] = running.result
    if running.error is not None:
        frame["error"] = running.error
    if stopping:
        frame["stopping"] = True
    flush()
    channel.canceled.discard(running.id)
    running.id = None
    try:
        text = json.dumps(frame, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        print("sendoff: a result of type %s is no JSON and is not kept" % type(running.result).__name__, file=sys.stderr)
        flush()
        frame.pop("result", None)
        text = json.dumps(frame, separators=(",", ":"))
    channel.write(text)


def refused(channel, running, frame):
    """Whether a task cannot be read, which is told."""
    if "unreadable" not in frame:
        return False
    running.begin(frame)
    running.failed(frame["unreadable"])
    done(channel, running)
    return True


def arguments(frame):
    """A payload of args and kwargs is that; any other one is the only argument."""
    if "message" in frame:
        return frame["message"].get("args") or [], frame["message"].get("kwargs") or {}
    if "payload_base64" in frame:
        return [base64.b64decode(frame["payload_base64"])], {}
    if "payload" not in frame:
        return [], {}
    payload = frame["payload"]
    if isinstance(payload, dict) and payload and set(payload) <= {"args", "kwargs"}:
        args, kwargs = payload.get("args") or [], payload.get("kwargs") or {}
        if isinstance(args, list) and isinstance(kwargs, dict):
            return args, kwargs
    return [payload], {}


def resolve(path):
    """What a dotted name, or module:name, stands for."""
    if path.startswith("lambda"):
        return eval(path)  # the pool sends such texts only when it was told to
    module, colon, name = path.partition(":")
    if not colon:
        module, dot, name = path.rpartition(".")
        if not dot:
            raise ImportError("%r names no module: want something like app.mail.send" % path)
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if inspect.isclass(found) and hasattr(found, "run"):
        return found().run
    return found


def plain(channel, running, hello):
    """Import and call."""
    signal.signal(signal.SIGUSR1, running.signaled)
    channel.send(ready("plain"))
    while True:
        frame = channel.next(channel.tasks)
        if frame.get("type") == "stop":
            break
        if frame.get("type") != "task" or refused(channel, running, frame):
            continue
        running.begin(frame)

        def code():
            args, kwargs = arguments(frame)
            return resolve(frame["task"])(*args, **kwargs)

        try:
            running.result = running.run(code)
        except Canceled:
            pass
        except Exception as error:
            running.failed(error)
        done(channel, running)
    channel.send({"type": "bye"})


def ready(how):
    return {
        "type": "ready", "v": VERSION, "pid": os.getpid(), "caps": ["usr1"],
        "lang": "%s %s (%s)" % (platform.python_implementation(), platform.python_version(), how),
    }


class Messages:
    """What dispatcherd's worker takes for its queue of messages. A task that asks the
    service takes the next message for its answer, so answers and tasks are apart."""

    def __init__(self, channel, running):
        self.channel, self.running = channel, running

    def get(self, timeout=None):
        if self.running.id is not None:
            reply = self.channel.next(self.channel.replies, timeout)
            return {"error": reply["error"]} if reply.get("error") else reply.get("data")
        while True:
            frame = self.channel.next(self.channel.tasks, timeout)
            if frame.get("type") == "stop":
                return "stop"
            if frame.get("type") == "task" and not refused(self.channel, self.running, frame):
                return self.message(frame)

    def message(self, frame):
        self.running.begin(frame)
        self.running.message = self.read(frame)
        return self.running.message

    def read(self, frame):
        if "message" in frame:
            return frame["message"]
        args, kwargs = arguments(frame)
        message = {"task": frame["task"], "uuid": frame["id"], "args": args, "kwargs": kwargs}
        if "timeout" in frame:
            message["timeout"] = frame["timeout"]
        return message


class Ends:
    """What dispatcherd's worker takes for its queue of what has ended."""

    def __init__(self, channel, running):
        self.channel, self.running, self.asked = channel, running, 0

    def put(self, event):
        kind = event.get("event")
        if kind == "ready":
            self.channel.send(ready("dispatcherd"))
        elif kind == "control":
            self.asked += 1
            self.channel.send({"type": "control", "id": str(self.asked), "command": event.get("command"), "data": event.get("control_data") or {}})
        elif kind == "done":
            done(self.channel, self.running, stopping=bool(event.get("is_stopping")))
        elif kind == "shutdown":
            self.channel.send({"type": "bye"})


def hosted(channel, running, hello):
    """Have dispatcherd's own worker run the tasks."""
    from dispatcherd.config import is_setup, settings, setup
    from dispatcherd.utils import resolve_callable
    from dispatcherd.worker.exceptions import DispatcherCancel, DispatcherExit
    from dispatcherd.worker.target import work_loop_internal

    config = (hello.get("settings") or {}).get("dispatcherd") or {"version": 2}
    if not is_setup():
        setup(config=config)
    chosen = settings.worker or {}
    cls = resolve_callable(chosen.get("worker_cls", "dispatcherd.worker.task.TaskWorker"))
    worker = cls(
        worker_id=hello.get("worker", 0), message_queue=Messages(channel, running), finished_queue=Ends(channel, running),
        **chosen.get("worker_kwargs", {}),
    )
    running.cancel = DispatcherCancel
    handler = getattr(worker, "signal_handler", None)
    if handler is not None:
        handler.task_cancel = running.signaled  # it raises wherever it is, ours only in the task
        handler.enter_idle_mode()
    theirs = worker.run_callable

    def run_callable(message):
        try:
            result = running.run(lambda: theirs(message))
            if message is not running.message:
                return result  # of a callback
        except DispatcherCancel:  # during the import, say
            return "<cancel>"
        except DispatcherExit as leaving:
            if message is running.message:
                running.result = leaving.result
            raise
        except Exception as error:
            if message is running.message:
                running.failed(error)
            raise
        if result == "<cancel>" and running.id in channel.canceled:
            running.outcome = "canceled"
        else:
            running.result = result
        return result

    worker.run_callable = run_callable
    work_loop_internal(worker)


def preload(hello):
    """Import what all tasks need, and say whose worker it will be."""
    options = hello.get("settings") or {}
    for module in options.get("preload") or []:
        importlib.import_module(module)
    mode = options.get("mode", "auto")
    if mode == "plain":
        return plain
    try:
        import dispatcherd.worker.target  # noqa: F401
    except ImportError:
        if mode == "dispatcherd":
            raise
        return plain
    return hosted


def zygote():
    """Fork workers, each when the pool asks for one, from this process that has imported
    what all of them need. Returns in a worker, whose parent is the guardian: the process
    between it and this one has ended, so that its own end is told to who waits for it."""
    sock = socket.socket(fileno=3)
    preload(json.loads(sock.recv(1 << 20)))
    if threading.active_count() > 1:
        print("sendoff: %d threads run after the preloading; workers that are forked have the first one only" % threading.active_count(), file=sys.stderr)
    flush()
    gc.collect()
    gc.freeze()
    sock.sendall(json.dumps(ready("zygote")).encode() + b"\n")
    while True:
        text, files, _, _ = socket.recv_fds(sock, 1 << 16, 4)
        if not text:
            os._exit(0)
        told, tell = os.pipe()
        between = os.fork()
        if between == 0:
            pid = os.fork()
            if pid:
                os.write(tell, b"%d" % pid)
                os._exit(0)
            break
        os.close(tell)
        for fd in files:
            os.close(fd)
        os.waitpid(between, 0)
        sock.sendall(b'{"type":"forked","pid":%s}\n' % (os.read(told, 32) or b"0"))
        os.close(told)
    os.setpgid(0, 0)
    os.close(told)
    os.close(tell)
    sock.detach()
    for to, fd in enumerate(files):
        os.dup2(fd, to)
    for fd in files:
        os.close(fd)


def main():
    global LIBC
    LIBC = libc()
    forked = sys.argv[1:] == ["zygote"]
    if forked:
        zygote()
    channel = Channel(3)
    running = Running(channel)
    os.register_at_fork(after_in_child=channel.sock.detach)  # the channel is not for children
    sys.argv = ["sendoff-worker"]
    offered = types.ModuleType("sendoff_worker", "What a task can tell the server: progress.")
    offered.progress = running.progress
    sys.modules["sendoff_worker"] = offered
    hello = channel.next(channel.tasks)
    if forked and LIBC is not None:
        LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with the guardian
    preload(hello)(channel, running, hello)


LIBC = None
if __name__ == "__main__":
    main()
