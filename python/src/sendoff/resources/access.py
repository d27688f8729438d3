"""Who may do what, and who did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sendoff._codec import encode
from sendoff._flow import Items, Page, Request, items, nothing, one, page, path, read, write
from sendoff._group import D, Group, listing, operation
from sendoff.models.access import APIKey, AuditRecord, AuditState, Namespace, Quota


class APIKeys(Group[D]):
    """Makes and ends API keys."""

    @operation
    def create(
        self, name: str, scopes: Sequence[str], *, namespace: str | None = None, expires_at: datetime | None = None
    ) -> Request[APIKey]:
        """Makes a key, whose secret is only in this answer. scopes: read, payloads, enqueue, operate, admin.
        Not repeated when its answer is lost."""
        body = {"name": name, "scopes": scopes, "namespace": namespace, "expires_at": expires_at}
        said = {k: v for k, v in body.items() if v is not None}
        return write("POST", path("api-keys"), one(APIKey), encode(said), False)

    @operation
    def list(self) -> Request[Items[APIKey]]:
        """The keys that hold, oldest first."""
        return read(path("api-keys"), items(APIKey))

    @operation
    def revoke(self, id: str) -> Request[None]:
        """Ends a key, on all nodes within a second."""
        return Request("DELETE", path("api-keys", id), nothing)


class Namespaces(Group[D]):
    """What namespaces may use."""

    @operation
    def list(self) -> Request[Items[Namespace]]:
        """All of them by name."""
        return read(path("namespaces"), items(Namespace))

    @operation
    def set(self, name: str, quota: Quota) -> Request[Namespace]:
        """Sets what a namespace may use, which is made when it is new."""
        return write("PUT", path("namespaces", name), one(Namespace), encode(quota))


class Audit(Group[D]):
    """What operators did."""

    @listing
    def list(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        target: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        limit: int | None = None,
    ) -> Request[Page[AuditRecord]]:
        """Goes through it, newest first; it is kept for 90 days."""
        query = {"actor": actor, "action": action, "target": target, "after": after, "before": before, "limit": limit}
        return read(path("audit"), page(AuditRecord), **query)

    @operation
    def verify(self) -> Request[AuditState]:
        """Looks through all of it for a row that was changed, added or taken away."""
        return read(path("audit", "chain"), one(AuditState), 600.0)
