"""What stores promise that keep what was written: it is there again, whoever opens the address next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import StaleCommit, StoreUnavailable
from engine.model import TaskId, make_ref
from engine.ports import Batch, RunFilter, Store
from tests.contract.samples import NOW, commit, created, event, interrupt, run, step, timer, worker, workflow

Reopen = Callable[[], Store]


async def everything(store: Store) -> list[Any]:
    return [
        (await store.runs(RunFilter(), 100, None)).items,
        [await store.commits(key, 1, 100) for key in (1, 2, 3)],
        [await store.events(key, 0, 100) for key in (1, 2, 3)],
        [await store.timers(key) for key in (1, 2, 3)],
        (await store.interrupts(None, None, 100, None)).items,
        await store.workflow_versions("review"),
        await store.workers(),
        await store.next_run_key(),
        await store.active_runs(),
    ]


async def test_everything_is_there_again(reopen: Reopen) -> None:
    store = reopen()
    await store.open()
    await store.commit(created(run(1, input={"a": [1]}), run(2), run(3)))
    await store.commit(step(run(1), 1))
    await store.commit(
        Batch(
            events=[event(1, 1), event(2, 1)],
            timers=[timer(1, "a"), timer(2, "b")],
            timers_cleared=[(2, TaskId("b"))],
            interrupts=[interrupt("i1"), interrupt("i2", 2)],
            interrupts_ended=[("i1", "resolved", NOW)],
        )
    )
    await store.put_workflow(workflow("review", 1))
    await store.set_workflow_status("review", "active", NOW + 5)
    await store.put_worker(worker(), create=True)
    await store.delete_run(3)
    before = await everything(store)
    await store.close()

    again = reopen()
    await again.open()
    assert await everything(again) == before
    await again.commit(step(run(1), 2))
    with pytest.raises(StaleCommit):
        await again.commit(step(run(1), 1))
    await again.close()


async def test_a_store_can_be_closed_twice_and_opened_again(reopen: Reopen) -> None:
    store = reopen()
    await store.close()
    await store.open()
    await store.commit(created(run(1), commits=[commit(1, 1)], heads={1: run(1, head=make_ref(1, 1))}))
    await store.close()
    await store.close()
    await store.open()
    assert await store.commits(1, 1, 9) == [commit(1, 1)]
    await store.close()


async def test_a_closed_store_is_unavailable(reopen: Reopen) -> None:
    store = reopen()
    await store.open()
    await store.ping()
    await store.close()
    for call in (store.ping(), store.run_by_key(1), store.commit(created(run(1))), store.delete_run(1)):
        with pytest.raises(StoreUnavailable):
            await call
