"""manage.py sendoff: the server with workers for this project, its tasks and schedules."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError

from sendoff.django import _schedules
from sendoff.errors import SendoffError
from sendoff.tasks import default


class Command(BaseCommand):
    """manage.py sendoff serve | tasks | schedules."""

    help = (
        "serve: becomes `sendoff serve`, with worker processes for the tasks of this project; further flags are "
        "those of that. "
        "tasks: lists the tasks of this project. "
        "schedules: makes those of the settings, SENDOFF['SCHEDULES'], and leaves others alone."
    )
    requires_system_checks: ClassVar[list[str]] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What can be said."""
        parser.add_argument("action", choices=["serve", "tasks", "schedules"])
        parser.add_argument("flags", nargs=argparse.REMAINDER, help="of serve: passed on to `sendoff serve`")

    def handle(self, *args: Any, action: str, flags: list[str], **options: Any) -> None:
        """Does it."""
        if action == "serve":
            _serve(flags)
        elif flags:
            raise CommandError(f"{action} takes no {flags[0]}")
        elif action == "tasks":
            for task in default.all():
                self.stdout.write(f"{task.name}  queue {task.option('queue') or 'default'}")
        else:
            self._schedules()

    def _schedules(self) -> None:
        try:
            for name in _schedules.apply():
                self.stdout.write(f"set {name}")
        except (SendoffError, ValueError) as e:
            raise CommandError(str(e)) from e


def serve_command(flags: list[str]) -> list[str]:
    """The server with workers for this project; flags come last, so that they win."""
    binary = os.environ.get("SENDOFF_BIN") or shutil.which("sendoff")
    if not binary:
        raise CommandError("there is no program sendoff: set SENDOFF_BIN, or put it into the PATH")
    modules = sorted({task.function.__module__ for task in default.all()})
    if not modules:
        raise CommandError("there are no tasks: want @sendoff.task in a module tasks of an app")
    allow = [part for module in modules for part in ("--process-allow", module)]
    load = [part for module in ("sendoff.django.worker", *modules) for part in ("--process-preload", module)]
    where = ["--process-dir", str(Path(sys.argv[0]).resolve().parent), "--process-python", sys.executable]
    seen = [
        f"--process-env={name}"
        for name in ("DJANGO_SETTINGS_MODULE", "SENDOFF_URL", "SENDOFF_API_KEY")
        if name in os.environ
    ]
    return [binary, "serve", *allow, *load, *where, *seen, *flags]


def _serve(flags: list[str]) -> None:
    command = serve_command(flags)
    os.execv(command[0], command)
