"""A service as dispatcherd's tests know it: a process of its own, which answers what they ask
of an object by control commands over HTTP, and by its log where a worker is gone."""

import asyncio
import copy
import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

logger = logging.getLogger("sendoff")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(done, what, seconds=30):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it is still not so: " + what
        time.sleep(0.005)


class Service:
    def __init__(self, config):
        if not isinstance(config, dict):
            config = config.serialize()
        self.dir = tempfile.mkdtemp(prefix="sendoff-suite-")
        self.config = copy.deepcopy(config)
        brokers = self.config.setdefault("brokers", {})
        if "socket" not in brokers:
            brokers["socket"] = {"socket_path": os.path.join(self.dir, "s")}
            self.config.setdefault("publish", {}).setdefault("default_broker", next(iter(brokers)))
        self.socket_path = brokers["socket"]["socket_path"]
        service = self.config.setdefault("service", {})
        if not service.get("metrics_kwargs"):
            service["metrics_kwargs"] = {"port": free_port()}
        self.metrics = Metrics(service["metrics_kwargs"]["port"])
        self.pool, self.shared, self.lines = Pool(self), Shared(self), []
        self.producers = [Producer(self, name + "-producer") for name in brokers]

    async def start(self):
        path = os.path.join(self.dir, "dispatcher.yml")
        with open(path, "w") as f:
            json.dump(self.config, f)
        self.port = free_port()
        command = [os.environ["SENDOFF_BIN"], "dispatcherd", "--config", path, "--listen", "127.0.0.1:%d" % self.port]
        if "pg_notify" not in self.config["brokers"]:
            command += ["--db", os.path.join(self.dir, "tasks.db")]
        env = dict(os.environ, PYTHONPATH=os.getcwd())
        env.pop("DISPATCHERD_CONFIG_FILE", None)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, text=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        until(self.ready, "the service is ready: " + "\n".join(self.lines))
        self.pool.events.work_cleared.told = {t["id"] for t in self.tasks()}
        assert self.pool.finished_count == 0 and self.control_count == 0

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            logger.debug("%s", self.lines[-1])

    def ready(self):
        assert self.process.poll() is None, "the service has ended:\n" + "\n".join(self.lines)
        try:
            workers = self.ask("workers")
        except OSError:
            return False
        listens = "pg_notify" not in self.config["brokers"] or any("pg_notify: listening" in line for line in list(self.lines))
        return listens and os.path.exists(self.socket_path) and any(w["status"] == "ready" for w in workers.values())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.reader.join()
        assert status == 0, "the service ended with %d" % status

    def fetch(self, method, path, body=None):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            conn.request(method, path, body)
            answer = conn.getresponse()
            text = answer.read()
            assert answer.status == 200, (path, answer.status, text)
            return json.loads(text)
        finally:
            conn.close()

    def ask(self, command, **data):
        """Sends a control command, which is not counted."""
        reply = self.fetch("POST", "/v1/control/" + command, json.dumps(data))
        del reply["node_id"]
        return reply

    def tasks(self):
        """The newest that are on record, those of services before this one too."""
        return self.fetch("GET", "/v1/tasks?limit=100")["items"]

    @property
    def control_count(self):
        return self.ask("main")["control_count"]

    @property
    def received_count(self):
        return self.ask("main")["received_count"]

    async def process_message(self, message):
        """Returns when a worker has it, as theirs does."""
        before = self.received_count
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.socket_path)
            s.sendall(json.dumps(message).encode() + b"\n")
            until(lambda: self.received_count > before, "the message is received")
        until(lambda: not entries(self, "queued"), "a worker has it")


class Pool:
    def __init__(self, service):
        self.service, self.blocker, self.queuer = service, Blocker(service), Queuer(service)
        self.events = Events(service)

    @property
    def finished_count(self):
        return self.service.ask("main")["pool"]["finished_count"]

    @property
    def canceled_count(self):
        return self.service.ask("main")["pool"]["canceled_count"]

    @property
    def received_count(self):
        """As theirs: what has ended, runs or waits. What is delayed is not received."""
        pool = self.service.ask("main")["pool"]
        return pool["finished_count"] + pool["canceled_count"] + pool["active_task_ct"] + self.blocker.count() + self.blocker.discard_count

    @property
    def workers(self):
        return Workers(self.service)

    async def stop_workers(self):
        await asyncio.to_thread(self.service.process.send_signal, signal.SIGTERM)
        await asyncio.to_thread(self.service.process.wait)


def entries(service, kind):
    return [entry for name, entry in service.ask("running").items() if name.startswith(kind + "-")]


class Blocker:
    def __init__(self, service):
        self.service = service

    def count(self):
        return len(entries(self.service, "blocked"))

    @property
    def discard_count(self):
        return int(self.service.metrics.value("sendoff_duplicates_discarded_total"))


class Queuer:
    def __init__(self, service):
        self.service = service

    def count(self):
        return len(entries(self.service, "queued"))


class Metrics:
    def __init__(self, port):
        self.port, self.ready_event = port, asyncio.Event()
        self.ready_event.set()  # a service that could not serve them has not begun

    def value(self, name):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        conn.request("GET", "/metrics")
        text = conn.getresponse().read().decode()
        conn.close()
        return float(re.search(r"^%s (\S+)$" % name, text, re.M).group(1))


class Producer:
    def __init__(self, service, name):
        self.service, self.name = service, name

    @property
    def produced_count(self):
        return self.service.ask("producers")[self.name]["produced_count"]


class Shared:
    def __init__(self, service):
        self.exit_event = Exit(service)


class Exit:
    """Setting it ends the service."""

    def __init__(self, service):
        self.service = service

    def set(self):
        self.service.process.send_signal(signal.SIGTERM)

    def is_set(self):
        return self.service.process.poll() is not None


class Events:
    def __init__(self, service):
        self.work_cleared = Cleared(service)


class Cleared:
    """Tasks have ended since it was cleared, and none runs or is in line."""

    def __init__(self, service):
        self.service, self.before, self.told, self.done = service, 0, set(), {}

    def ended(self):
        pool = self.service.ask("main")["pool"]
        return pool["finished_count"] + pool["canceled_count"], pool["active_task_ct"] == 0

    def clear(self):
        self.before, _ = self.ended()

    def is_set(self):
        ended, idle = self.ended()
        if ended <= self.before or not idle:
            return False
        self.tell()
        return True

    async def wait(self):
        while not self.is_set():
            await asyncio.sleep(0.005)

    def tell(self):
        """Logs what their pool logs of the ends of tasks, as they are on record."""
        for task in self.final():
            if task["id"] in self.told:
                continue
            self.told.add(task["id"])
            result = self.service.fetch("GET", "/v1/tasks/" + task["id"]).get("result")
            uuid = task.get("labels", {}).get("uuid", "")
            logger.debug("Worker %s finished task (uuid=%s), result: %s", self.worker(), uuid, result)

    def final(self):
        """The tasks that have ended. Their ends are written a moment later."""
        tasks = []

        def written():
            nonlocal tasks
            tasks = self.service.tasks()
            return all(t["state"] != "running" for t in tasks)

        until(written, "their ends are on record")
        return [t for t in tasks if t["state"] in ("succeeded", "failed", "canceled")]

    def worker(self):
        """The number of a worker that has done more than before."""
        for worker in self.service.fetch("GET", "/v1/workers")["items"]:
            number, done = worker["number"], worker["done"]
            if done > self.done.get(number, 0):
                self.done[number] = self.done.get(number, 0) + 1
                return number
        return None


class Workers:
    """Those that there are, and those that are gone, of which the log tells."""

    def __init__(self, service):
        self.service = service

    def __len__(self):
        return len(self.live())

    def __iter__(self):
        return iter([Worker(self.service, w["worker_id"]) for w in self.live().values()])

    def __contains__(self, number):
        worker = Worker(self.service, number)
        return worker.row() is not None or worker.end() is not None

    def live(self):
        return self.service.ask("workers")

    def get_by_id(self, number):
        assert number in self
        return Worker(self.service, number)


class Worker:
    def __init__(self, service, number):
        self.service, self.worker_id = service, number
        self.exit_msg_event = Gone(self)
        row = self.row()
        if row:
            self.created_at = time.monotonic() - row["age"]
            self.process = Process(row["pid"])

    def row(self):
        if self.service.process.poll() is not None:
            return None
        return self.service.ask("workers").get("worker-%d" % self.worker_id)

    def end(self):
        """The line of the log that tells of its end."""
        for line in list(self.service.lines):
            if re.search(r'msg="a worker (has ended|is retired)[^"]*" worker=%d ' % self.worker_id, line):
                return line
        return None

    @property
    def status(self):
        row = self.row()
        if row:
            return row["status"]
        end = self.end()
        return "exited" if "is retired" in end or "exited with status 0" in end else "error"

    @property
    def stopping_at(self):
        row = self.row()
        return time.monotonic() if row is None or row["status"] == "stopping" else None

    @property
    def current_task(self):
        return self.service.ask("running").get("worker-%d" % self.worker_id)

    @property
    def finished_count(self):
        row = self.row()
        return row["finished_count"] if row else int(re.search(r"done=(\d+)", self.end()).group(1))


class Gone:
    def __init__(self, worker):
        self.worker = worker

    def is_set(self):
        return self.worker.row() is None and self.worker.end() is not None

    async def wait(self):
        while not self.is_set():
            await asyncio.sleep(0.005)


class Process:
    def __init__(self, pid):
        self.pid = pid
