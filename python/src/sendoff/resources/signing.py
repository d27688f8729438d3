"""What the server signs with."""

from __future__ import annotations

from datetime import timedelta

from sendoff._codec import encode
from sendoff._flow import Items, Request, items, one, path, read, write
from sendoff._group import D, Group, operation
from sendoff.models.signing import SigningKey


class SigningKeys(Group[D]):
    """The keys that sign what the server sends."""

    @operation
    def list(self) -> Request[Items[SigningKey]]:
        """Those that are published, the one that signs first."""
        return read(path("signing-keys"), items(SigningKey))

    @operation
    def rotate(
        self, *, grace: timedelta | None = None, keep: timedelta | None = None, webhook: bool = False
    ) -> Request[SigningKey]:
        """Makes a new key, which is published at once and signs after grace (10 minutes) on all nodes; the keys
        before are published for keep (24 hours) from then on. webhook: a new secret for Standard Webhooks as well,
        which signs at once, and the one before beside it for keep. Not repeated when its answer is lost."""
        body = {"grace": grace, "keep": keep, "webhook": webhook or None}
        said = {k: v for k, v in body.items() if v is not None}
        return write("POST", path("signing-keys", "rotate"), one(SigningKey), encode(said), False)
