"""What the workers of all systems run, and how Celery is set up for it."""

import os
import sys
import time

DONE = os.open(os.environ["BENCH_DONE"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)


def tick(pad=None):
    """Nothing, and one byte that says so."""
    os.write(DONE, b".")


def stamp(sent):
    """How long ago it was submitted, in ns, eight bytes."""
    os.write(DONE, (time.time_ns() - sent).to_bytes(8, "little"))


def celery():
    from celery import Celery

    app = Celery("benchjobs", broker="redis://%s/0" % os.environ["BENCH_REDIS"])
    app.conf.update(
        task_acks_late=True,
        task_ignore_result=True,
        task_reject_on_worker_lost=True,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
    )
    return app, app.task(name="tick")(tick), app.task(name="stamp")(stamp)


if "BENCH_REDIS" in os.environ:
    app, tick_task, stamp_task = celery()

if __name__ == "__main__":
    what, n = sys.argv[1], int(sys.argv[2])
    if what == "fill":
        for _ in range(n):
            tick_task.delay("x" * 200)
    else:  # one at a time
        for i in range(n):
            size = os.stat(os.environ["BENCH_DONE"]).st_size
            stamp_task.delay(time.time_ns())
            while os.stat(os.environ["BENCH_DONE"]).st_size == size:
                time.sleep(0.0002)
            time.sleep(0.002)
