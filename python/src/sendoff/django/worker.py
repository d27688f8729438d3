"""Sets Django up in the worker processes of a server, which import this first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import django
from django.db import close_old_connections

from sendoff.tasks import default


@contextlib.contextmanager
def fresh_connections() -> Iterator[None]:
    """As a request has them: CONN_MAX_AGE and CONN_HEALTH_CHECKS hold."""
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()


django.setup()
default.around = fresh_connections
