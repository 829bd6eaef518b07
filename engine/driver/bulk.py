"""Jobs at work: each deals with its runs, many at a time, and goes on after a restart with those that are left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from engine.claims import Claim
from engine.driver.engine import Also, Engine
from engine.driver.pages import Line
from engine.driver.travel import Asked
from engine.driver.turn import Turn
from engine.errors import Draining, EngineError, Invalid, NotFound, StoreUnavailable, stable_code
from engine.jobs import Action, ItemStatus, Job, JobItem, JobStatus, Plan, Preview, Start, Target, refusal
from engine.lines import line_to
from engine.model import Kind, RunHead, RunId, RunStatus, seq_of
from engine.ports import RunFilter
from engine.values import replace

AT_ONCE = 32
"""So many runs of a job are dealt with at a time."""
PAGE = 256
SHOWN = 100
"""So many runs are named by a preview."""
LOOKED = 1000

log = structlog.get_logger(__name__)


class _Pause(Exception):
    """Nothing can be done for now; what is left is done later."""


class Bulk:
    """Begins jobs and does them. What is done to a run and what is noted of it are one transaction; a deletion, which
    is found to be done where the run is gone, is noted after it."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.store = engine, engine.store
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping: set[str] = set()

    async def open(self) -> None:
        """Go on with every job that is not over."""
        cursor = None
        while True:
            found, cursor = await self.store.jobs(JobStatus.RUNNING, PAGE, cursor)
            for job in found:
                self._start(job)
            if cursor is None:
                return

    async def close(self) -> None:
        """Stop where the jobs are; idempotent."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    # ---- asking

    async def preview(self, action: Action, where: RunFilter, names: Sequence[RunId] | None) -> Preview:
        """What a job would deal with, and which of the first runs stand against it. Raises NotFound."""
        heads = await self._heads(where, names)
        first = heads[:SHOWN]
        refused = {head.id: why for head in first if (why := refusal(action, head)) is not None}
        return Preview(total=len(heads), runs=tuple(head.id for head in first), refused=refused)

    async def begin(
        self,
        action: Action,
        where: RunFilter,
        names: Sequence[RunId] | None,
        plan: Plan,
        asked: object,
        claim: Claim | None = None,
    ) -> Job:
        """Begin a job on the runs that there are now; it is durable on return. Raises NotFound or Draining."""
        self.engine.require_beginning()
        targets = [Target(head.key, head.id) for head in await self._heads(where, names)]
        if action is Action.DELETE:  # forks before what they were forked from
            targets.sort(key=lambda target: -target.run_key)
        now = self.engine.clock()
        job = Job(
            id=self.engine.new_id(), action=action, asked={"plan": plan.as_json(), "asked": asked}, total=len(targets),
            status=JobStatus.RUNNING if targets else JobStatus.COMPLETED, created_at=now, updated_at=now,
            ended_at=None if targets else now,
        )  # fmt: skip
        await self.store.create_job(job, targets, claim)
        if targets:
            self._start(job)
        return job

    async def job(self, job_id: str) -> Job:
        """A job as it stands. Raises NotFound."""
        found = await self.store.job(job_id)
        if found is None:
            raise NotFound(f"there is no job '{job_id[:80]}'")
        return found

    async def wait(self, job_id: str, timeout_s: float) -> None:
        """Return when a job is over, or the time is up."""
        if (task := self._tasks.get(job_id)) is not None:
            await asyncio.wait([task], timeout=timeout_s)

    async def cancel(self, job_id: str) -> Job:
        """Deal with no more runs; those that it has begun with are dealt with on return. Raises NotFound."""
        await self.job(job_id)
        self._stopping.add(job_id)
        try:
            if (task := self._tasks.get(job_id)) is not None:
                await asyncio.wait([task])
            await self.store.cancel_job(job_id, self.engine.clock())
        finally:
            self._stopping.discard(job_id)
        return await self.job(job_id)

    async def _heads(self, where: RunFilter, names: Sequence[RunId] | None) -> list[RunHead]:
        if names is not None:
            return [await self._head(name) for name in dict.fromkeys(names)]
        found, cursor = list[RunHead](), None
        while True:
            page = await self.store.runs(where, LOOKED, cursor)
            found += page.items
            if (cursor := page.next_cursor) is None:
                return found
            await asyncio.sleep(0)

    async def _head(self, run_id: RunId) -> RunHead:
        head = await self.store.run(run_id)
        if head is None:
            raise NotFound(f"there is no run '{run_id[:80]}'")
        return head

    # ---- working

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._work(job), name=f"job {job.id}")
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.id, None))

    async def _work(self, job: Job) -> None:
        plan, pause_s = Plan.of_json(job.asked["plan"]), self.engine.loop.options.retry_store_ms / 1000
        while job.id not in self._stopping:
            try:
                left, _ = await self.store.job_items(job.id, ItemStatus.PENDING, PAGE, None)
                if not left:
                    break
                await self._deal_with(job, plan, left)
            except (_Pause, StoreUnavailable):
                await asyncio.sleep(pause_s)
            except Exception:  # the root of a job: it goes on with the next restart
                log.exception("job.broken", job_id=job.id)
                return
        log.info("job.over", job_id=job.id, action=job.action.value)

    async def _deal_with(self, job: Job, plan: Plan, items: Sequence[JobItem]) -> None:
        """Deal with some of its runs, a few at a time. Raises _Pause once nothing can be done; then all are at rest."""
        todo = iter(items)

        async def one_by_one() -> None:
            for item in todo:
                if job.id in self._stopping:
                    return
                await self._one(job, plan, item)

        at_once = 1 if job.action is Action.DELETE else AT_ONCE  # in their order
        outcomes = await asyncio.gather(*(one_by_one() for _ in range(at_once)), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _one(self, job: Job, plan: Plan, item: JobItem) -> None:
        try:
            await self._act(job, plan, item)
        except (StoreUnavailable, Draining) as error:
            raise _Pause from error
        except EngineError as error:
            failed = replace(item, status=ItemStatus.FAILED, error_code=stable_code(error), error=error.message)
            await self._note(failed)
        except Exception as error:  # the root of an item: whatever it is, the others go on
            log.exception("job.item_failed", job_id=job.id, run_id=item.run_id)
            what = f"it could not be dealt with: {type(error).__name__}"
            await self._note(replace(item, status=ItemStatus.FAILED, error_code="internal", error=what))

    async def _act(self, job: Job, plan: Plan, item: JobItem) -> None:
        engine, done = self.engine, _done(item, job.action)
        match job.action:
            case Action.FORK:
                head = await self._head(item.run_id)
                seq = await self._seq(head, plan.start)
                asked = Asked(
                    updates=plan.updates, reuse=plan.reuse, reuse_interrupts=plan.reuse_interrupts,
                    version=plan.version, goto=plan.goto,
                )  # fmt: skip
                wish = await engine.travel.wish(head.id, seq, asked)
                await engine.fork(head.id, seq, wish, plan.config, job.actor, also=done)
            case Action.RETRY:
                await engine.travel.retry(item.run_id, plan.config, job.actor, also=done)
            case Action.CANCEL:
                await engine.cancel(item.run_id, job.actor, also=done)
            case Action.DELETE:
                if await self.store.run(item.run_id) is not None:  # else it was deleted before, and not noted
                    await engine.delete(item.run_id)
                await self._note(replace(item, status=ItemStatus.DONE))

    async def _note(self, item: JobItem) -> None:
        try:
            await self.engine.loop.write(lambda turn: turn.batch.items.append(replace(item, at=turn.now)))
        except StoreUnavailable as error:
            raise _Pause from error

    async def _seq(self, head: RunHead, start: Start) -> int:
        """The number of the checkpoint that a run is forked from."""
        newest = seq_of(head.head)
        if start is Start.FIRST:
            return 1
        if start is Start.LAST or head.status is not RunStatus.FAILED:
            return newest
        line = Line(self.store, head, line_to(await self.engine.loader.turns(head.key), newest))
        failed, before = None if head.error is None else head.error.task_id, newest + 1
        while rows := await line.page(before, AT_ONCE):
            for row in rows:
                if row.kind == Kind.FAILURE and failed in (None, row.task_id) and row.parent is not None:
                    return seq_of(row.parent)
            before = rows[-1].seq
        raise Invalid("the run has no checkpoint before its failure; fork it from its first", "bulk.no_good_checkpoint")


def _done(item: JobItem, action: Action) -> Also:
    """Notes that a run was dealt with, in the transaction that does it."""

    def note(turn: Turn, made: RunId) -> None:
        ended = replace(item, status=ItemStatus.DONE, made=made if action is Action.FORK else None, at=turn.now)
        turn.batch.items.append(ended)

    return note
