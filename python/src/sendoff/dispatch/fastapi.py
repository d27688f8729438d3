"""Durable functions in a FastAPI app: app = FastAPI(); dispatch = Dispatch(app)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sendoff.dispatch._registry import registry_of
from sendoff.functions import Functions
from sendoff.functions._endpoint import Defining
from sendoff.functions._http import PATH

if TYPE_CHECKING:
    from fastapi import FastAPI


class Dispatch:
    """Has an app serve functions at the path where the server looks for them."""

    def __init__(
        self, app: FastAPI, registry: Functions | None = None, verification_key: str | bytes | None = None
    ) -> None:
        self.registry: Functions = registry_of(registry, verification_key)
        app.mount(PATH.rpartition("/")[0], self.registry.asgi())
        self.function: Defining = self.registry.function
