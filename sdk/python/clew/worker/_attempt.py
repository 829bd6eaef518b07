"""One attempt at a task, from its slot to its answer."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from clew.models import Json
from clew.worker._reports import Line, Outage, Reports
from clew.worker._threads import in_thread
from clew.worker.answer import Asked, Cancelled, TaskError, answer_of, caught, failure_of
from clew.worker.task import Task

Function = Callable[[Task], Any]
AfterTask = Callable[[Task, Json], Any]

GONE: Json = {"error": {"code": "worker.cancelled", "message": "the task was cancelled", "retryable": False}}

log = logging.getLogger(__name__)


class Attempt:
    """An attempt under way: what it reports goes over `line`, what comes of it is in `answer`."""

    def __init__(self, line: Line, outage: Outage) -> None:
        self.cancelled = False
        self.answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self.task_id = ""
        self._reports = Reports(line, self.cancel, outage)
        self._working: asyncio.Task[Any] | None = None

    # ---- what the task says, from any thread

    def report(self, report: Json) -> None:
        """Pass a report on."""
        self._reports.add(report)

    def follow(self, line: Line) -> None:
        """Report over another line from now on: the request was sent again while it is worked at."""
        self._reports.follow(line)

    def heartbeat(self) -> None:
        """Ask at once whether the answer is wanted."""
        self._reports.wake()

    # ---- what becomes of it

    def cancel(self) -> None:
        """Nobody wants the answer: an async function is cancelled, a plain one ends at its next report."""
        self.cancelled = True
        if self._working is not None:
            self._working.cancel()

    async def run(self, function: Function, task: Task, after: Sequence[AfterTask] = ()) -> Json:
        """Work, and report meanwhile; the answer, with the reports that were not sent. What comes `after` is called
        once the function has begun, however it ends. Never raises for what the functions do."""
        sending = asyncio.create_task(self._reports.run())
        try:
            if self.cancelled:
                return GONE
            body = GONE
            try:
                body = await self._work(function, task)
            finally:
                await _follow(after, task, body)
            self._reports.end()
            await sending
        finally:
            sending.cancel()
        left = self._reports.left()
        return {**body, "events": [*left, *body.get("events", ())]} if left else body

    async def _work(self, function: Function, task: Task) -> Json:
        try:
            return answer_of(await self._called(function, task))
        except Asked as asked:
            return {"interrupt": asked.question}
        except Cancelled as error:
            return self._gone(error, task)
        except TaskError as error:
            log.info("task %s of run %s has failed: %s", task.task_id, task.run_id, error)
            return failure_of(error)
        except Exception as error:
            log.exception("task %s of run %s has failed", task.task_id, task.run_id)
            return failure_of(error)

    def _gone(self, error: Cancelled, task: Task) -> Json:
        """The answer to a task that was cancelled; where it was the worker that was, that goes on. A function that ends
        so by itself, as by waiting for something that it has cancelled, has failed."""
        if self.cancelled:
            return GONE
        if (here := asyncio.current_task()) is not None and here.cancelling():
            raise error
        log.error("task %s of run %s has cancelled itself", task.task_id, task.run_id, exc_info=error)
        return failure_of(RuntimeError("the function was cancelled, by nobody else than itself"))

    async def _called(self, function: Function, task: Task) -> Any:
        if not is_async(function):
            return await in_thread(partial(function, task))
        self._working = asyncio.ensure_future(_guarded(function, task))
        return await self._working


async def _guarded(function: Function, task: Task) -> Any:
    try:
        return await function(task)
    except BaseException as error:
        failure = caught(error)  # some would end the event loop
        if failure is error:
            raise
        raise failure from error


async def _follow(after: Sequence[AfterTask], task: Task, answer: Json) -> None:
    for call in after:
        try:
            await (call(task, answer) if is_async(call) else in_thread(partial(call, task, answer)))
        except Exception:
            log.exception("what follows task %s of run %s has failed", task.task_id, task.run_id)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a function works on the event loop, and not in a thread."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
