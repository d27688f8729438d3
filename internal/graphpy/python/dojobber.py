"""DoJobber's classes, for jobs that Sendoff runs.

The names, and what they promise, are those of dojobber 0.6.3. There is no scheduler
here: this side describes the graph, carries out the calls that it is asked for, and
keeps what the jobs keep. Which job is next, how often, and what its end means is
decided by the process at the other end of the channel. CPython 3.8 and later.
"""
import base64
import json
import logging
import math
import operator
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

__all__ = ['DummyJob', 'DoJobber', 'Job', 'RunonlyJob']

_ADDRESS = os.environ.get('SENDOFF_GRAPH')
if not _ADDRESS:
    raise ImportError(
        "this dojobber belongs to Sendoff and needs it to run the jobs: start the script with"
        " `sendoff graph exec -- python3 SCRIPT`, or take it off PYTHONPATH")

dojobber = sys.modules[__name__ + '.dojobber'] = sys.modules[__name__]  # the real one is a package of one module

_log = logging.getLogger('DoJobber')


class Job:
    """Base of all jobs: Check tells whether something is done, Run does it, Cleanup undoes it."""

    TRIES = None  # that of configure()
    RETRY_DELAY = None  # seconds; that of configure()

    def __init__(self):
        self.storage = None  # set before the first call: of this attempt
        self.global_storage = None  # of the whole run
        self._check_phase = None
        self._check_results = self._check_exception = None
        self._run_results = self._run_exception = None
        self._recheck_results = self._recheck_exception = None


class DummyJob(Job):
    """Groups the jobs that it depends on."""

    def Check(self, *_args, **_kwargs):
        """Pass."""

    def Run(self, *_args, **_kwargs):
        """Never needed."""


class RunonlyJob(Job):
    """Has a Run and no Check, runs every time and is done when Run raises nothing."""

    def Check(self, *_args, **_kwargs):
        """Say what Run came to; there is nothing to say before."""
        if self._check_phase == 'check':
            raise RuntimeError('Runonly node check intentionally fails first time.')
        if self._run_exception is not None:
            raise self._run_exception
        return self._run_results


class DoJobber:
    """Runs the jobs that a root stands on. Unlike the real one it may run them again and again."""

    def __init__(self, dojobber_loglevel=None, **_ignored):
        self.nodestatus = {}  # by name: True, False, or None for a job that was never attempted
        self.nodeexceptions = {}  # by name: why it failed last
        self.noderesults = {}  # by name: what the Check that passed has returned
        self._args, self._kwargs = (), {}
        self._reached = self._partial = False
        self._channel = None
        self._host = None
        _log.setLevel(dojobber_loglevel or logging.CRITICAL)
        if not _log.handlers:
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter('DoJobber %(levelname)-19s: %(message)s'))
            _log.addHandler(handler)

    def configure(self, root, no_act=False, verbose=False, debug=False, cleanup=True,
                  default_tries=3, default_retry_delay=1):
        """Read the graph below root. What is wrong with it raises TypeError or RuntimeError."""
        graph = _Graph(root)
        self._forget()
        self._host, self._channel = _Host(graph), _Channel()
        settings = {'no_act': bool(no_act), 'verbose': bool(verbose or debug), 'debug': bool(debug),
                    'no_cleanup': not cleanup, 'log': _log.isEnabledFor(logging.DEBUG),
                    'tries': _tries('default_tries', default_tries),
                    'retry_delay': _retry_delay('default_retry_delay', default_retry_delay)}
        try:
            with _interrupts:
                self._ask('graph', jobs=graph.jobs, **settings)
        except BaseException:
            self._forget()
            raise

    def set_args(self, *args, **kwargs):
        """Give every Check and every Run these arguments."""
        self._args, self._kwargs = args, kwargs

    def checknrun(self, node=None):
        """Run the jobs, or only those that node, a class or a name, stands on."""
        self._configured()
        self._host.begin(self._args, self._kwargs)
        with _interrupts:
            end = self._ask('run', only=getattr(node, '__name__', node) or '')
            self._reached, self._partial = end['reached'], end['partial']
            self._read(end['states'])
            self._host.home()
            self._host.raise_cleanup()

    def cleanup(self):
        """Call the Cleanups that checknrun() has left because of cleanup=False."""
        self._configured()
        with _interrupts:
            self._ask('cleanup')
            self._host.raise_cleanup()

    def success(self):
        """Tell whether the last checknrun() has reached all."""
        return self._reached

    def partial_success(self):
        """Tell whether some job of the last checknrun() is done."""
        return self._partial

    def failure(self):
        """Tell whether anything is left undone."""
        return not self._reached

    def write_graph(self, filed, fmt='png'):
        """Write the graph as it is now to an open file, as png, svg or dot."""
        picture = self._draw(fmt)
        try:
            filed.write(picture)
        except TypeError:  # a file of text
            if hasattr(filed, 'buffer'):
                filed.flush()
                filed.buffer.write(picture)
            else:
                filed.write(picture.decode())

    def display_graph(self):
        """Open a picture of the graph with what the desktop opens pictures with."""
        viewer = next(filter(shutil.which, ('xdg-open', 'open')), None)
        if viewer is None:
            sys.stderr.write('** display_graph is not supported (neither xdg-open nor open)\n')
            return
        with tempfile.NamedTemporaryFile(suffix='.png', prefix='dojobber-', delete=False) as picture:
            picture.write(self._draw('png'))
        subprocess.Popen([viewer, picture.name], stdin=subprocess.DEVNULL)

    def _draw(self, fmt):
        self._configured()
        with _interrupts:
            return base64.b64decode(self._ask('draw', format=fmt)['picture'])

    def _read(self, states):
        """Take over how the jobs have ended."""
        host = self._host
        self.nodestatus = {name: _STATUS.get(state) for name, state in states}
        self.noderesults.update(host.results)
        self.nodeexceptions.update(host.raised)
        self.nodeexceptions.update((name, host.last[name]) for name, state in states
                                   if state == 'failed' and name in host.last)

    def _ask(self, what, **more):
        """Ask for one thing and carry out calls until the answer is there."""
        self._channel.ask(what, process=os.getpid(), **more)
        return self._host.serve(self._channel)

    def _configured(self):
        if self._host is None:
            raise RuntimeError('there is no root job: configure() comes first')

    def _forget(self):
        if self._channel:
            self._channel.close()
        self._host = None
        self.nodestatus, self.nodeexceptions, self.noderesults = {}, {}, {}
        self._reached = self._partial = False


_STATUS = {'succeeded': True, 'skipped': True, 'failed': False}  # None for all others


class _Graph:
    """The classes below a root, and how they are described at the other end."""

    def __init__(self, root):
        _want_class('the root', root)
        self.classes, places = [root], {root: 0}
        self.jobs = []
        for job in self.classes:  # which grows
            deps = _deps(job)
            for dep in deps:
                if dep not in places:
                    places[dep] = len(self.classes)
                    self.classes.append(dep)
            _log.debug('%s stands on %s', job.__name__, [dep.__name__ for dep in deps])
            self.jobs.append({
                'name': job.__name__, 'deps': [places[dep] for dep in deps],
                'cleanup': callable(getattr(job, 'Cleanup', None)),
                'tries': _tries('TRIES of ' + job.__name__, getattr(job, 'TRIES', None)),
                'retry_delay': _retry_delay('RETRY_DELAY of ' + job.__name__, getattr(job, 'RETRY_DELAY', None))})


def _want_class(what, value):
    if not isinstance(value, type):
        raise TypeError('{} is {!r}: want a class'.format(what, value))


def _deps(job):
    deps = getattr(job, 'DEPS', ())
    if isinstance(deps, str) or not hasattr(deps, '__iter__'):
        _log.critical('DEPS for %s is not iterable; is "%s"', job.__name__, deps)
        raise TypeError('DEPS of {} is {!r}: want a list of classes'.format(job.__name__, deps))
    deps = list(deps)
    for number, dep in enumerate(deps, 1):
        _want_class('number {} in DEPS of {}'.format(number, job.__name__), dep)
    return deps


def _tries(what, value):
    """Return a whole number, or None for the usual one."""
    try:
        return None if value is None else min(operator.index(value), sys.maxsize)
    except TypeError:
        raise TypeError('{} is {!r}: want a whole number'.format(what, value)) from None


def _retry_delay(what, value):
    """Return seconds, or None for the usual ones."""
    if value is None:
        return None
    if isinstance(value, str) or not hasattr(value, '__float__'):
        raise TypeError('{} is {!r}: want a number of seconds'.format(what, value))
    if not math.isfinite(value):
        raise RuntimeError('{} is {!r}: want a number of seconds'.format(what, value))
    return float(value)


class _Host:
    """Keeps the objects of a graph's jobs and makes their calls."""

    def __init__(self, graph):
        self._classes = graph.classes
        self._process = os.getpid()
        self.begin((), {})

    def begin(self, args, kwargs):
        """Make ready for a run: with these arguments, from the directory that is current now."""
        self._args, self._kwargs = args, kwargs
        self._home = os.path.realpath(os.curdir)
        self._global_storage = {}
        self._objects = {}  # of attempts, kept for as long as the run may be asked about
        self._lanes = {}  # of attempts whose calls have a thread
        self.results, self.raised, self.last, self.cleanups = {}, {}, {}, []

    def home(self):
        """Go back to where the run began."""
        os.chdir(self._home)

    def serve(self, channel):
        """Carry out what is asked for until the answer comes. Return it, or raise what it refuses with."""
        escaped = None
        while True:
            try:
                message = channel.receive()
                if 'answer' in message:
                    break
                self._take(channel, message)
            except (_Lost, _Forked):
                raise
            except BaseException as err:  # from a signal handler of the script
                escaped = err
                channel.cancel()
        self._end_lanes()
        if escaped is not None:
            raise escaped
        if message.get('refused'):
            raise RuntimeError(message['refused'])
        return message['answer']

    def _take(self, channel, message):
        if 'begin' in message:
            self.begin(**message['begin'])
        elif 'say' in message:
            sys.stderr.write(message['say'])
        elif 'log' in message:
            _log.debug('%s', message['log'])
        elif message.get('threads'):
            self._lane(channel, message)
        else:
            self._carry_out(channel, message, self._home)

    def _carry_out(self, channel, call, home):
        """Make a call and reply, unless the job has forked and this is the child."""
        reply, error = self._answer(call, home)
        if os.getpid() != self._process:
            raise _Forked(0) if error is None else error
        channel.send(reply)

    def _answer(self, call, home):
        """Make a call, from a directory unless that is None. Return the reply, and what the call has raised."""
        reply, error = {'id': call['id']}, None
        try:
            try:
                value = self._call(call, home, reply)
            finally:
                _interrupts.shut()
            if call['call'] in ('check', 'recheck'):
                reply['result'] = _plain(value)
                self.results[self._name(call)] = value
        except BaseException as err:
            error = err
            reply['error'] = _describe(err)
            self._note(call, err)
        _flush()
        return reply, error

    def _call(self, call, home, reply):
        what = call['call']
        if home is not None:
            os.chdir(home)
        _interrupts.open(what == 'cleanup')
        obj = self._make(call, reply) if what == 'check' else self._objects[call['job'], call['attempt']]
        if what == 'cleanup':
            return obj.Cleanup()
        if what != 'run':
            obj._check_phase = what
        value = getattr(obj, 'Run' if what == 'run' else 'Check')(*self._args, **self._kwargs)
        setattr(obj, '_{}_results'.format(what), value)
        return value

    def _make(self, call, reply):
        """Make the object of an attempt."""
        reply['unmade'] = True
        try:
            obj = self._classes[call['job']]()
        except BaseException:
            _log.error('Could not create Job "%s" - check its __init__', self._name(call))
            raise
        del reply['unmade']
        obj.storage, obj.global_storage = {}, self._global_storage
        self._objects[call['job'], call['attempt']] = obj
        return obj

    def _name(self, call):
        return self._classes[call['job']].__name__

    def _note(self, call, err):
        """Keep what a call has raised where jobs and callers look for it."""
        what, name = call['call'], self._name(call)
        if what == 'cleanup':
            self.cleanups.append(err)
            return
        obj = self._objects.get((call['job'], call['attempt']))
        if obj is not None:
            setattr(obj, '_{}_exception'.format(what), err)
        if what != 'run':
            self.last[name] = err
        if what == 'recheck' or obj is None:
            self.raised[name] = err

    def raise_cleanup(self):
        """Raise what the first Cleanup that failed has raised; all have been called."""
        if self.cleanups:
            errors, self.cleanups = self.cleanups, []
            raise errors[0]

    def _lane(self, channel, call):
        """Have the thread of the attempt make the call: what it keeps may be bound to its thread."""
        key = call['job'], call['attempt']
        if key not in self._lanes:
            self._lanes[key] = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(channel, self._lanes[key]), daemon=True).start()
        self._lanes[key].put(call)
        if call['call'] in ('recheck', 'cleanup'):
            self._lanes.pop(key).put(None)

    def _work(self, channel, calls):
        for call in iter(calls.get, None):
            self._carry_out(channel, call, None)

    def _end_lanes(self):
        while self._lanes:
            self._lanes.popitem()[1].put(None)


class _Lost(ConnectionError):
    """The process that runs the jobs is gone."""


class _Forked(SystemExit):
    """Ends a child that a job has forked and let return."""


def _describe(err):
    try:
        message = str(err)
    except Exception as second:
        message = '{} (its text: {!r})'.format(type(err).__name__, second)
    trace = err.__traceback__
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return {'type': type(err).__name__, 'message': message,
            'trace': ''.join(traceback.format_exception(type(err), err, trace))}


def _is_ours(file):
    return file.startswith((_OURS, '<frozen importlib'))


_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep  # this file, and what loads others


def _plain(value):
    """Return a value that JSON can hold: itself, or how Python shows it."""
    try:
        json.dumps(value, allow_nan=False)
        return value
    except Exception:
        try:
            return repr(value)
        except Exception:
            return object.__repr__(value)


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # it is closed, or there is none


class _Channel:
    """A connection to the process that runs the jobs. A message is a line of JSON."""

    def __init__(self):
        self._lock = threading.Lock()
        self._rest = bytearray()
        self._canceled = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(_ADDRESS)
        except OSError as err:
            raise _Lost('Sendoff is gone: {} ({})'.format(_ADDRESS, err)) from None

    def close(self):
        self._socket.close()

    def ask(self, what, **more):
        self._canceled = False
        self.send({'ask': what, **more})

    def cancel(self):
        """Have the run begin nothing more."""
        if not self._canceled:
            self._canceled = True
            self.send({'ask': 'cancel'})

    def send(self, message):
        line = json.dumps(message).encode() + b'\n'
        with self._lock:
            try:
                self._socket.sendall(line)
            except OSError as err:
                raise _Lost('Sendoff is gone: {}'.format(err)) from None

    def receive(self):
        while b'\n' not in self._rest:
            readable = _interrupts.wait(self._socket)
            if _interrupts.seen:
                self.cancel()
            if readable:
                self._read()
        line, _, self._rest = self._rest.partition(b'\n')
        return json.loads(line.decode())

    def _read(self):
        more = b''
        try:
            more = self._socket.recv(1 << 16)
        finally:
            if not more:
                raise _Lost('Sendoff is gone: the jobs cannot go on')
        self._rest += more


class _Woken(BaseException):
    """Ends the wait for a message."""


class _Interrupts:
    """What Ctrl-C does while jobs run: it ends the call under way, and the run after its cleanups.

    It stands in for Python's own handler, not for one that the script has set, and
    only where there are signals: in the main thread.
    """

    def __init__(self):
        self.seen = False
        self._outer = []  # of runs: whether a call was under way when they began
        self._installed = False
        self._calling = self._waiting = False
        self._last = -math.inf

    def __enter__(self):
        if not _in_main():
            return
        if not self._outer and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.seen, self._installed, self._last = False, True, -math.inf
            signal.signal(signal.SIGINT, self._handle)
        self._outer.append(self._calling)
        self._calling = False

    def __exit__(self, *_):
        if not _in_main():
            return
        self._calling = self._outer.pop()
        interrupted = self.seen
        if not self._outer and self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = self.seen = False
        if interrupted:
            raise KeyboardInterrupt

    def _handle(self, _signum, _frame):
        self.seen = True
        now = time.monotonic()
        twice = now - self._last < 1  # from the terminal, and passed on by Sendoff
        self._last = now
        if twice:
            return
        if self._calling:
            self._calling = False
            raise KeyboardInterrupt
        if self._waiting:
            self._waiting = False
            raise _Woken

    def open(self, always):
        """Let an interrupt end what follows. One that was there before ends it too, unless it is done always."""
        if not _in_main():
            return
        if always and self.seen:
            self._last = time.monotonic()  # what was meant for the call before may come now
        self._calling = True
        if self.seen and not always:
            raise KeyboardInterrupt

    def shut(self):
        """Let no interrupt end what follows."""
        if _in_main():
            self._calling = False

    def wait(self, sock):
        """Return True when there is something to read, False when an interrupt came first."""
        try:
            try:
                self._waiting = _in_main() and not self.seen
                sock.recv(1, socket.MSG_PEEK)
            finally:
                if _in_main():
                    self._waiting = False
        except _Woken:
            return False
        return True


def _in_main():
    return threading.current_thread() is threading.main_thread()


_interrupts = _Interrupts()
