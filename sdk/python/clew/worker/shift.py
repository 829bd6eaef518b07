"""A worker while it serves: what it works at, how much more it can take, and how it comes to an end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from clew.models import Json
from clew.worker._attempt import Attempt
from clew.worker._kept import Kept
from clew.worker._reports import Line
from clew.worker.answer import TaskError, failure_of, is_success
from clew.worker.task import task_of

if TYPE_CHECKING:
    from clew.worker.worker import Worker

SIGNALS = (signal.SIGTERM, signal.SIGINT)

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
        already gets the answer to that."""
        kept = self.kept.get(message_id)
        if kept is not None:
            return kept
        attempt = self._attempts.get(message_id)
        if attempt is None:
            attempt = self._attempts[message_id] = Attempt(line)
            self.hold(self._attempt(attempt, body, message_id))
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

    def condition(self) -> dict[str, Any]:
        """What the server is told of how the worker is: what it can do, and how much it has to do."""
        worker = self.worker
        metrics: dict[str, Any] = {"working": len(self._attempts), "free": self.free}
        with suppress(OSError, AttributeError):  # not everywhere
            metrics["load"] = round(os.getloadavg()[0], 2)
        return {"inventory": {"handlers": worker.handlers, **worker.metadata}, "metrics": metrics}

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
        return await attempt.run(function, task)
