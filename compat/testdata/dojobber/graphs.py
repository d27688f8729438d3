"""Random graphs of jobs, run by whichever dojobber is found: graphs.py FIRST COUNT

Prints one line of JSON for each number from FIRST on: what was called, in its order,
with what was seen at each call, and what the object tells at the end. What is a
documented difference is not noted: Cleanups of attempts whose Run never began.
"""
import contextlib
import io
import json
import os
import random
import sys

from dojobber import DoJobber, DummyJob, Job, RunonlyJob

STATE = {'P': None, 'Z': False, 'F': RuntimeError, 'X': LookupError}  # what a call does: return that, or raise it


def play(what, text):
    way = STATE[what]
    if isinstance(way, type):
        raise way(text)
    return text if way is None else way


class Noted:
    """A job that plays a script, of one (check, run, recheck) for each attempt; the last one repeats."""

    SCRIPT = ()
    CALLS = None  # of this graph: shared by its classes

    def note(self, call):
        name = type(self).__name__
        if call in ('check', 'run') and 'attempt' not in self.storage:
            attempts = self.global_storage.setdefault('attempts', {})
            attempts[name] = self.storage['attempt'] = attempts.get(name, 0) + 1
        self.CALLS.append([name, call, self.storage['attempt'], sorted(self.storage), os.path.basename(os.getcwd())])
        self.storage[call] = True
        os.chdir('/')
        return self.SCRIPT[min(self.storage['attempt'], len(self.SCRIPT)) - 1]

    def Run(self, *args, **kwargs):
        self.CALLS.append([args, kwargs])
        return play(self.note('run')[1], 'run of ' + type(self).__name__)


class Tidies:
    def Cleanup(self):
        if 'run' in self.storage:
            self.CALLS.append([type(self).__name__, 'cleanup', self.storage['attempt'], sorted(self.storage)])


class Checked(Noted, Job):
    def Check(self, *_args, **_kwargs):
        line = self.note(self._check_phase)
        return play(line[2 if self._check_phase == 'recheck' else 0], self._check_phase + ' of ' + type(self).__name__)


class Unchecked(Noted, RunonlyJob):
    pass


class Unmade(Noted, Job):
    """Cannot be made in its first attempts."""

    made = 0

    def __init__(self):
        super().__init__()
        cls = type(self)
        cls.made += 1
        if cls.made < len(cls.SCRIPT):
            raise OSError('attempt {}'.format(cls.made))

    def Check(self, *_args, **_kwargs):
        return play(self.note(self._check_phase)[2], 'check')


def graph(rng):
    """Return the root of a random graph, and the list that its calls are noted in."""
    calls, jobs = [], []
    for number in range(rng.choice([1, 2, 3, 5, 8, 13, 20])):
        kind = rng.choices([Checked, Unchecked, DummyJob, Unmade], [65, 15, 15, 5])[0]
        deps = [job for job in jobs if rng.random() < min(0.9, 2 / max(1, len(jobs)))]
        rng.shuffle(deps)
        script = [(rng.choice('PFFZX'), rng.choice('PPPX'), rng.choice('PF')) for _ in range(rng.randint(1, 4))]
        bases = ((Tidies,) if rng.random() < 0.5 and kind is not DummyJob else ()) + (kind,)
        more = {'TRIES': rng.choice([1, 2, 4])} if rng.random() < 0.4 else {}
        jobs.append(type('J {}'.format(number), bases, {'DEPS': rng.choice([list, tuple])(deps), 'SCRIPT': script, 'CALLS': calls, **more}))
    wanted = {dep for job in jobs for dep in job.DEPS}
    loose = [job for job in jobs if job not in wanted]
    rng.shuffle(loose)
    return type('Root', (DummyJob,), {'DEPS': loose}), calls


def run(seed):
    rng = random.Random(seed)
    root, calls = graph(rng)
    made = DoJobber()
    made.configure(root, no_act=rng.random() < 0.1, verbose=True, cleanup=rng.random() < 0.8,
                   default_tries=rng.choice([1, 2, 3, 3]), default_retry_delay=0)
    made.set_args(seed, who='seed')
    here = os.getcwd()
    with contextlib.redirect_stderr(io.StringIO()) as said:
        made.checknrun()
    stayed, _ = os.getcwd() == here, os.chdir(here)
    failed = {name: [type(err).__name__, str(err)] for name, err in made.nodeexceptions.items() if made.nodestatus[name] is False}
    return {'seed': seed, 'calls': calls, 'said': said.getvalue().splitlines(), 'status': list(made.nodestatus.items()), 'failed': failed,
            'results': made.noderesults, 'ends': [bool(made.success()), bool(made.partial_success()), bool(made.failure())], 'stayed': stayed}


if __name__ == '__main__':
    for number in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])):
        print(json.dumps(run(number), sort_keys=True))
