"""A worker while it serves: what it works at, how much more it can take, and how it comes to an end."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from clew._json import plain
from clew.models import Json
from clew.worker._attempt import Attempt, is_async
from clew.worker._condition import Machine, packages
from clew.worker._kept import Kept
from clew.worker._reports import Line, Outage
from clew.worker._threads import in_thread
from clew.worker.answer import TaskError, failure_of, is_success
from clew.worker.task import task_of

if TYPE_CHECKING:
    from clew.worker.worker import Worker

SIGNALS = (signal.SIGTERM, signal.SIGINT)

BEAT_S = 5.0
"""So long an answer waits at most until the server knows what the worker has by now."""

log = logging.getLogger(__name__)


class Shift:
    """The time in which a worker serves. A transport takes tasks until `closing` is set, has them performed, and waits
    until it is `drained` before it goes."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.closing = asyncio.Event()
        self.kept = Kept(worker.answers)
        self._slots = asyncio.Semaphore(worker.max_concurrent)
        self._attempts: dict[str, Attempt] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._outage = Outage()
        self._machine = Machine()
        self._told: list[Any] | None = None
        self.beat: Callable[[], Awaitable[None]] | None = None
        """Tells the server at once how the worker is, where the transport can."""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            with suppress(NotImplementedError, RuntimeError):  # not on Windows, not outside of the main thread
                loop.add_signal_handler(number, self.close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for number in SIGNALS:
            with suppress(NotImplementedError, RuntimeError):
                asyncio.get_running_loop().remove_signal_handler(number)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.kept.close()

    def close(self) -> None:
        """Take no more; what is under way goes on. The second time it ends at once."""
        if self.closing.is_set():
            for task in self._tasks:
                task.cancel()
        self.closing.set()

    @property
    def free(self) -> int:
        """How many more tasks it can take now."""
        return max(self.worker.max_concurrent - len(self._attempts), 0)

    async def room(self) -> None:
        """Wait until it can take another task."""
        while not self.free:
            self._changed.clear()
            await self._changed.wait()

    async def drained(self) -> bool:
        """Wait until nothing is under way, for the worker's `grace_s` at most; whether that is so."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.worker.grace_s):
                while self._tasks:
                    self._changed.clear()
                    await self._changed.wait()
        if self._tasks:
            log.warning("%d tasks are left behind after %g s", len(self._tasks), self.worker.grace_s)
        return not self._tasks

    async def perform(self, body: Json, message_id: str, line: Line) -> Json:
        """The answer to a task. A request that was answered gets the same answer again, and one that is worked at
        already gets the answer to that, and hears what is reported of it from then on."""
        kept = self.kept.get(message_id)
        if kept is not None:
            return kept
        attempt = self._attempts.get(message_id)
        if attempt is None:
            attempt = self._attempts[message_id] = Attempt(line, self._outage)
            self.hold(self._attempt(attempt, body, message_id))
        else:
            attempt.follow(line)
        return await asyncio.shield(attempt.answer)

    def hold(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that belongs to the shift: it is not drained before that is done."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def cancel(self, task_id: str) -> None:
        """Nobody wants the answer to this task any more."""
        for attempt in self._attempts.values():
            if attempt.task_id == task_id:
                attempt.cancel()

    def ask(self, message_id: str) -> None:
        """Ask at once whether the answer to a request is wanted."""
        if message_id in self._attempts:
            self._attempts[message_id].heartbeat()

    async def condition(self) -> Json:
        """What the server is told of how the worker is: what it can do, what it has, and how much it has to do."""
        worker, working = self.worker, len(self._attempts)
        said: Json = {
            "status": "working" if working else "idle",
            "inventory": {"handlers": worker.handlers, **worker.metadata, "packages": packages()},
            "metrics": {"working": working, "free": self.free, **self._machine.metrics()},
        }
        found = await self._resources()
        if found is not None:
            said["resources"] = self._told = found
        return said

    async def _resources(self) -> list[Any] | None:
        """What the worker alone has now; None where it has not said, or its function has failed."""
        try:
            found = await _asked(self.worker.resources)
            return None if found is None else plain(list(found))
        except Exception:
            log.exception("what the worker has cannot be told")
            return None

    async def _tell_resources(self) -> None:
        """Have the server know what a task has made or used up before its answer: what follows may refer to that."""
        if self.beat is None or self.worker.resources is None:
            return
        found = await self._resources()
        if found is None or found == self._told:
            return
        try:
            async with asyncio.timeout(BEAT_S):
                await self.beat()
        except Exception:
            log.exception("the server does not know yet what the worker has")

    def holding(self) -> list[str]:
        """The message ids of what is under way."""
        return list(self._attempts)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the worker has failed", exc_info=error)

    async def _attempt(self, attempt: Attempt, body: Json, message_id: str) -> None:
        try:
            async with self._slots:
                answer = await self._answer(attempt, body, message_id)
                await self._tell_resources()
            if is_success(answer):
                self.kept.put(message_id, answer)
            attempt.answer.set_result(answer)
        finally:
            attempt.answer.cancel()
            del self._attempts[message_id]

    async def _answer(self, attempt: Attempt, body: Json, message_id: str) -> Json:
        try:
            task = task_of(body, message_id, attempt)
            function = self.worker.function_for(task)
        except ValidationError as error:
            return failure_of(TaskError("worker.task", f"this is no task: {error}", retryable=False))
        except TaskError as error:
            return failure_of(error)
        attempt.task_id = task.task_id
        return await attempt.run(function, task, self.worker.after)


async def _asked(resources: Any) -> Any:
    """What a worker has: as it was given, or as its function says."""
    if not callable(resources):
        return resources
    return await (resources() if is_async(resources) else in_thread(resources))
