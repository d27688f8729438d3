"""Durable functions in a Flask app: app = Flask(__name__); dispatch = Dispatch(app)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sendoff.dispatch._registry import registry_of
from sendoff.functions import Functions
from sendoff.functions._endpoint import Defining
from sendoff.functions._http import PATH

if TYPE_CHECKING:
    from flask import Flask


class Dispatch:
    """Has an app serve functions at the path where the server looks for them."""

    def __init__(
        self, app: Flask, registry: Functions | None = None, verification_key: str | bytes | None = None
    ) -> None:
        self.registry: Functions = registry_of(registry, verification_key)
        below, served = app.wsgi_app, self.registry.wsgi()

        def routed(environ: dict[str, Any], start_response: Any) -> Any:
            found = served if environ.get("PATH_INFO", "").endswith(PATH) else below
            return found(environ, start_response)

        app.wsgi_app = routed  # type: ignore[method-assign]
        self.function: Defining = self.registry.function
