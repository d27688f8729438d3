"""Submission when a transaction commits."""

from __future__ import annotations

import uuid
from typing import Any, ParamSpec

from django.db import transaction

from sendoff.tasks import TaskFunction

P = ParamSpec("P")


def submit_on_commit(task: TaskFunction[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> str:
    """Hands a call over when the transaction of the default database commits; at once outside of one, and never when
    it is rolled back. Returns the id that the task will have, which can be stored in the same transaction.

    InvalidValue names a wrong argument now. What submit raises then, such as Unreachable, is raised where the
    transaction ends: it is committed all the same. A process that dies between the two submits nothing.
    """
    given = task.options(id=task.option("id") or str(uuid.uuid4()))
    submit = given.prepared(args, kwargs)
    transaction.on_commit(lambda: _done(submit()))
    return str(given.option("id"))


def _done(submitted: object) -> None:
    """on_commit wants a function without a result."""
