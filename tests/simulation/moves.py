"""Runs of the simulation moved to another store, at any point of their lives: nothing of them may change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from engine.driver.exporting import Export
from engine.driver.importing import Import
from engine.driver.loading import Loader
from engine.driver.spool import Spool
from engine.graph import Graph
from engine.model import RunId
from engine.parse import load
from engine.ports import Batch, InterruptRow, Store, WorkflowRow
from engine.record import decode
from engine.run import Run
from engine.verify import verify_run
from store.memory import MemoryStore
from tests.fakes import ready
from tests.simulation.fate import Violation
from tests.simulation.world import World

KEYS_APART = 1000
"""The keys of the other store begin so much later."""

GraphOf = Callable[[str, int], Awaitable[Graph]]


def check_move(world: World) -> None:
    """Write the run in memory as a file, take that in elsewhere and write it again: it has to be the same file, and the
    same run, in which nothing is wrong."""

    async def graph(workflow_id: str, version: int) -> Graph:
        return world.graphs[version]

    name, here, there = world.head.id, stored(world), MemoryStore()
    before = exported(here, graph, name)
    ready(take_in(there, graph, before))
    after = exported(there, graph, name)
    if before != after:
        lines = zip(before.splitlines(), after.splitlines(), strict=False)
        one, other = next(pair for pair in lines if pair[0] != pair[1])
        raise Violation(f"a run that was moved is written otherwise: {one!r} became {other!r}")
    report = ready(verify_run(there, name, graph))
    if report.problems:
        raise Violation("verify of a run that was moved: " + "; ".join(report.problems))
    one, other = (ready(_at_head(store, graph, name)) for store in (here, there))
    if _standing(one) != _standing(other):
        raise Violation(f"a run that was moved stands otherwise: {_standing(one)} became {_standing(other)}")


def exported(store: Store, graph: GraphOf, name: RunId) -> bytes:
    """A run as a file."""

    async def written() -> bytes:
        return b"".join([line async for line in Export(store, Loader(store, graph)).lines(name)])

    return ready(written())


async def take_in(store: Store, graph: GraphOf, text: bytes) -> None:
    """Take a file in."""
    keys = iter(range(KEYS_APART, 2 * KEYS_APART))
    with Spool() as spool:
        spool.write(text)
        work = Import(store, load, lambda: next(keys), lambda: 0, 64)
        await work.take(spool, Export(store, Loader(store, graph)), None)


async def _at_head(store: Store, graph: GraphOf, name: RunId) -> Run:
    head = await store.run(name)
    assert head is not None
    return await Loader(store, graph).at_head(head)


def _standing(run: Run) -> tuple[object, ...]:
    """What of a run has to be the same, whatever the keys of its store are."""
    tasks = [(task.id, task.wave, progress.status, progress.attempt) for task, progress in _open(run)]
    return run.history.shown(), run.status, sorted(tasks), sorted(run.interrupts), run.usage, run.timeout_at


def _open(run: Run) -> Any:
    return ((run.tasks[name], progress) for name, progress in run.progress.items())


def stored(world: World) -> MemoryStore:
    """A store of its own with what is durable in a world."""
    kept, store = world.store, MemoryStore()
    rows = [row for rows in kept.rows.values() for row in rows]
    ready(
        store.commit(
            Batch(
                created=[*kept.heads.values()],
                heads=kept.heads,
                commits=rows,
                events=[event for events in kept.noted.values() for event in events],
                timers=[timer for timers in kept.due.values() for timer in timers.values()],
                interrupts=[_interrupt(world, row.run_key, row) for row in rows if _asks(world, row)],
            )
        )
    )
    for graph in world.graphs.values():
        row = WorkflowRow(
            id=graph.workflow_id, version=graph.version, document=graph.document, status="active", source="api",
            created_at=0, updated_at=0,
        )  # fmt: skip
        ready(store.put_workflow(row))
    return store


def _asks(world: World, row: Any) -> bool:
    asked = decode(row).interrupt
    return asked is not None and asked.id in world.store.asked


def _interrupt(world: World, key: int, row: Any) -> InterruptRow:
    asked = decode(row).interrupt
    assert asked is not None
    return InterruptRow(
        id=asked.id, run_key=key, run_id=world.store.heads[key].id, task_id=asked.task_id, node=asked.node,
        kind=asked.kind, message=asked.message, schema=asked.schema, actions=asked.actions,
        status=world.store.asked[asked.id][1], created_at=row.at, expires_at=asked.expires_at,
    )  # fmt: skip
