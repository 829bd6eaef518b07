"""The `local` protocol: a Python function in the server's own process, for development and tests.

Its address is `module:function` or `path.py:function`; a file that has changed is read again. The function gets the
task and returns the answer. An `async` one runs on the event loop, which it must not hold up; a plain one in a thread.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Awaitable, Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import structlog

from dispatch._about import about
from dispatch._envelope import Envelope
from dispatch._transport import Tools, Transport, refused
from engine.answer import unreadable
from engine.codec import CodecError, dumps, loads
from engine.outbox import Answered, Refused, Reply, Unreachable
from engine.ports import WorkerRow

IN_PROCESS = True
"""Whoever can register such a worker can run code as the server: it has to be allowed."""

log = structlog.get_logger(__name__)


def open_transport(tools: Tools) -> Local:
    return Local()


def check_address(address: str) -> str | None:
    """What is wrong with the name of a function, or None."""
    place, _, name = address.rpartition(":")
    known = place.endswith(".py") or all(part.isidentifier() for part in place.split("."))
    return None if known and name.isidentifier() else "a function is named `module:function` or `path.py:function`"


class Missing(Exception):
    """There is no such function, for now."""


class Local(Transport):
    """Calls functions. One that nobody waits for any more is cancelled with its delivery where it is async; a plain one
    goes on in its thread, and what it returns is dropped."""

    def __init__(self) -> None:
        self._files: dict[Path, tuple[int, ModuleType]] = {}
        self._loading = asyncio.Lock()

    async def deliver(self, worker: WorkerRow, task: Envelope, timeout_s: float) -> Reply:
        try:
            async with self._loading:
                function = await _in_thread(lambda: self._function(worker.url or ""))
        except Missing as missing:
            log.warning("local.missing", **about(), worker_id=worker.id, error=str(missing))
            return Unreachable(message=str(missing))
        try:
            answer = await _called(function, loads(task.body))
        except Exception as error:  # whatever a function of somebody else raises is the failure of this attempt
            log.info("local.failed", **about(), worker_id=worker.id, exc_info=error)
            return _failure(error)
        try:
            text = dumps(answer)
            return Answered(body=loads(text), raw=text)
        except CodecError as error:
            code, retryable = unreadable(error)
            return refused(code, f"the function returned what cannot be kept: {error}", retryable=retryable)

    def _function(self, address: str) -> Callable[[Any], Any]:
        """Raises Missing."""
        place, _, name = address.rpartition(":")
        try:
            module = self._file(Path(place).resolve()) if place.endswith(".py") else importlib.import_module(place)
            function = getattr(module, name)
        except (Exception, SystemExit) as error:  # a module may do anything while it is imported
            raise Missing(f"{address}: {type(error).__name__}: {error}") from error
        if not callable(function):
            raise Missing(f"{address} is no function")
        return function  # type: ignore[no-any-return]  # whatever it is, it can be called

    def _file(self, path: Path) -> ModuleType:
        changed = path.stat().st_mtime_ns
        known = self._files.get(path)
        if known is not None and known[0] == changed:
            return known[1]
        spec = spec_from_file_location(f"clew_local_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise Missing(f"{path} cannot be imported")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        self._files[path] = (changed, module)
        return module


async def _called(function: Callable[[Any], Any], task: Any) -> Any:
    if inspect.iscoroutinefunction(function):
        return await _awaited(function(task))
    found = await _in_thread(lambda: function(task))
    return await _awaited(found) if inspect.isawaitable(found) else found


async def _awaited(answer: Awaitable[Any]) -> Any:
    """What an async function gives. What it raises is its failure alone: it runs on the loop that everything runs on,
    and what ends a program, or says that it was cancelled while nobody cancelled it, would end or hold up that."""
    try:
        return await answer
    except asyncio.CancelledError as error:
        if (here := asyncio.current_task()) is not None and here.cancelling():
            raise
        raise RuntimeError("the function was cancelled, by nobody else than itself") from error
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        raise RuntimeError(repr(error)) from error


def _failure(error: Exception) -> Refused:
    """An exception may have the fields of an error: a text as `code`, `retryable`, `details`."""
    code, retryable = getattr(error, "code", None), getattr(error, "retryable", None)
    return refused(
        code if isinstance(code, str) else "worker.exception",
        str(error) or type(error).__name__,
        retryable=retryable if isinstance(retryable, bool) else True,
        details=getattr(error, "details", None) or {"type": type(error).__name__},
    )


async def _in_thread(work: Callable[[], Any]) -> Any:
    """Do something in a thread of its own, which does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(value)
        else:
            kept = isinstance(error, Exception) and not isinstance(error, StopIteration)  # a future cannot hold others
            done.set_exception(error if kept else RuntimeError(repr(error)))

    def run() -> None:
        value, failure = None, None
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - SystemExit too would end a thread without a word
            failure = error
        try:
            loop.call_soon_threadsafe(settle, value, failure)
        except RuntimeError:  # the loop is closed: nobody waits
            return

    Thread(target=run, name="clew-local", daemon=True).start()
    return await done
