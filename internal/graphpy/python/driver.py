"""Loads the class of a goal from a file and carries out the calls of its jobs.

The file is loaded as a module of its own name, with its directory first on the path,
and may import what a script at its place might.
"""
import importlib.util
import os
import signal
import sys

import dojobber


def load(path, goal):
    """Return the class, an attribute of the module or of a class there."""
    name = os.path.splitext(os.path.basename(path))[0]
    sys.path[0] = os.path.dirname(os.path.abspath(path))
    sys.argv = [path]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise ImportError('{} is no Python file: want FILE.py:CLASS'.format(path))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not goal:
        raise AttributeError('{} has these goals: want FILE.py:CLASS with one of {}'.format(path, goals(module)))
    value = module
    for part in goal.split('.'):
        if not hasattr(value, part):
            raise AttributeError('{} has no class {}: want one of {}'.format(path, goal, goals(module)))
        value = getattr(value, part)
    return value


def goals(module):
    """Name the jobs of the module that no other one of it stands on or is made from."""
    jobs = {value for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, dojobber.Job) and value.__module__ == module.__name__}
    below = {dep for job in jobs if isinstance(getattr(job, 'DEPS', None), (list, tuple)) for dep in job.DEPS}
    below.update(base for job in jobs for base in job.__mro__[1:])
    return ', '.join(sorted(job.__name__ for job in jobs - below)) or 'none: it defines no jobs'


def main(path, goal):
    channel = dojobber._Channel()
    try:
        graph = dojobber._Graph(load(path, goal))
    except BaseException as err:
        channel.ask('refuse', error=dojobber._describe(err))
        channel.receive()  # that it is known: an end before that would be taken for a crash
        return
    host = dojobber._Host(graph)
    try:
        with dojobber._interrupts:
            channel.ask('serve', process=os.getpid(), jobs=graph.jobs)
            host.serve(channel)
    except (KeyboardInterrupt, dojobber._Lost):
        pass  # those who asked for the calls know


if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what stops calls, whoever has started us
    main(*sys.argv[1:])
