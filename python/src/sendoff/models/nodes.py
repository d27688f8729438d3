"""Answers of the server: nodes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Node:
    """A server that is alive."""

    draining: bool  # It claims nothing more: it is stopping, or was told so
    id: str
    name: str
    roles: list[str]
    started_at: datetime
    version: int  # Of what it writes to the database
    lease_until: datetime | None = None  # Absent where no other node could take over


@dataclass(frozen=True, kw_only=True)
class EndpointOnNode:
    """How a node treats an endpoint."""

    failed: int
    in_flight: int
    kind: str  # http, function
    limit: int  # Attempts at a time that are tried now; it grows with success and halves with failure
    name: str
    node: str  # Id of the node
    put_off: int  # Tasks that were put off without an attempt
    seen_at: datetime  # When it was so: another node tells it every some seconds
    # open: it gets what there is; slow: fewer attempts at a time than before; paused: none, until one has found it
    # well, or an operator resumes it: open, slow, paused
    state: str
    succeeded: int
    waiting: int  # Attempts that wait for the limit
    detail: str = ""  # The same, for people
    last_error: str = ""
    paused_until: datetime | None = None  # The endpoint did not let attempts in, and is left alone until then
    reason: str = ""  # Why it is not open: unreachable, refused, throttled, errors, operator
    redacted: bool = False  # What it carries was left out: the key has no scope payloads
    sdk: str = ""
    since: datetime | None = None  # When it was last open


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A host or an app that nodes have called lately."""

    # The URL of an app of functions; of what is pushed to, the host, without its scheme while it is paused and no node
    # has called it
    endpoint: str
    failed: int
    in_flight: int
    kind: str  # http, function
    limit: int  # Attempts at a time that are tried now; it grows with success and halves with failure
    # What each node knows; above are the sums, and the state of the node that holds it back most
    nodes: list[EndpointOnNode]
    put_off: int  # Tasks that were put off without an attempt
    # open: it gets what there is; slow: fewer attempts at a time than before; paused: none, until one has found it
    # well, or an operator resumes it: open, slow, paused
    state: str
    succeeded: int
    waiting: int  # Attempts that wait for the limit
    detail: str = ""  # The same, for people
    last_error: str = ""
    paused_until: datetime | None = None  # The endpoint did not let attempts in, and is left alone until then
    reason: str = ""  # Why it is not open: unreachable, refused, throttled, errors, operator
    redacted: bool = False  # What it carries was left out: the key has no scope payloads
    sdk: str = ""
    since: datetime | None = None  # When it was last open


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A worker process of a node."""

    at: datetime  # When it was so: of a node that does not answer itself, some seconds ago
    done: int  # Attempts that it has carried out
    id: str  # Over all nodes: that of the node, a dash and number
    node: str  # Name of the node
    node_id: str
    number: int  # From 0, in the order of their starts
    pid: int
    since: datetime  # When it came into its state
    started_at: datetime
    state: str  # starting, idle, running, stopping
    lang: str = ""  # What it runs, as it says
    memory: int | None = None  # Bytes resident
    process: str = ""  # What that is
    replaced: bool = False  # It ends with its task, and another one is started
    # What has been done to stop its task: it was asked to, its group got SIGTERM, or SIGKILL: asked, terminated,
    # killed
    stage: str = ""
    task: str = ""  # Id of the task that it runs


@dataclass(frozen=True, kw_only=True)
class ResetEndpoint:
    """The endpoint that was reset."""

    endpoint: str


@dataclass(frozen=True, kw_only=True)
class PausedHost:
    """Whether pushes to a host are paused."""

    host: str
    paused: bool
    since: datetime | None = None  # Since when it is


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a host was tried with."""

    endpoints: list[str]  # Of the host: the nodes ask them again
    host: str
    # Id of the task that goes first, one of those that were put off at the host; absent when none was found
    task: str = ""
