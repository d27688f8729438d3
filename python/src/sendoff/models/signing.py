"""Answers of the server: what it signs with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A key that the server signs with, as everybody may know it."""

    id: str  # Its thumbprint (RFC 7638), as in the keyid of signatures
    state: str  # next: published, to sign later; signs: the one that signs; verifies: published, as it has signed
    public_key: str  # Ed25519, base64
    webhook_key: str  # What verifies its signatures of Standard Webhooks v1a: whpk_...
    created_at: datetime | None = None
    signs_at: datetime | None = None  # From when on it signs; None: from the start
    ends_at: datetime | None = None  # When it is published no more; None: not before another one is made
