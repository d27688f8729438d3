"""path("tasks/", include("sendoff.django.urls")): where TASKS_URL leads."""

from __future__ import annotations

from django.urls import path

from sendoff.django._views import carry_out

urlpatterns = [path("<str:name>", carry_out)]
