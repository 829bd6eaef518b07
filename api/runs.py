"""Starting runs and forks: which workflow and version, and what they are given."""

from __future__ import annotations

import asyncio

from api.closing import before
from api.schemas import Fork, RunFields, StartAnyRun
from api.workflows import Workflows
from engine.claims import Claim
from engine.driver import Engine, StartRequest
from engine.driver.reader import parse_checkpoint_id
from engine.errors import NotFound
from engine.model import RunId
from engine.ports import WorkflowRow


class Runs:
    """Begins runs. `closing` is set when the server is to end."""

    def __init__(self, engine: Engine, workflows: Workflows, closing: asyncio.Event) -> None:
        self.engine, self.workflows, self.closing = engine, workflows, closing

    async def start(self, workflow_id: str, asked: RunFields, claim: Claim | None = None) -> RunId:
        """Start a run of a stored workflow; one with a key that has started one is that one. Raises NotFound or
        Invalid."""
        if claim is not None and claim.made is not None:
            return RunId(claim.made)
        return await self._start(await self.workflows.get(workflow_id, asked.version), asked, claim)

    async def start_any(self, asked: StartAnyRun, claim: Claim | None = None) -> RunId:
        """Start a run of a stored workflow, or of one in the request. Raises NotFound, Conflict or Invalid."""
        if claim is not None and claim.made is not None:
            return RunId(claim.made)
        if asked.workflow_id is not None:
            return await self.start(asked.workflow_id, asked, claim)
        return await self._start(await self.workflows.keep(asked.workflow), asked, claim)

    async def _start(self, row: WorkflowRow, asked: RunFields, claim: Claim | None) -> RunId:
        request = StartRequest(
            workflow_id=row.id,
            version=row.version,
            input=asked.input,
            config=asked.config,
            metadata=asked.metadata,
            tags=tuple(dict.fromkeys(asked.tags)),
        )
        return await self.engine.start_run(request, claim=claim)

    async def fork(self, asked: Fork, run_id: str | None = None, claim: Claim | None = None) -> RunId:
        """Fork a run from a checkpoint, which is one of `run_id` where that is given. Raises NotFound, Conflict or
        Invalid."""
        if claim is not None and claim.made is not None:
            return RunId(claim.made)
        named, seq = parse_checkpoint_id(asked.checkpoint_id)
        if run_id not in (None, named):
            raise NotFound(f"run '{run_id}' has no checkpoint '{asked.checkpoint_id[:80]}'")
        return await self.engine.fork(named, seq, asked.updates, asked.config, claim=claim)

    async def settle(self, run_id: RunId, seconds: float | None) -> None:
        """Wait until the run is terminal or interrupted, at most for that long, and not beyond the server's end."""
        if seconds:
            await before(self.closing, self.engine.wait(run_id, seconds))
