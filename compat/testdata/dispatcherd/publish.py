"""What publishers and operators do with the library, as it is. Ends with a status other
than 0 when anything is not as it should be."""

import json
import os
import sys
import time

import greetings as g
from dispatcherd.config import setup
from dispatcherd.factories import get_control_from_settings
from dispatcherd.processors.delayer import Delayer
from dispatcherd.publish import submit_task

setup(file_path=sys.argv[1])


def said(*what, times=1, within=15):
    want = json.loads(json.dumps(what))
    end = time.time() + within
    while True:
        with open(os.environ["SAID"]) as f:
            lines = [json.loads(line) for line in f]
        if lines.count(want) >= times:
            return
        assert time.time() < end, "%s was not said %d times: %s" % (want, times, lines[-20:])
        time.sleep(0.02)


def last(word):
    with open(os.environ["SAID"]) as f:
        return [json.loads(line) for line in f if json.loads(line)[0] == word]


control = get_control_from_settings()


def ask(command, data=None):
    (reply,) = control.control_with_reply(command, data=data, timeout=5)
    assert reply.pop("node_id") == "node-1"
    return reply


g.print_hello.delay()
said("hello")
g.add.apply_async(args=[1], kwargs={"b": 2, "c": "\u00e9\U0001f600", "big": 2**70})
said("add", 3, {"c": "\u00e9\U0001f600", "big": 2**70})
submit_task(g.Counter, args=(5,))
submit_task(g.Counter, args=(5,))
said("counter", 5, times=2)

# later, and not longer than it may
began = time.time()
g.add.apply_async(args=[40], processor_options=(Delayer.Params(delay=0.5),))
said("add", 40, {})
assert time.time() - began > 0.49
g.slow.delay("timeout")
said("stopped", "timeout", "DispatcherCancel")

# canceled
g.slow.apply_async(args=["cancel"], uuid="to-cancel", timeout=60)
end = time.time() + 10
while "worker-" not in str(ask("running", {"uuid": "to-cancel"})):
    assert time.time() < end
found = ask("cancel", {"uuid": "to-cancel"})
assert [t["uuid"] for t in found.values()] == ["to-cancel"], found
said("stopped", "cancel", "DispatcherCancel")
said("canceled", "to-cancel")

# from inside of a task
g.asks.apply_async(args=["alive"], uuid="u-1")
said("asks", "u-1", {})
child = {"task": "greetings.add", "args": [7], "uuid": "child"}
g.asks.apply_async(args=["run", child], uuid="u-2")
said("asks", "u-2", {"ack": child})
said("add", 7, {})
g.asks.apply_async(args=["no_such"], uuid="u-3")
said("asks", "u-3", {"error": "No control method no_such"})

# duplicates
for _ in range(5):
    g.one_at_a_time.delay("x")
said("end", "x", times=2)
time.sleep(0.6)
assert len(last("begin")) == 2, last("begin")

# large, both ways
g.size.delay("y" * 100_000)
said("size", 100_000)
g.slow.apply_async(args=["z" * 20_000], uuid="large", timeout=60)
end = time.time() + 10
while not ask("running", {"uuid": "large"}):
    assert time.time() < end
(entry,) = ask("running", {"uuid": "large"}).values()
assert entry["args"] == ["z" * 20_000]
ask("cancel", {"uuid": "large"})

# a worker that leaves, a task that fails, another worker after it
g.fails.delay()
g.leaves.delay()
end = time.time() + 10
while not last("leaves"):
    assert time.time() < end
    time.sleep(0.02)
g.print_hello.delay()
said("hello", times=2)
end = time.time() + 10
while os.path.exists("/proc/%d" % last("leaves")[0][1]):
    assert time.time() < end
    time.sleep(0.02)

pool = ask("main")["pool"]
assert pool["canceled_count"] == 3, pool
assert ask("producers")["pg_notify-producer"]["recycle_count"] == 0
print("all is well")
