"""SENDOFF = {...} of the settings."""

from __future__ import annotations

import functools
import os
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sendoff._client import Client
from sendoff._settings import DEFAULT_URL
from sendoff.tasks import default
from sendoff.verify import Verifier

KNOWN = {"URL", "API_KEY", "TASKS_URL", "KEYS_URL", "WEBHOOK_SECRETS", "PUBLIC_URL", "VERIFY", "EAGER", "SCHEDULES"}


def setting(name: str, otherwise: Any = None) -> Any:
    """One of SENDOFF; ImproperlyConfigured when that has keys that nobody knows."""
    found: dict[str, Any] = getattr(settings, "SENDOFF", {})
    if unknown := set(found) - KNOWN:
        raise ImproperlyConfigured(f"SENDOFF: {min(unknown)} is unknown; there are {', '.join(sorted(KNOWN))}")
    return found.get(name, otherwise)


def configure(**changed: Any) -> None:
    """Has sendoff.task use the settings; again when a test changes them."""
    if changed.get("setting", "SENDOFF") != "SENDOFF":
        return
    verifier.cache_clear()
    default.url = setting("TASKS_URL")
    default.client = Client(setting("URL"), api_key=setting("API_KEY"))
    default.always_eager = bool(setting("EAGER", False))


@functools.cache
def verifier() -> Verifier | None:
    """What pushes are verified with; None when VERIFY is false."""
    if not setting("VERIFY", True):
        return None
    public, secrets = setting("PUBLIC_URL"), setting("WEBHOOK_SECRETS")
    if secrets:
        return Verifier(webhook_secrets=secrets, public_url=public)
    keys = setting("KEYS_URL") or setting("URL") or os.environ.get("SENDOFF_URL") or DEFAULT_URL
    return Verifier(keys, public_url=public)
