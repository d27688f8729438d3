"""What is registered by a name: once, and again when its module is."""

from __future__ import annotations

import inspect
from typing import Any


def register(kind: str, name: str, known: dict[str, Any], made: Any, source: Any) -> None:
    """Registers something. source: the function or the class that it is made of.

    Takes the place of what the same lines made before, since their module was reloaded. ValueError for all else that
    has the name.
    """
    before = known.get(name)
    if before is not None:
        old, new = _place(before), _place(source)
        if old != new:
            raise ValueError(f"there is {kind} {name!r} already: {_remedy(before, source)}")
    known[name] = made


def _place(of: Any) -> tuple[Any, ...]:
    """Where something was defined: equal for what a reload makes again."""
    plain = inspect.unwrap(of)
    code = getattr(plain, "__code__", None)
    if "<locals>" in plain.__qualname__:
        return (id(plain),)
    return (plain.__module__, plain.__qualname__, code.co_firstlineno if code is not None else 0)


def _remedy(before: Any, source: Any) -> str:
    old, new = inspect.unwrap(before), inspect.unwrap(source)
    modules = old.__module__, new.__module__
    if "__main__" in modules and old.__qualname__ == new.__qualname__ and _file(old) == _file(new) != "":
        other = modules[0] if modules[1] == "__main__" else modules[1]
        return (
            f"its file was imported a second time, as {other}, while it is the program that was started. Move what is "
            f"below if __name__ == '__main__' into a file of its own that imports {other}"
        )
    return "give one of them another name"


def _file(of: Any) -> str:
    try:
        return inspect.getfile(of)
    except (TypeError, OSError):
        return ""
