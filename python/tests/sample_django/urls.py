from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from sample_web import outcome
from sendoff.django import pushed
from sendoff.push import PushedTask


@pushed
def hook(request: HttpRequest, task: PushedTask, kind: str) -> HttpResponse:
    return HttpResponse(outcome(kind, task))


@pushed
async def other(request: HttpRequest, task: PushedTask, kind: str) -> HttpResponse:
    return HttpResponse(outcome(kind, task))


urlpatterns = [
    path("outcome/<str:kind>", hook),
    path("outcome/<str:kind>/other", other),
    path("tasks/", include("sendoff.django.urls")),
]
