"""Runs: started, followed, answered, and led back in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Unpack

from clew._faces import F, call, listed
from clew._http import path_of
from clew._json import given
from clew.fields import ForkFields, LineFields, Mode, RunFields, RunFilters
from clew.models import BegunRun, Event, Injected, Json, Run, RunEvent, RunSummary, RunTask, TaskRecord
from clew.resources._runs import filters_of, following, line_of, run_fields
from clew.resources.history import History


class Runs(History[F]):
    """`/v1/runs`."""

    @call
    async def start(
        self,
        workflow: str | Json,
        input: Json | None = None,
        *,
        wait: float | None = None,
        key: str | None = None,
        **fields: Unpack[RunFields],
    ) -> Run:
        """Start a run of a stored workflow, by its id, or of a document that comes along.

        With `wait` (seconds, 300 at most) the run is as it is when it is over or interrupted, or the time is up.
        `key` is the Idempotency-Key; one is made where there is none. Raises NotFound, Invalid or Conflict.
        """
        body = run_fields(workflow, input, fields)
        return await self._http.create(Run, "/runs", body, key=key, query=given(wait=wait), wait_s=wait or 0.0)

    @call
    async def get(self, run_id: str) -> Run:
        """The run with its state, tasks and open interrupts. Raises NotFound."""
        return await self._http.get(Run, path_of("runs", run_id))

    @listed
    def list(
        self, *, metadata: Mapping[str, str] | None = None, page: int | None = None, **filters: Unpack[RunFilters]
    ) -> AsyncIterator[RunSummary]:
        """All runs that fit, newest first. `page` is how many are fetched at once."""
        return self._http.items(RunSummary, "/runs", {**filters_of(metadata, filters), **given(limit=page)})

    @listed
    def stream(
        self,
        run_id: str,
        modes: Mode | Sequence[Mode] = ("updates",),
        *,
        after: str | None = None,
        from_now: bool = False,
        until: str | None = None,
    ) -> AsyncIterator[Event]:
        """What happens in a run, from its beginning or after an event, to its end.

        The stream goes on by itself after a lost connection or a restart of the server: nothing is lost, nothing comes
        twice. It ends after `end`, and with `until="interrupted"` also when the run is interrupted. `modes` is one of
        values, updates, tasks, custom and debug, or several of them.
        """
        return following(self._http, run_id, modes, after, from_now, until)

    @call
    async def wait(self, run_id: str, timeout: float | None = None) -> Run:
        """The run, once it is over or interrupted; or as it is when `timeout` seconds have passed."""
        found = await self._http.get(Run, path_of("runs", run_id))
        if found.is_at_rest:
            return found
        try:
            async with asyncio.timeout(timeout), aclosing(following(self._http, run_id, ("custom",))) as events:
                async for event in events:
                    # The stream begins with what has happened: an interrupt in it may have been answered long ago.
                    if isinstance(event, RunEvent) and event.data.status == "interrupted":
                        found = await self._http.get(Run, path_of("runs", run_id))
                        if found.is_at_rest:
                            return found
        except TimeoutError:
            pass
        return await self._http.get(Run, path_of("runs", run_id))

    @call
    async def resume(self, run_id: str, resume: Any = None, *, updates: Json | None = None) -> Run:
        """Answer the open interrupts of a run: with a value, or with values by interrupt id."""
        body = {"resume": resume, **given(updates=updates)}
        return await self._http.post(Run, path_of("runs", run_id, "resume"), body)

    @call
    async def inject(self, run_id: str, updates: Json, *, after_node: str | None = None) -> Injected:
        """Write state into a run: now, or right after the next commit of a node."""
        body = {"updates": updates, **given(after_node=after_node)}
        return await self._http.post(Injected, path_of("runs", run_id, "state"), body)

    @call
    async def replay(self, run_id: str, checkpoint_id: str, **line: Unpack[LineFields]) -> BegunRun:
        """Begin a new branch of a run at a checkpoint, and go on there."""
        return await self._http.post(BegunRun, path_of("runs", run_id, "replay"), line_of(checkpoint_id, line))

    @call
    async def fork(self, checkpoint_id: str, *, key: str | None = None, **line: Unpack[ForkFields]) -> BegunRun:
        """Start a new run from a checkpoint of any run."""
        return await self._http.create(BegunRun, "/runs/fork", line_of(checkpoint_id, line), key=key)

    @call
    async def checkout(self, run_id: str, branch: str) -> Run:
        """Have a run go on on another of its branches."""
        return await self._http.post(Run, path_of("runs", run_id, "branches", branch, "checkout"))

    @call
    async def retry(self, run_id: str, *, config: Json | None = None) -> Run:
        """Start again what failed; `config` raises limits. Raises Conflict for a run that has not failed."""
        return await self._http.post(Run, path_of("runs", run_id, "retry"), given(config=config))

    @call
    async def cancel(self, run_id: str) -> Run:
        """Cancel a run: final and immediate."""
        return await self._http.post(Run, path_of("runs", run_id, "cancel"))

    @call
    async def delete(self, run_id: str) -> None:
        """Delete a run that is over, with all it owns."""
        await self._http.call("DELETE", path_of("runs", run_id))

    @listed
    def tasks(self, run_id: str, *, page: int | None = None) -> AsyncIterator[RunTask]:
        """The tasks of a run, the open ones first, then the last finished."""
        return self._http.items(RunTask, path_of("runs", run_id, "tasks"), given(limit=page))

    @call
    async def task(self, run_id: str, task_id: str) -> TaskRecord:
        """A task with input, output, attempts and log lines."""
        return await self._http.get(TaskRecord, path_of("runs", run_id, "tasks", task_id))
