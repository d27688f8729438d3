"""Answers of the server: views."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class View:
    """A page with what it selects, that was saved for all who use the namespace."""

    name: str
    path: str  # Of the page in the console; that of the list in the API is the same below /v1
    query: str  # What it selects, as behind the ? of an address
    created_at: datetime
    updated_at: datetime
