"""The two faces of the client: every operation is written once, as a coroutine, and each face calls it in its own way.

A resource is generic in its face. `@call` and `@listed` make descriptors of its methods, with the types of both:
`Runs[Async].get` gives a coroutine, `Runs[Blocking].get` the run itself. So there is no second set of methods, no stub
file, and type checkers and editors know all parameters and results of both.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper, wraps
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from clew._http import Http

P = ParamSpec("P")
T = TypeVar("T")


class Async:
    """Operations are coroutines, lists and streams asynchronous iterators."""

    def call(self, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        return work

    def iterate(self, items: AsyncIterator[T]) -> AsyncIterator[T]:
        return items


_END: Any = object()


class Blocking:
    """Operations give their results, lists and streams are iterators; an event loop in a thread does the work."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="clew", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C, above all: what was asked for is not wanted any more
            future.cancel()
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        try:
            while (item := self.call(_next(items))) is not _END:
                yield item
        finally:
            if isinstance(items, AsyncGenerator):
                self.call(_closed(items))

    def close(self) -> None:
        """End the loop and its thread."""
        self.call(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items, _END)


async def _closed(items: AsyncGenerator[Any, Any]) -> None:
    await items.aclose()


F = TypeVar("F", bound="Async | Blocking")


class Resource(Generic[F]):
    """A part of the interface, seen through a face."""

    def __init__(self, http: Http, face: F) -> None:
        self._http = http
        self._face = face


class call(Generic[P, T]):
    """An operation of a resource: a coroutine on the one face, its result on the other."""

    def __init__(self, work: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        update_wrapper(cast(Any, self), work)

    @overload
    def __get__(self, owner: None, kind: type[Any]) -> Self: ...
    @overload
    def __get__(self, owner: Resource[Async], kind: type[Any]) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, owner: Resource[Blocking], kind: type[Any]) -> Callable[P, T]: ...
    def __get__(self, owner: Any, kind: type[Any]) -> Any:
        if owner is None:
            return self

        @wraps(self._work)
        def called(*args: P.args, **kwargs: P.kwargs) -> Any:
            return owner._face.call(self._work(owner, *args, **kwargs))

        return called


class listed(Generic[P, T]):
    """An operation that gives one item after the other, on either face."""

    def __init__(self, work: Callable[Concatenate[Any, P], AsyncIterator[T]]) -> None:
        self._work = work
        update_wrapper(cast(Any, self), work)

    @overload
    def __get__(self, owner: None, kind: type[Any]) -> Self: ...
    @overload
    def __get__(self, owner: Resource[Async], kind: type[Any]) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, owner: Resource[Blocking], kind: type[Any]) -> Callable[P, Iterator[T]]: ...
    def __get__(self, owner: Any, kind: type[Any]) -> Any:
        if owner is None:
            return self

        @wraps(self._work)
        def called(*args: P.args, **kwargs: P.kwargs) -> Any:
            return owner._face.iterate(self._work(owner, *args, **kwargs))

        return called
