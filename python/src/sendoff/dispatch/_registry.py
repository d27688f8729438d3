"""What the Dispatch of each framework serves."""

from __future__ import annotations

from sendoff.functions import Functions, default


def registry_of(registry: Functions | None, verification_key: str | bytes | None) -> Functions:
    """The functions to serve, with their key."""
    chosen = registry or default
    if verification_key is not None:
        chosen.verification_key = verification_key.decode() if isinstance(verification_key, bytes) else verification_key
    return chosen
