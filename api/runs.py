"""Starting runs and forks: which workflow and version, and what they are given."""

from __future__ import annotations

import asyncio
from typing import Any

from api.closing import before
from api.notices import hook_of
from api.schemas import Fork, InjectState, Replay, RunFields, StartAnyRun
from api.times import milliseconds
from api.workflows import Workflows
from engine.claims import Claim
from engine.driver import Engine, StartRequest
from engine.driver.engine import Also
from engine.driver.reader import Reader, parse_checkpoint_id
from engine.driver.travel import Asked
from engine.errors import NotFound
from engine.kinds import BY_REQUEST
from engine.model import START, Push, RunId
from engine.ports import WorkflowRow
from engine.progress import Injection
from engine.render import checkpoint_id, parse_branch, pending_json
from engine.session import OnBusy


class Runs:
    """Begins runs. `closing` is set when the server is to end."""

    def __init__(self, engine: Engine, reader: Reader, workflows: Workflows, closing: asyncio.Event) -> None:
        self.engine, self.reader, self.workflows, self.closing = engine, reader, workflows, closing

    async def start(
        self, workflow_id: str, asked: RunFields, claim: Claim | None = None, pushes: tuple[Push, ...] = ()
    ) -> RunId:
        """Start a run of a stored workflow, of which `pushes` are told; one with a key that has started one is that
        one. Raises NotFound or Invalid."""
        if claim is not None and claim.made is not None:
            return RunId(claim.made)
        return await self._start(await self.workflows.get(workflow_id, asked.version), asked, claim, pushes)

    async def start_version(
        self, row: WorkflowRow, asked: RunFields, claim: Claim, pushes: tuple[Push, ...], actor: str
    ) -> RunId:
        """The same for a version that was read already, by who asks for it. Raises Invalid."""
        return RunId(claim.made) if claim.made is not None else await self._start(row, asked, claim, pushes, actor)

    async def start_any(self, asked: StartAnyRun, claim: Claim | None = None) -> RunId:
        """Start a run of a stored workflow, or of one in the request. Raises NotFound, Conflict or Invalid."""
        if claim is not None and claim.made is not None:
            return RunId(claim.made)
        if asked.workflow_id is not None:
            return await self.start(asked.workflow_id, asked, claim)
        return await self._start(await self.workflows.keep(asked.workflow), asked, claim)

    async def _start(
        self,
        row: WorkflowRow,
        asked: RunFields,
        claim: Claim | None,
        pushes: tuple[Push, ...] = (),
        actor: str = BY_REQUEST,
    ) -> RunId:
        request = StartRequest(
            workflow_id=row.id,
            version=row.version,
            input=asked.input,
            config=asked.config,
            metadata=asked.metadata,
            tags=tuple(dict.fromkeys(asked.tags)),
            interrupt_before=_names(asked.interrupt_before),
            interrupt_after=_names(asked.interrupt_after),
            hook=hook_of(asked.webhook),
            pushes=pushes,
            priority=asked.priority,
            concurrency_key=asked.concurrency_key,
            start_at=None if asked.start_at is None else milliseconds(asked.start_at),
            session=asked.session_id,
            on_busy=OnBusy(asked.on_busy or OnBusy.REJECT),
        )
        return await self.engine.start_run(request, actor, claim)

    async def fork(
        self,
        asked: Fork,
        run_id: str | None = None,
        claim: Claim | None = None,
        also: Also | None = None,
        pushes: tuple[Push, ...] = (),
        actor: str = BY_REQUEST,
    ) -> RunId:
        """Fork a run from a checkpoint, which is one of `run_id` where that is given; `also` is written with it, and
        `pushes` are told of the fork. Raises NotFound, Conflict or Invalid."""
        if claim is not None and claim.made is not None:
            return RunId(claim.made)
        named, _ = parse_checkpoint_id(asked.checkpoint_id)
        seq, hook = _seq_in(run_id or named, asked.checkpoint_id), hook_of(asked.webhook)
        wish = await self.engine.travel.wish(named, seq, _wanted(asked))
        return await self.engine.fork(
            named, seq, wish, asked.config, actor, claim=claim, hook=hook, also=also, pushes=pushes
        )

    async def replay(self, run_id: str, asked: Replay, claim: Claim | None = None) -> None:
        """Begin a new branch at a checkpoint of the run. Raises NotFound, Conflict or Invalid."""
        if claim is not None and claim.made is not None:
            return
        seq, travel = _seq_in(run_id, asked.checkpoint_id), self.engine.travel
        await travel.replay(RunId(run_id), seq, await travel.wish(RunId(run_id), seq, _wanted(asked)), claim=claim)

    async def checkout(self, run_id: str, branch: str) -> None:
        """Go on with another branch. Raises NotFound or Conflict."""
        number = parse_branch(branch)
        if number is None:
            raise NotFound(f"run '{run_id[:80]}' has no branch '{branch[:80]}'")
        await self.engine.travel.checkout(RunId(run_id), number)

    async def inject(self, run_id: str, asked: InjectState, claim: Claim | None = None) -> dict[str, Any]:
        """Write state now, or after a node: the checkpoint, or what waits. Raises NotFound, Conflict or Invalid."""
        travel, node, updates = self.engine.travel, asked.after_node, asked.updates
        found: int | Injection
        if claim is not None and (made := claim.made) is not None:
            put_off = Injection(id=made, node=node or START, updates=updates, actor="api")
            found = int(made) if made.isdecimal() else put_off
        elif node is None:
            found = await travel.inject(RunId(run_id), updates, claim=claim)
        else:
            found = await travel.inject_after(RunId(run_id), node, updates, claim=claim)
        if isinstance(found, int):
            shape = await self.reader.checkpoint(run_id, checkpoint_id(run_id, found))
            return {"checkpoint": shape, "pending": None}
        return {"checkpoint": None, "pending": pending_json(found)}

    async def settle(self, run_id: RunId, seconds: float | None) -> None:
        """Wait until the run is terminal or interrupted, at most for that long, and not beyond the server's end."""
        if seconds:
            with self.engine.loop.guests.away():
                await before(self.closing, self.engine.wait(run_id, seconds))


def _names(given: list[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(dict.fromkeys(given))


def _wanted(asked: Fork | Replay) -> Asked:
    names = (asked.goto,) if isinstance(asked.goto, str) else asked.goto
    return Asked(
        updates=asked.updates, reuse=asked.reuse is not None, reuse_interrupts=asked.reuse_interrupts,
        version=asked.workflow_version,
        goto=None if names is None else tuple(names),
    )  # fmt: skip


def _seq_in(run_id: str, checkpoint: str) -> int:
    """The number of a checkpoint of this run. Raises NotFound where it is none."""
    named, seq = parse_checkpoint_id(checkpoint)
    if named != run_id:
        raise NotFound(f"run '{run_id[:80]}' has no checkpoint '{checkpoint[:80]}'")
    return seq
