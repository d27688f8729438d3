"""What people look at often."""

from __future__ import annotations

from sendoff._flow import Items, Request, items, nothing, one, path, read, write
from sendoff._group import D, Group, operation
from sendoff.models.views import View


class Views(Group[D]):
    """Saves pages with what they select, for all who use the namespace."""

    @operation
    def list(self) -> Request[Items[View]]:
        """The views, by name."""
        return read(path("views"), items(View))

    @operation
    def set(self, name: str, page: str, query: str = "") -> Request[View]:
        """Saves a view, in place of one of its name: a page such as "/tasks", and a query such as "state=failed"."""
        return write("PUT", path("views", name), one(View), {"path": page, "query": query})

    @operation
    def delete(self, name: str) -> Request[None]:
        """Forgets a view."""
        return Request("DELETE", path("views", name), nothing)
