"""Plain functions in threads that hold nobody up: a process may end while one of them still runs."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from clew.worker.answer import caught

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` gives, or raises, in a thread of its own."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

    def run() -> None:
        try:
            outcome: tuple[Any, BaseException | None] = (work(), None)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the function was called
            outcome = (None, caught(error))
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, done, outcome)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="clew-task", daemon=True).start()
    value, error = await done
    if error is not None:
        raise error
    return cast(T, value)


def _settle(done: asyncio.Future[Any], outcome: tuple[Any, BaseException | None]) -> None:
    if not done.done():
        done.set_result(outcome)
