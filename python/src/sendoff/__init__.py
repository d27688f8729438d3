"""Sendoff from Python: a client of the server, and what an app needs that is pushed to.

import sendoff
from sendoff import NewTask

with sendoff.Client() as client:
    task = client.submit(NewTask(url="http://127.0.0.1:9000/hook", payload={"hello": "world"}))
    task = client.wait(task.id)
"""

from sendoff import errors, models
from sendoff._client import AsyncClient, Client
from sendoff._operations import BatchItem
from sendoff.canvas import chain, chord, group
from sendoff.models import (
    Bulk,
    BulkTo,
    Filter,
    Limit,
    LimitSettings,
    NewGraphRun,
    NewSchedule,
    NewTask,
    QueueSettings,
    Quota,
    Retention,
    RetryPolicy,
    StartSignal,
    Task,
    TaskChange,
    Unique,
)
from sendoff.tasks import Tasks, task

__all__ = [
    "AsyncClient",
    "BatchItem",
    "Bulk",
    "BulkTo",
    "Client",
    "Filter",
    "Limit",
    "LimitSettings",
    "NewGraphRun",
    "NewSchedule",
    "NewTask",
    "QueueSettings",
    "Quota",
    "Retention",
    "RetryPolicy",
    "StartSignal",
    "Task",
    "TaskChange",
    "Tasks",
    "Unique",
    "chain",
    "chord",
    "errors",
    "group",
    "models",
    "task",
]
