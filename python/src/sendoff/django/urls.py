"""path("tasks/", include("sendoff.django.urls")): where TASKS_URL leads."""

from __future__ import annotations

from typing import Any

from django.urls import path

from sendoff.django._views import carry_out

urlpatterns: list[Any] = [path("<str:name>", carry_out)]
