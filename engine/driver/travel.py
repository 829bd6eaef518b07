"""Time travel as the outer floors see it: replay, checkout, retry of a failed run, injected state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial
from typing import Any

from engine import injection, travel
from engine.claims import Claim
from engine.commits import Step
from engine.driver.delivery import Delivery
from engine.driver.loading import Loader
from engine.driver.loop import Loop
from engine.driver.turn import Live, Turn
from engine.errors import Conflict, NotFound
from engine.lines import branches_of, jumps_of
from engine.model import START, TERMINAL, RunHead, RunId, RunStatus, seq_of
from engine.progress import Injection
from engine.rebuild import RUN_NOTES, pending_on
from engine.run import Run
from engine.travel import Wish
from engine.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What people ask of a fork or replay."""

    updates: Mapping[str, Any] = field(default_factory=dict)
    reuse: bool = False
    reuse_interrupts: bool = False
    version: int | None = None
    goto: tuple[str, ...] | None = None
    """The nodes to run instead of what was in flight."""


class Travel:
    """What moves a run to another line, or edits it where it stands. Everything is durable on return."""

    def __init__(
        self,
        loop: Loop,
        loader: Loader,
        delivery: Delivery,
        new_id: Callable[[], str],
        claim: Callable[[Turn, Live], None] = lambda turn, live: None,
    ) -> None:
        self.loop, self.loader, self.delivery, self.new_id = loop, loader, delivery, new_id
        self.claim = claim
        self.store = loader.store

    async def wish(self, run_id: RunId, seq: int, asked: Asked) -> Wish:
        """What is asked of a fork or replay at commit `seq`, with the line that it comes from. Raises NotFound."""
        head, reuse, graph = await self._head(run_id), None, None
        if asked.reuse:
            reuse = await self.loader.reusable(head, seq, interrupts=asked.reuse_interrupts)
        if asked.version is not None:
            graph = await self.loader.graph(head.workflow_id, asked.version)
        return Wish(updates=asked.updates, reuse=reuse, goto=asked.goto, graph=graph)

    async def replay(self, run_id: RunId, seq: int, wish: Wish, actor: str = "api", claim: Claim | None = None) -> None:
        """Begin a new branch at commit `seq` of a run. Raises NotFound, Conflict or Invalid."""
        head = await self._head(run_id)
        past = await self.loader.at(head, seq)
        whole = wish.graph is not None
        recall = None if wish.reuse is None else await self.loader.recalled(head, seq, wish.reuse, whole=whole)

        def act(turn: Turn, live: Live) -> None:
            _check_not_cancelled(live)
            to = travel.moved(live.run, past, live.run.last_branch + 1)
            to.recall = recall
            turn.claim(claim, run_id)
            self.move(turn, live, to, travel.replay(to, wish, turn.now, actor))

        await self.loop.on_run(run_id, act, answer_first=True)

    async def checkout(self, run_id: RunId, branch: int, actor: str = "api") -> None:
        """Go on with another branch of a run. Raises NotFound or Conflict."""
        while True:
            head = await self._head(run_id)
            turns = await self.loader.turns(head.key)
            found = [one for one in branches_of(turns, seq_of(head.head)) if one.number == branch]
            if not found:
                raise NotFound(f"run '{run_id}' has no such branch")
            past = await self.loader.left_at(head, found[0].head)
            pending = pending_on(await self.loader.store.task_events(head.key, RUN_NOTES), branch)
            jumps = len(jumps_of(turns))
            to = partial(self._check_out, past=past, branch=branch, jumps=jumps, pending=pending, actor=actor)
            if await self.loop.on_run(run_id, to, answer_first=True):
                return

    def _check_out(
        self, turn: Turn, live: Live,
        *, past: Run, branch: int, jumps: int, pending: Mapping[str, Injection], actor: str,
    ) -> bool:  # fmt: skip
        """Move to a branch; False where the head moved to another line meanwhile, so that `past` may not be newest."""
        _check_not_cancelled(live)
        if live.run.jumps != jumps:
            return False
        if live.run.branch == branch:
            raise Conflict("the run is on this branch already", "branch.current")
        to = travel.moved(live.run, past, branch)
        self.move(turn, live, to, travel.checkout(to, turn.now, actor))
        if to.status is not RunStatus.COMPLETED:
            to.injections.update(pending)
        return True

    def move(self, turn: Turn, live: Live, to: Run, step: Step) -> None:
        """Leave the line that a run is on: its interrupts leave the inbox, its workers and timers are let go. Raises
        Conflict where the run has to wait for another one."""
        if step.commit.status not in TERMINAL:
            self.claim(turn, live)
        left = live.run
        turn.batch.interrupts_ended += [(name, "suspended", turn.now) for name in left.interrupts]
        turn.clear_timers(live)
        live.run = to
        self.delivery.take(turn, live, step)
        self.delivery.leave(turn, left, comes_back=left.status in TERMINAL or left.failing)

    # ---- edits

    async def inject(
        self, run_id: RunId, updates: Mapping[str, Any], actor: str = "api", claim: Claim | None = None
    ) -> int | Injection:
        """Write state now, or, in a run that has not begun, right after its beginning; returns the number of the
        commit, or what waits. Raises NotFound, Conflict or Invalid."""

        def act(turn: Turn, live: Live) -> int | Injection:
            if live.run.status is RunStatus.QUEUED:
                put_off = Injection(id=self.new_id(), node=START, updates=updates, actor=actor)
                return _put_off(turn, live, put_off, claim)
            step = injection.inject(live.run, updates, turn.now, actor)
            self.delivery.take(turn, live, step)
            turn.claim(claim, str(step.commit.seq))
            return step.commit.seq

        return await self.loop.on_run(run_id, act, answer_first=True)

    async def inject_after(
        self, run_id: RunId, node: str, updates: Mapping[str, Any], actor: str = "api", claim: Claim | None = None
    ) -> Injection:
        """Have state written right after the next commit of a node. Raises NotFound, Conflict or Invalid."""
        found = Injection(id=self.new_id(), node=node, updates=updates, actor=actor)

        return await self.loop.on_run(run_id, lambda turn, live: _put_off(turn, live, found, claim), answer_first=True)

    # ---- a failed run

    async def retry(
        self,
        run_id: RunId,
        limits: Mapping[str, Any],
        actor: str = "api",
        also: Callable[[Turn, RunId], None] | None = None,
    ) -> None:
        """Start again what failed; `limits` raise those of the config, `also` is written with it. Raises NotFound,
        Conflict or Invalid."""

        def act(turn: Turn, live: Live) -> None:
            self.again(turn, live, limits, actor, also)

        await self.loop.on_run(run_id, act, answer_first=True)

    def again(
        self,
        turn: Turn,
        live: Live,
        limits: Mapping[str, Any],
        actor: str,
        also: Callable[[Turn, RunId], None] | None = None,
    ) -> None:
        """Have a failed run go on. Raises Conflict or Invalid."""
        step = travel.retry(live.run, limits, turn.now, actor)
        self.claim(turn, live)
        self.delivery.take(turn, live, step)
        if also is not None:
            also(turn, live.run.id)
        self.delivery.go_on(turn, live)

    async def _head(self, run_id: RunId) -> RunHead:
        head = await self.store.run(run_id)
        if head is None:
            raise NotFound(f"there is no run '{run_id}'")
        return head


def _put_off(turn: Turn, live: Live, found: Injection, claim: Claim | None) -> Injection:
    """Have state written later."""
    run = live.run
    injection.check_later(run, found)
    run.injections[found.id] = found
    body = {"id": found.id, "node": found.node, "updates": found.updates, "actor": found.actor}
    turn.note(live, "injection", RUN_NOTES, {**body, "branch": run.branch, "jumps": run.jumps})
    turn.claim(claim, found.id)
    return found


def _check_not_cancelled(live: Live) -> None:
    if live.run.status is RunStatus.CANCELLED:
        raise Conflict("the run is cancelled, which is final; fork it instead", "run.cancelled")
