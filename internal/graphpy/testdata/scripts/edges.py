"""What happens at the edges: mistakes in definitions, jobs that leave, what jobs keep."""
import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
import threading
import time

from check import check, raises, run_all

import dojobber
from dojobber import DoJobber, DummyJob, Job, RunonlyJob


def made(root, **settings):
    engine = DoJobber()
    engine.configure(root, **{'default_retry_delay': 0, **settings})
    return engine


def ran(root, *args, **settings):
    engine = made(root, **settings)
    engine.set_args(*args)
    engine.checknrun()
    return engine


def job(name, *bases, **attributes):
    return type(name, bases or (Job,), attributes)


def passes(*_):
    pass


class Fails(Exception):
    pass


def fails(*_):
    raise Fails('as always')


def said(engine, *args):
    """Return what a run writes to stderr."""
    with contextlib.redirect_stderr(io.StringIO()) as text:
        engine.checknrun(*args)
    return text.getvalue().splitlines()


def definitions_that_are_refused():
    twin = job('Twin', DummyJob)
    for attributes, kind, text in [
        ({'DEPS': 5}, TypeError, 'DEPS of Root is 5: want a list of classes'),
        ({'DEPS': None}, TypeError, 'DEPS of Root is None'),
        ({'DEPS': twin}, TypeError, 'want a list of classes'),
        ({'DEPS': 'Twin'}, TypeError, "DEPS of Root is 'Twin'"),
        ({'DEPS': ['Twin']}, TypeError, "number 1 in DEPS of Root is 'Twin': want a class"),
        ({'DEPS': [twin, job('Twin', DummyJob)]}, RuntimeError, 'two jobs of this name'),
        ({'TRIES': 0}, RuntimeError, 'job "Root": TRIES "0" must be >= 1.'),
        ({'TRIES': -1}, RuntimeError, 'TRIES "-1" must be >= 1.'),
        ({'TRIES': 1.1}, TypeError, 'TRIES of Root is 1.1: want a whole number'),
        ({'TRIES': '3'}, TypeError, "TRIES of Root is '3': want a whole number"),
        ({'RETRY_DELAY': -1}, RuntimeError, 'RETRY_DELAY "-1" cannot be negative'),
        ({'RETRY_DELAY': '1'}, TypeError, "RETRY_DELAY of Root is '1': want a number of seconds"),
        ({'RETRY_DELAY': float('nan')}, RuntimeError, 'want a number of seconds'),
    ]:
        with contextlib.redirect_stderr(io.StringIO()):
            raises(kind, text, made, job('Root', DummyJob, **attributes))
    raises(TypeError, 'the root is 3: want a class', made, 3)
    raises(RuntimeError, 'TRIES "0" must be >= 1.', made, twin, default_tries=0)
    raises(RuntimeError, 'cannot be negative', made, twin, default_retry_delay=-0.5)


def cycles_are_named_job_by_job():
    a, b = job('A', DummyJob), job('B', DummyJob)
    a.DEPS, b.DEPS = [b], [a]
    raises(RuntimeError, 'a cycle: A -> B -> A', made, a)
    b.DEPS = [b]
    raises(RuntimeError, 'job "B": it needs itself', made, b)


def configure_comes_first_and_may_come_again():
    raises(RuntimeError, 'configure() comes first', DoJobber().checknrun)
    engine = DoJobber()
    raises(RuntimeError, 'TRIES', engine.configure, job('Never', DummyJob, TRIES=0))
    raises(RuntimeError, 'configure() comes first', engine.checknrun)
    engine.configure(job('First', DummyJob))
    engine.configure(job('Second', DummyJob))
    engine.checknrun()
    check(engine.nodestatus, {'Second': True})


def a_dependency_named_twice_counts_once():
    below = job('Below', DummyJob)
    check(ran(job('Root', DummyJob, DEPS=[below, below])).nodestatus, {'Below': True, 'Root': True})


def a_chain_may_be_long():
    top = job('J0', DummyJob)
    for n in range(1, 3000):
        top = job('J%d' % n, DummyJob, DEPS=(top,))
    check(ran(top).success(), True)


def order_is_depth_first():
    seen = []

    class Seen(Job):
        def Check(self):
            seen.append(type(self).__name__)

    l1, l2 = job('L1', Seen), job('L2', Seen)
    m1, m2 = job('M1', Seen, DEPS=(l2, l1)), job('M2', Seen, DEPS=(l1,))
    engine = ran(job('R', Seen, DEPS=(m2, m1)))
    check(seen, ['L1', 'M2', 'L2', 'M1', 'R'])
    check(list(engine.nodestatus), seen)


def a_check_that_returns_false_passes():
    engine = ran(job('J', Check=lambda self: False, Run=fails))
    check((engine.nodestatus, engine.noderesults), ({'J': True}, {'J': False}))


def a_missing_method_is_a_failed_call():
    engine = ran(job('NoCheck', Run=passes), default_tries=1)
    check(type(engine.nodeexceptions['NoCheck']), AttributeError)
    engine = made(job('NoRun', Check=fails), default_tries=1, verbose=True)
    check(said(engine), ['NoRun.check: fail', 'NoRun.run: fail', 'NoRun.recheck: fail "as always"'])


def what_leaves_has_failed_and_no_more():
    class Stays(Job):
        def Check(self):
            if not self.storage:
                sys.exit('not yet')

        def Run(self):
            self.storage['ran'] = True
            raise KeyboardInterrupt

    class Leaves(Job):
        DEPS = (Stays,)

        def __init__(self):
            super().__init__()
            raise SystemExit(3)

    class Root(DummyJob):
        DEPS = (Leaves,)

    engine = ran(Root)
    check(engine.nodestatus, {'Stays': True, 'Leaves': False, 'Root': None})
    check(type(engine.nodeexceptions['Leaves']), SystemExit)


def storages_live_as_long_as_they_should():
    class Keeps(Job):
        attempts = []

        def Check(self):
            self.global_storage.setdefault('lock', threading.Lock())
            if len(self.global_storage.setdefault('seen', [])) < 3:
                raise Fails

        def Run(self):
            check(self.storage, {})
            self.storage['file'] = self.file = open(os.devnull)
            self.global_storage['seen'].append(self)

        def Cleanup(self):
            check(self.storage['file'] is self.file and not self.file.closed, True)
            Keeps.attempts.append(self.global_storage['seen'].index(self))

    engine = ran(Keeps)
    check((engine.success(), Keeps.attempts), (True, [2, 1, 0]))
    engine.checknrun()
    check(Keeps.attempts, [2, 1, 0] * 2, 'the second run has a storage of its own')


def attributes_for_the_curious():
    class Curious(Job):
        def Check(self):
            if self._check_phase == 'check':
                raise Fails('first')
            check((str(self._check_exception), self._run_results, self._run_exception), ('first', 'done', None))
            return 'second'

        def Run(self):
            return 'done'

        def Cleanup(self):
            check(self._recheck_results, 'second')

    check(ran(Curious).noderesults, {'Curious': 'second'})


def arguments_reach_checks_and_runs_only():
    lock, got = threading.Lock(), []

    class Takes(Job):
        def Check(self, *args, **kwargs):
            got.append((args, kwargs))
            if len(got) < 3:
                raise Fails

        def Run(self, *args, **kwargs):
            got.append((args, kwargs))

        def Cleanup(self):
            got.append('cleaned')

    engine = made(Takes)
    engine.set_args(1, lock, key='value')
    engine.checknrun()
    check(got, [((1, lock), {'key': 'value'})] * 3 + ['cleaned'])


def a_wrong_signature_is_a_failed_call():
    engine = ran(job('NoArguments', Check=lambda self: None), 'one', default_tries=1)
    check(type(engine.nodeexceptions['NoArguments']), TypeError)


def the_directory_is_restored():
    here, seen = os.getcwd(), []

    class Walks(Job):
        def Check(self):
            seen.append(os.getcwd())
            os.chdir('/')
            if len(seen) < 3:
                raise Fails

        Run = Check

        def Cleanup(self):
            seen.append(os.getcwd())
            os.chdir('/')

    ran(Walks)
    check((seen, os.getcwd()), ([here] * 4, here))


def cleanups_are_for_what_has_run():
    cleaned = []

    class Cleans(Job):
        Run = passes

        def Cleanup(self):
            cleaned.append(type(self).__name__)

    below = job('Below', Cleans, Check=passes)
    class Fickle(Cleans):
        DEPS = (below,)

        def Check(self):
            tried = self.global_storage.setdefault('tried', [])
            tried.append(1)
            if len(tried) < 4:
                raise Fails

    ran(Fickle)
    check(cleaned, ['Fickle', 'Fickle'])
    ran(Fickle, no_act=True)
    check(len(cleaned), 2)


def a_cleanup_that_fails_stops_no_other():
    cleaned = []

    class Cleans(RunonlyJob):
        Run = passes

        def Cleanup(self):
            cleaned.append(type(self).__name__)
            raise Fails(cleaned[-1])

    engine = made(job('Top', Cleans, DEPS=(job('Below', Cleans),)))
    with contextlib.redirect_stderr(io.StringIO()) as text:
        raises(Fails, 'Top', engine.checknrun)
    check((cleaned, engine.success()), (['Top', 'Below'], True))
    check(text.getvalue(), 'Top.cleanup: fail "Top"\nBelow.cleanup: fail "Below"\n')


def delays_count_from_the_start_of_an_attempt():
    starts = []

    class Slow(Job):
        TRIES, RETRY_DELAY = 3, 0.2

        def Check(self):
            if self._check_phase == 'check':
                starts.append(time.monotonic())
            raise Fails

        def Run(self):
            time.sleep(0.1)

    ran(Slow)
    gaps = [b - a for a, b in zip(starts, starts[1:])]
    check([0.19 <= gap < 0.29 for gap in gaps], [True, True], gaps)


def verbose_and_debug_lines():
    flaky = job('Flaky', Check=lambda self: self.storage['ran'], Run=lambda self: self.storage.update(ran=1))
    check(said(made(flaky, verbose=True)), ['Flaky.check: fail', 'Flaky.run: pass', 'Flaky.recheck: pass'])
    lines = said(made(job('Bad', Check=fails, Run=passes, Cleanup=passes), debug=True, default_tries=1))
    check([line for line in lines if not line.startswith('  ')],
          ['Bad.check: fail', 'Bad.run: pass', 'Bad.recheck: fail "as always"', 'Bad.cleanup: pass'])
    check([lines[1], lines[2], lines[-2]], ['  Error was:', '  Traceback (most recent call last):', '  Fails: as always'])
    check(sum('dojobber.py' in line for line in lines), 0, 'traces begin in the code of the jobs')
    check(said(made(flaky)), [])


def the_log_of_developers():
    text = io.StringIO()
    logger = logging.getLogger('DoJobber')
    handler = logging.StreamHandler(text)
    logger.addHandler(handler)
    try:
        engine = DoJobber(dojobber_loglevel=logging.DEBUG)
        engine.configure(job('Logged', DummyJob))
        engine.checknrun()
    finally:
        logger.removeHandler(handler)
        DoJobber()
    check('Logged stands on []' in text.getvalue() and 'job=Logged' in text.getvalue(), True, text.getvalue())
    check(logger.level, logging.CRITICAL)
    check(len(logger.handlers), 1, 'one more object is no more lines')


def graphs_within_graphs_and_threads():
    class Inner(RunonlyJob):
        def Run(self, *args):
            return args

    class Outer(RunonlyJob):
        def Run(self):
            return ran(Inner, 'inner').noderesults['Inner']

    check(ran(Outer).noderesults, {'Outer': ('inner',)})
    found = []
    threads = [threading.Thread(target=lambda n=n: found.append(ran(Inner, n).noderesults['Inner'])) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(sorted(found), [(0,), (1,), (2,), (3,)])


def children_of_jobs():
    class Forks(Job):
        def Check(self):
            child = os.fork()
            if child == 0:
                return 'lost on its way'  # and goes on as a program that is over
            check(os.waitpid(child, 0)[1], 0)

    text = 'from dojobber import *; d = DoJobber(); d.configure(type("Child", (DummyJob,), {})); d.checknrun(); assert d.success()'

    class Starts(RunonlyJob):
        DEPS = (Forks,)

        def Run(self):
            subprocess.run([sys.executable, '-c', text], check=True)

    engine = ran(Starts, default_tries=1)
    check((engine.success(), engine.nodeexceptions), (True, {}))


def an_interrupt_ends_the_run_after_its_cleanups():
    cleaned, woken = [], []
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run it may be ignored

    class Before(RunonlyJob):
        Run = passes

        def Cleanup(self):
            cleaned.append('before')

    class Hangs(Job):
        DEPS = (Before,)

        def Check(self):
            try:
                os.kill(os.getpid(), signal.SIGINT)
                threading.Event().wait(60)
            finally:
                woken.append(True)

    class After(DummyJob):
        DEPS = (Hangs,)

    engine = made(After)
    raises(KeyboardInterrupt, '', engine.checknrun)
    check((woken, cleaned), ([True], ['before']))
    check(engine.nodestatus, {'Before': True, 'Hangs': None, 'After': None})
    check(signal.getsignal(signal.SIGINT), signal.default_int_handler)
    engine = ran(Before)
    check(engine.success(), True, 'the next run is not interrupted')


def other_names_for_the_module():
    from dojobber.dojobber import Job as again
    check(again is Job and dojobber.dojobber is dojobber, True)
    check(sorted(dojobber.__all__), ['DoJobber', 'DummyJob', 'Job', 'RunonlyJob'])


run_all(globals())
