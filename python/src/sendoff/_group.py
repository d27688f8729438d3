"""Methods that are written once and are there in both clients.

A group's methods make requests. The decorators turn each into a method that is of the sync or
the async kind, by the driver of the group: type checkers know which.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from sendoff._drivers import Async, Sync
from sendoff._flow import Flow, Page, Request, send

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D", bound=Sync | Async)


class Group(Generic[D]):
    """Operations of one kind."""

    def __init__(self, driver: D) -> None:
        self._driver: D = driver

    def _send(self, request: Request[T]) -> Flow[T]:
        """For flows: sends a request, again while that is safe."""
        return send(request, self._driver.resends)


class operation(Generic[P, T]):
    """Makes a method of a function that makes a request."""

    def __init__(self, build: Callable[Concatenate[Any, P], Request[T]]) -> None:
        self.build = build
        functools.update_wrapper(cast("Any", self), build)

    @overload
    def __get__(self, group: None, owner: Any) -> operation[P, T]: ...
    @overload
    def __get__(self, group: Group[Sync], owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(self, group: Group[Async], owner: Any) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, group: Any, owner: Any) -> Any:
        if group is None:
            return self
        return _bound(self.build, lambda *a, **k: group._driver.run(group._send(self.build(group, *a, **k))))


class procedure(Generic[P, T]):
    """Makes a method of a function that is a flow, of several requests for instance."""

    def __init__(self, build: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self.build = build
        functools.update_wrapper(cast("Any", self), build)

    @overload
    def __get__(self, group: None, owner: Any) -> procedure[P, T]: ...
    @overload
    def __get__(self, group: Group[Sync], owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(self, group: Group[Async], owner: Any) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, group: Any, owner: Any) -> Any:
        if group is None:
            return self
        return _bound(self.build, lambda *a, **k: group._driver.run(self.build(group, *a, **k)))


class listing(Generic[P, T]):
    """Makes a method that goes through all pages, of a function that makes the request of the first."""

    def __init__(self, build: Callable[Concatenate[Any, P], Request[Page[T]]]) -> None:
        self.build = build
        functools.update_wrapper(cast("Any", self), build)

    @overload
    def __get__(self, group: None, owner: Any) -> listing[P, T]: ...
    @overload
    def __get__(self, group: Group[Sync], owner: Any) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, group: Group[Async], owner: Any) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, group: Any, owner: Any) -> Any:
        if group is None:
            return self
        return _bound(self.build, lambda *a, **k: group._driver.pages(self.build(group, *a, **k)))


def _bound(build: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    return functools.wraps(build)(method)
