"""Tasks as users of dispatcherd write them. They say what they did in a file."""

import json
import os
import time

from dispatcherd.processors.blocker import Blocker
from dispatcherd.publish import task
from dispatcherd.worker.exceptions import DispatcherExit
from dispatcherd.worker.task import TaskWorker


def say(*what):
    with open(os.environ["SAID"], "a") as f:
        f.write(json.dumps(what) + "\n")


@task(queue="test_channel")
def print_hello():
    print("hello world!!")
    say("hello")


@task(queue="test_channel")
def add(a, b=0, **more):
    say("add", a + b, more)
    return a + b


@task(queue="test_channel")
class Counter:
    def __init__(self):
        self.n = 0

    def run(self, by):
        self.n += by
        say("counter", self.n)


@task(queue="other_channel", timeout=0.5)
def slow(name):
    try:
        time.sleep(30)
    except Exception as e:
        say("stopped", name, type(e).__name__)
        raise


@task(queue="test_channel", bind=True)
def asks(binder, command, data=None):
    say("asks", binder.uuid, binder.control(command, data=data))


@task(queue="test_channel", processor_options=(Blocker.Params(on_duplicate="queue_one"),))
def one_at_a_time(name):
    say("begin", name)
    time.sleep(0.4)
    say("end", name)


@task(queue="test_channel")
def leaves():
    say("leaves", os.getpid())
    raise DispatcherExit("bye")


@task(queue="test_channel")
def fails():
    raise ValueError("no")


@task(queue="test_channel")
def size(text):
    say("size", len(text))


class Worker(TaskWorker):
    def on_start(self):
        say("on_start", self.worker_id)

    def post_task(self, result):
        if result["result"] == "<cancel>":
            say("canceled", result["uuid"])


@task(queue="test_channel")
def naps(name):
    say("begin", name)
    time.sleep(30)
