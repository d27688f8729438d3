"""Finds what a replay would not repeat in the code of a function, where it can be seen: told once, at the first run."""

from __future__ import annotations

import ast
import inspect
import textwrap
import warnings
from collections.abc import Callable, Iterator
from typing import Any

_CLOCK = "use sendoff.now, sendoff.sleep and sendoff.timeout"
_RANDOM = "use sendoff.random and sendoff.uuid"
_BRANCHES = "use sendoff.branch, sendoff.gather and sendoff.select"
_STEP = "do it in a step"
_RULES = {
    "time.time": _CLOCK,
    "time.time_ns": _CLOCK,
    "time.monotonic": _CLOCK,
    "time.perf_counter": _CLOCK,
    "time.sleep": _CLOCK,
    "datetime.datetime.now": _CLOCK,
    "datetime.datetime.utcnow": _CLOCK,
    "datetime.datetime.today": _CLOCK,
    "datetime.date.today": _CLOCK,
    "random": _RANDOM,
    "secrets": _RANDOM,
    "uuid.uuid1": _RANDOM,
    "uuid.uuid4": _RANDOM,
    "os.urandom": _RANDOM,
    "os.environ": _STEP,
    "os.getenv": _STEP,
    "asyncio": _BRANCHES,
    "threading": _BRANCHES,
    "concurrent.futures": _BRANCHES,
    "multiprocessing": _BRANCHES,
    "subprocess": _STEP,
    "socket": _STEP,
    "httpx": _STEP,
    "requests": _STEP,
    "urllib.request": _STEP,
}
_told: set[str] = set()


class DeterminismWarning(UserWarning):
    """The code of a durable function does what a replay does not repeat."""


def warn(code: Callable[..., Any], name: str) -> None:
    """Tells what the code of a function uses, once for each function, if it asks for anything durable at all."""
    if name in _told:
        return
    _told.add(name)
    try:
        found = list(findings(code))
    except Exception:  # of a source that has changed, or a proxy: this is only advice
        return
    for line, used, instead in found:
        warnings.warn_explicit(
            f"function {name}: {used} is not the same in a replay: {instead}",
            DeterminismWarning,
            inspect.getsourcefile(code) or "?",
            line,
        )


def findings(code: Callable[..., Any]) -> Iterator[tuple[int, str, str]]:
    """Line, what is used there, and what to use. Functions and lambdas within are left out: they may be steps."""
    try:
        lines, first = inspect.getsourcelines(code)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return
    outer = tree.body[0]
    if not isinstance(outer, ast.AsyncFunctionDef) or not any(isinstance(n, ast.Await) for n in ast.walk(outer)):
        return  # without a wait it is not replayed, but done again as a whole
    known = getattr(code, "__globals__", {})
    for node in _own(outer):
        if isinstance(node, ast.Call) and (used := _dotted(node.func, known)) and (instead := _rule(used)):
            yield first + node.lineno - 1, used, instead


def _own(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            yield child
            yield from _own(child)


def _dotted(node: ast.AST, known: dict[str, Any]) -> str:
    """The full name of what is called: of the module or class that the first name stands for."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in known:
        return ""
    root = known[node.id]
    if inspect.ismodule(root):
        origin = root.__name__
    else:
        origin = f"{getattr(root, '__module__', None) or ''}.{getattr(root, '__qualname__', node.id)}"
    return ".".join([origin, *reversed(names)])


def _rule(used: str) -> str | None:
    parts = used.split(".")
    return next((rule for n in range(len(parts), 0, -1) if (rule := _RULES.get(".".join(parts[:n])))), None)
