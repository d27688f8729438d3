"""Which server it is, and how it is asked."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import httpx

DEFAULT_URL = "http://127.0.0.1:4450"


@dataclass(frozen=True)
class Settings:
    """What both clients are made with."""

    url: str  # without a slash at the end
    resends: int
    headers: dict[str, str] = field(repr=False)
    limits: httpx.Limits = field(
        default_factory=lambda: httpx.Limits(max_connections=None, max_keepalive_connections=64)
    )


def settings_of(url: str | None, api_key: str | None, resends: int, user_agent: str) -> Settings:
    """Fills up from the environment; a ValueError says what is wrong with the URL."""
    server = url or os.environ.get("SENDOFF_URL") or DEFAULT_URL
    parts = httpx.URL(server)
    if parts.scheme not in ("http", "https") or not parts.host:
        raise ValueError(f"server URL {server!r}: want something like {DEFAULT_URL}")
    if parts.userinfo or parts.query or parts.fragment:
        raise ValueError("server URL: want only scheme, host, port and path")
    headers = {"User-Agent": user_agent, "Accept": "application/json, application/problem+json"}
    if key := api_key or os.environ.get("SENDOFF_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    return Settings(server.rstrip("/"), max(resends, 0), headers)
