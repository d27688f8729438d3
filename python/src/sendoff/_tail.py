"""The stream of events, apart from how it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sendoff._flow import Reply, Request, backoff, nothing, object_of, refusal
from sendoff.errors import NotSendoff, Unreachable
from sendoff.models.events import Event

_TRIES = 10  # in a row without an event


class Tail:
    """Reads messages as the section "Server-sent events" of the HTML standard has them, and
    knows where to go on after a connection was lost."""

    def __init__(self, topics: Sequence[str]) -> None:
        self.delay = 0.0  # seconds until the next connection
        self._topics = ",".join(topics) or None
        self._last, self._tries = "", 0
        self._id, self._type, self._data = "", "", ""

    def request(self) -> Request[None]:
        """Opens the stream, behind the event that was seen last."""
        headers = {"Accept": "text/event-stream, application/problem+json"}
        if self._last:
            headers["Last-Event-ID"] = self._last
        self._id, self._type, self._data = "", "", ""
        return Request("GET", "/v1/events", nothing, {"topics": self._topics}, headers=headers)

    def opened(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether the answer is a refusal, whose body has to be read."""
        if status == 200 and not headers.get("Content-Type", "").startswith("text/event-stream"):
            raise NotSendoff("the answer is not that of a Sendoff server: it is no stream of events")
        return status != 200

    def refused(self, reply: Reply) -> None:
        """Raises the refusal when it will not pass, or has not for ten times."""
        problem = refusal(reply)
        if problem.status < 500 or self._tries >= _TRIES:
            raise problem

    def lost(self, cause: Exception | None) -> None:
        """The connection has ended: goes on, unless it was too often."""
        if self._tries >= _TRIES:
            raise Unreachable(f"the stream of events has ended: {cause or 'closed'}") from cause
        self.delay = backoff(self._tries)
        self._tries += 1

    def line(self, text: str) -> Event | None:
        """Takes a line; an Event when a message is whole."""
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            self._id = value
        elif name == "event":
            self._type = value
        elif name == "data":
            self._data += value
        elif text == "" and self._type:
            return self._message()
        return None

    def _message(self) -> Event:
        try:
            body = json.loads(self._data or "{}")
        except ValueError as e:
            raise NotSendoff("an event cannot be read") from e
        event = Event(type="reset") if self._type == "reset" else object_of(Event, {**body, "type": self._type})
        self._last, self._tries = self._id or self._last, 0
        self._id, self._type, self._data = "", "", ""
        return event
