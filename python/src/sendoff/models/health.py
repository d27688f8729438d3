"""Answers of the server: what was found of it and its database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class HealthSummary:
    """How many checks ended how."""

    ok: int
    warn: int
    fail: int
    skip: int


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """What was found of one thing."""

    name: str
    # warn: it works, and somebody should know; fail: tasks are lost, late or in danger; skip: it says nothing about
    # this database, or takes too long beside a server: ok, warn, fail, skip
    status: str
    detail: str  # What was found
    fix: str  # What to do about it
    repairable: bool  # sendoff doctor --repair does it
    repaired: bool  # Never by a server
    duration: timedelta  # That the check took


@dataclass(frozen=True, kw_only=True)
class Health:
    """What was found of the node that answers and of its database."""

    ok: bool  # No check failed; there may be warnings
    at: datetime  # When the database was looked over: it is not done again with each request
    version: str  # Of the node
    database: str  # sqlite or postgres; empty when nobody looked it over
    summary: HealthSummary
    checks: list[HealthCheck]
