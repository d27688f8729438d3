"""Everything that the server's OpenAPI document has is in the package."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, get_type_hints
from urllib.parse import unquote

import httpx
import pytest

import sendoff
from sendoff import models
from sendoff._flow import Request
from sendoff._group import Group, listing, operation
from sendoff._tail import Tail
from sendoff.testing import Server

# What goes by another name here.
RENAMED = {
    "Retry": "RetryPolicy",
    "QueueRetry": "RetryPolicy",
    "RetryRequest": "RetryPolicy",
    "QueueRetention": "Retention",
    "RetentionRequest": "Retention",
    "SettingsRequest": "QueueSettings",
    "LimitRequest": "Limit",
    "Key": "APIKey",
    "ActionActor": "Actor",
    "AuditActor": "Actor",
    "ListReplyBody": "TaskPage",
    "StepsReplyBody": "StepPage",
    "TreeReplyBody": "Tree",
    "ResetReply": "ResetEndpoint",
    "CreateRequest": "NewTask",
    "ScheduleRequest": "NewSchedule",
    "UniqueRequest": "Unique",
    "SignalRequest": "StartSignal",
    "BulkRequest": "Bulk",
    "ChangeRequest": "TaskChange",
}
# What may be one of several.
EITHER = {"PlannedTask": ("NewTask", "NewGraphRun")}
# What has no class: parameters of a method, and errors.
WITHOUT = {
    "BatchReply",
    "BatchRequest",
    "CompleteRequest",
    "FailRequest",
    "HeartbeatRequest",
    "ProgressRequest",
    "FieldError",
    "MuteRequest",
    "GraphDefinition",
    "NewKey",
    "Problem",
    "PurgeReplyBody",
    "ResetRequest",
    "RotateRequest",
    "SigningKeyList",
    "ViewRequest",
}
# What a method says and not a class.
SAID = {"Bulk": {"dry_run"}}

FIELDS: dict[str, Any] = {f.name: "x" for f in dataclasses.fields(models.Filter) if f.name not in ("labels", "where")}
FILTER = models.Filter(**FIELDS, labels={"KEY": "x"})

SAMPLES: dict[str, Any] = {
    "NewTask": models.NewTask(url="http://127.0.0.1/"),
    "Filter": FILTER,
    "QueueSettings": models.QueueSettings(),
    "TaskChange": models.TaskChange(),
    "LimitSettings": models.LimitSettings(),
    "NewSchedule": models.NewSchedule(task=models.NewTask()),
    "NewGraphRun": models.NewGraphRun(),
    "Quota": models.Quota(),
    "Bulk": models.Bulk("cancel"),
    "Mapping[str, Any]": {},
    "Sequence[NewTask]": [],
    "Sequence[str]": ["read"],
    "datetime": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "datetime | timedelta": timedelta(hours=1),
    "timedelta": timedelta(hours=1),
    "float | timedelta": timedelta(seconds=1),
    "int": 1,
    "bool": True,
}


@pytest.fixture(scope="module")
def document(sendoff_server: Server) -> dict[str, Any]:
    return dict(httpx.get(sendoff_server.url + "/openapi.json").json())


def sample(parameter: inspect.Parameter) -> Any:
    return SAMPLES.get(str(parameter.annotation).removesuffix(" | None"), "x")


def requests() -> Iterator[tuple[str, Request[Any]]]:
    """What each method of the client sends when all of its parameters are given."""
    client = sendoff.Client()
    groups = {"client": client, **{k: v for k, v in vars(client).items() if isinstance(v, Group)}}
    for noun, group in groups.items():
        for name, method in inspect.getmembers(type(group), lambda m: isinstance(m, operation | listing)):
            parameters = list(inspect.signature(method.build).parameters.values())[1:]
            args = [sample(p) for p in parameters if p.kind != p.KEYWORD_ONLY]
            named = {p.name: sample(p) for p in parameters if p.kind == p.KEYWORD_ONLY}
            yield f"{noun}.{name}", method.build(group, *args, **named)
    tail = Tail(["tasks"])
    tail._last = "1"
    yield "tasks.tail", tail.request()


def matching(document: dict[str, Any], request: Request[Any]) -> tuple[str, dict[str, Any]] | None:
    """The operation that a request is; paths without parameters go first."""
    for path in sorted(document["paths"], key=lambda p: p.count("{")):
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))
        if re.fullmatch(pattern, unquote(request.path)) and request.method.lower() in document["paths"][path]:
            return f"{request.method} {path}", document["paths"][path][request.method.lower()]
    return None


def test_every_operation_with_all_its_parameters_has_a_method(document: dict[str, Any]) -> None:
    sent: dict[str, set[str]] = {}
    described: dict[str, set[str]] = {}
    for name, request in requests():
        found = matching(document, request)
        assert found is not None, f"{name} sends {request.method} {request.path}, which is no operation"
        key, what = found
        described[key] = {p["name"] for p in what.get("parameters", []) if p["in"] != "path"} - {"cursor"}
        said = {k for k, v in request.query.items() if v is not None} | {
            h for h in request.headers if h in described[key]
        }
        sent[key] = sent.get(key, set()) | (said - {"cursor"})
    operations = {f"{m.upper()} {p}" for p, ms in document["paths"].items() for m in ms if m != "parameters"}
    assert operations - set(sent) == set(), "operations without a method"
    for key, names in described.items():
        assert names - sent[key] == set(), f"parameters of {key} that no method has"
        assert sent[key] - names == set(), f"parameters that {key} does not have"


def test_every_field_has_its_place(document: dict[str, Any]) -> None:
    missing = []
    for name, schema in document["components"]["schemas"].items():
        if name in WITHOUT or set(schema.get("properties", {})) <= {"items", "next_cursor"}:
            continue
        ours = RENAMED.get(name, name)
        fields = SAID.get(ours, set())
        for one in EITHER.get(name, (ours,)):
            cls = sendoff.BatchItem if one == "BatchItem" else getattr(models, one, None)
            if cls is None:
                missing.append(name)
                break
            fields = fields | {f.metadata.get("name", f.name) for f in dataclasses.fields(cls)}
        else:
            missing += [f"{ours}.{p}" for p in schema["properties"] if p not in fields]
    assert missing == []


def test_annotations_can_be_read_at_run_time() -> None:
    for name in models.__all__:
        assert get_type_hints(getattr(models, name)), name


def test_what_is_sent_is_json() -> None:
    for name, request in requests():
        assert request.content is None or json.loads(request.content) is not None, name
