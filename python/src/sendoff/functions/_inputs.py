"""What a function is called with: one value. That of a single parameter is the argument itself, so other languages
can call it; several go as an object, by their names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sendoff._values import from_json, hints_of, to_json
from sendoff.errors import InvalidValue
from sendoff.functions._format.journal import Value
from sendoff.functions._format.payload import EMPTY, NULL, decode, encode

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Inputs:
    """The parameters of a function. A TypeError at once for parameters without a name of their own."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function, self._name = function, name
        self._signature = inspect.signature(function)
        self._known: dict[str, Any] | None = None
        for p in self._signature.parameters.values():
            if p.kind not in _NAMED:
                raise TypeError(f"function {name}: parameter {p}: want parameters that have a name each")

    def encode(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Value:
        """Encodes arguments; InvalidValue names a wrong one."""
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as e:
            raise InvalidValue(f"{self._name}: arguments", str(e)) from e
        if not self._signature.parameters:
            return EMPTY
        if len(self._signature.parameters) == 1:
            bound.apply_defaults()
            name, value = next(iter(bound.arguments.items()))
            if value is None and self._signature.parameters[name].default not in (None, inspect.Parameter.empty):
                return NULL
            return encode(value, f"{self._name}: argument {name}")
        named = {k: to_json(v, f"{self._name}: argument {k}") for k, v in bound.arguments.items()}
        return encode(named, f"{self._name}: arguments")

    def decode(self, input: Value) -> dict[str, Any]:
        """Makes arguments of an input; InvalidValue names what does not fit."""
        parameters, hints = self._signature.parameters, self._hints()
        if not parameters:
            return {}
        if len(parameters) == 1:
            name, p = next(iter(parameters.items()))
            if input.url in ("", EMPTY.url) and p.default is not inspect.Parameter.empty:
                return {}
            return {name: decode(hints.get(name, Any), input, f"{self._name}: argument {name}")}
        found = decode(dict[str, Any], input, f"{self._name}: arguments")
        if unknown := found.keys() - parameters.keys():
            raise InvalidValue(f"{self._name}: arguments", f"there is no parameter {min(unknown)!r}")
        return {name: self._one(name, p, found) for name, p in parameters.items() if self._given(p, found)}

    def _given(self, p: inspect.Parameter, found: Mapping[str, Any]) -> bool:
        return p.name in found or p.default is inspect.Parameter.empty

    def _one(self, name: str, p: inspect.Parameter, found: Mapping[str, Any]) -> Any:
        if name not in found:
            raise InvalidValue(f"{self._name}: argument {name}", "is missing")
        return from_json(self._hints().get(name, Any), found[name], f"{self._name}: argument {name}")

    def encode_result(self, value: Any) -> Value:
        """Encodes what the function returned."""
        return encode(value, f"{self._name}: result")

    def result(self, value: Value) -> Any:
        """Makes the result of what it was encoded as."""
        return decode(self._hints().get("return", Any), value, f"{self._name}: result")

    def result_of_json(self, value: Any) -> Any:
        """Makes the result of its JSON."""
        return from_json(self._hints().get("return", Any), value, f"{self._name}: result")

    def _hints(self) -> dict[str, Any]:
        if self._known is None:  # on first use: an annotation may name what is defined below
            self._known = hints_of(self._function)
        return self._known
