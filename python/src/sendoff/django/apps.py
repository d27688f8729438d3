"""The app."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.utils.module_loading import autodiscover_modules

from sendoff.django import _settings


class SendoffConfig(AppConfig):
    """Reads the settings, and imports the module tasks of every app."""

    name = "sendoff.django"
    label = "sendoff"

    def ready(self) -> None:
        """Called by Django when all apps are there."""
        _settings.configure()
        setting_changed.connect(_settings.configure)
        autodiscover_modules("tasks")
