"""Times to wait."""

from __future__ import annotations

from datetime import timedelta

MAX_WAIT = 30.0  # seconds that one request waits; longer waits are several


def seconds(value: float | timedelta) -> float:
    """A duration in seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
