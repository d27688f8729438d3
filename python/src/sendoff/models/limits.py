"""Answers of the server: limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LimitState:
    """A limit, and how much of it is taken."""

    configured: bool  # Otherwise what the newest task says of it counts
    key: str
    paused: bool  # Nobody enters
    # Tasks that run under it, or may. It can be more than concurrency: after that was lowered, and after runs that
    # went beyond it by request
    used: int
    waiting: int  # Tasks in line
    burst: int | None = None
    concurrency: int | None = None
    rate: str = ""
