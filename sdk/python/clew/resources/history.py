"""The history of runs: checkpoints, states, and what differs."""

from __future__ import annotations

from collections.abc import AsyncIterator

from clew._faces import F, Resource, call, listed
from clew._http import path_of
from clew._json import given
from clew.models import Blame, Checkpoint, Comparison, Diff, Json


class History(Resource[F]):
    """The part of `runs` that looks back: checkpoints, states, `/v1/diff`, `/v1/compare`, blame."""

    @listed
    def checkpoints(
        self,
        run_id: str,
        *,
        branch: str | None = None,
        node: str | None = None,
        state: bool = False,
        page: int | None = None,
    ) -> AsyncIterator[Checkpoint]:
        """The commits of a run, newest first; with their states where `state` says so."""
        query = given(branch=branch, node=node, state=state or None, limit=page)
        return self._http.items(Checkpoint, path_of("runs", run_id, "checkpoints"), query)

    @call
    async def checkpoint(self, run_id: str, checkpoint_id: str) -> Checkpoint:
        """One commit. Raises NotFound."""
        return await self._http.get(Checkpoint, path_of("runs", run_id, "checkpoints", checkpoint_id))

    @call
    async def state(self, run_id: str, checkpoint_id: str | None = None) -> Json:
        """The state at a checkpoint, or as it is now."""
        if checkpoint_id is None:
            now = (await self._http.call("GET", path_of("runs", run_id))).json()
            return dict(now["state"])
        path = path_of("runs", run_id, "checkpoints", checkpoint_id, "state")
        return dict((await self._http.call("GET", path)).json())

    @call
    async def diff(self, from_: str, to: str, *, limit: int | None = None, cursor: str | None = None) -> Diff:
        """What changes from one checkpoint to another: a patch of the state, and the tasks that differ."""
        return await self._http.get(Diff, "/diff", {"from": from_, "to": to, **given(limit=limit, cursor=cursor)})

    @call
    async def compare(self, a: str, b: str, *, limit: int | None = None, cursor: str | None = None) -> Comparison:
        """Two runs or checkpoints side by side: where they part, their tasks, a patch, what each used."""
        return await self._http.get(Comparison, "/compare", {"a": a, "b": b, **given(limit=limit, cursor=cursor)})

    @call
    async def blame(
        self,
        run_id: str,
        path: str,
        *,
        checkpoint: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Blame:
        """Who wrote a place in the state (`notes`, `report.lines[3].text`), the last one first."""
        query = {"path": path, **given(checkpoint=checkpoint, limit=limit, cursor=cursor)}
        return await self._http.get(Blame, path_of("runs", run_id, "blame"), query)
