"""The values that a client sends and gets."""

from sendoff.models.access import Actor, APIKey, AuditRecord, AuditState, Everything, Me, Namespace, Quota
from sendoff.models.actions import Action, ActionBound, ActionItem, ActionPreview, ActionTo
from sendoff.models.attempts import Attempt, Dependency, Phases, Step, StepCounts, StepPage
from sendoff.models.events import Event, EventAction, EventNode, EventSchedule, EventTask
from sendoff.models.failures import FailureGroup
from sendoff.models.graphs import GraphCall, GraphCleanup, GraphError, GraphJob, GraphRevision, GraphRun
from sendoff.models.health import Health, HealthCheck, HealthSummary
from sendoff.models.limits import LimitState
from sendoff.models.nodes import Endpoint, EndpointOnNode, Node, PausedHost, Probe, ResetEndpoint, Worker
from sendoff.models.policy import Limit, QueueSettings, Retention, RetryPolicy
from sendoff.models.queues import GroupStats, Queue, QueueStats
from sendoff.models.requests import (
    Bulk,
    BulkTo,
    Filter,
    LimitSettings,
    NewGraphRun,
    NewSchedule,
    NewTask,
    StartSignal,
    TaskChange,
    Unique,
)
from sendoff.models.schedules import Fire, FireTime, LastFire, Schedule
from sendoff.models.signing import SigningKey
from sendoff.models.stats import Quantiles, Stats, StatsItem, StatsPoint
from sendoff.models.tasks import (
    Callback,
    Count,
    FunctionError,
    LimitUse,
    Progress,
    Task,
    TaskPage,
    Tree,
    WaitedFor,
    Waiting,
)
from sendoff.models.views import View

__all__ = [
    "APIKey",
    "Action",
    "ActionBound",
    "ActionItem",
    "ActionPreview",
    "ActionTo",
    "Actor",
    "Attempt",
    "AuditRecord",
    "AuditState",
    "Bulk",
    "BulkTo",
    "Callback",
    "Count",
    "Dependency",
    "Endpoint",
    "EndpointOnNode",
    "Event",
    "EventAction",
    "EventNode",
    "EventSchedule",
    "EventTask",
    "Everything",
    "FailureGroup",
    "Filter",
    "Fire",
    "FireTime",
    "FunctionError",
    "GraphCall",
    "GraphCleanup",
    "GraphError",
    "GraphJob",
    "GraphRevision",
    "GraphRun",
    "GroupStats",
    "Health",
    "HealthCheck",
    "HealthSummary",
    "LastFire",
    "Limit",
    "LimitSettings",
    "LimitState",
    "LimitUse",
    "Me",
    "Namespace",
    "NewGraphRun",
    "NewSchedule",
    "NewTask",
    "Node",
    "PausedHost",
    "Phases",
    "Probe",
    "Progress",
    "Quantiles",
    "Queue",
    "QueueSettings",
    "QueueStats",
    "Quota",
    "ResetEndpoint",
    "Retention",
    "RetryPolicy",
    "Schedule",
    "SigningKey",
    "StartSignal",
    "Stats",
    "StatsItem",
    "StatsPoint",
    "Step",
    "StepCounts",
    "StepPage",
    "Task",
    "TaskChange",
    "TaskPage",
    "Tree",
    "Unique",
    "View",
    "WaitedFor",
    "Waiting",
    "Worker",
]
