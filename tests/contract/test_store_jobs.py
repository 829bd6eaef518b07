"""Every store keeps jobs with their runs, and marks each run once, with what is done to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.claims import Claim
from engine.errors import Invalid, StaleCommit
from engine.jobs import Action, ItemStatus, Job, JobItem, JobStatus, Target
from engine.model import RunId
from engine.ports import Batch, Store
from tests.contract.samples import NOW, created, run

RUNS = [Target(key, RunId(f"run-{key:04}")) for key in (3, 1, 2)]


def job(name: str = "j", total: int = 3, at: int = NOW) -> Job:
    asked = {"plan": {"start": "first"}, "asked": {"action": "fork"}}
    return Job(
        id=name, action=Action.FORK, asked=asked, status=JobStatus.RUNNING, total=total, created_at=at, updated_at=at
    )


def ended(place: int, status: ItemStatus = ItemStatus.DONE, **more: object) -> JobItem:
    target = RUNS[place]
    found = JobItem(job_id="j", run_key=target.run_key, run_id=target.run_id, status=status, at=NOW + place)
    return replace(found, **more)  # type: ignore[arg-type]


async def statuses(store: Store) -> list[str]:
    items, _ = await store.job_items("j", None, 10, None)
    return [item.status.value for item in items]


async def test_a_job_is_kept_with_its_runs_in_their_order(store: Store) -> None:
    await store.create_job(job(), RUNS)
    items, after = await store.job_items("j", None, 10, None)
    assert await store.job("j") == job()
    assert [(item.run_key, item.run_id, item.status) for item in items] == [
        (one.run_key, one.run_id, ItemStatus.PENDING) for one in RUNS
    ]
    assert (after, await store.job("other"), await store.job_items("other", None, 10, None)) == (None, None, ((), None))


async def test_a_run_is_marked_and_counted_once(store: Store) -> None:
    await store.create_job(job(), RUNS)
    one = ended(0, made=RunId("fork"))
    for _ in range(2):
        await store.commit(Batch(items=[one]))
    failed = ended(1, ItemStatus.FAILED, error_code="run.active", error="it runs")
    await store.commit(Batch(items=[failed, ended(1)]))
    found = await store.job("j")
    assert found is not None
    assert (found.done, found.failed, found.left, found.status) == (1, 1, 1, JobStatus.RUNNING)
    assert found.updated_at == NOW + 1
    assert (await store.job_items("j", None, 2, None))[0] == (one, failed)


async def test_the_last_run_completes_the_job(store: Store) -> None:
    await store.create_job(job(), RUNS)
    await store.commit(Batch(items=[ended(0), ended(2)]))
    await store.commit(Batch(items=[ended(1, ItemStatus.FAILED)]))
    found = await store.job("j")
    assert found is not None
    assert (found.status, found.ended_at, found.done, found.failed) == (JobStatus.COMPLETED, NOW + 1, 2, 1)


async def test_what_is_done_and_that_it_is_done_are_one_transaction(store: Store) -> None:
    await store.create_job(job(), RUNS)
    await store.commit(created(run(1)))
    with pytest.raises(StaleCommit):
        await store.commit(created(run(1), items=[ended(0)]))
    assert await statuses(store) == ["pending"] * 3


async def test_a_cancelled_job_leaves_out_what_is_left(store: Store) -> None:
    await store.create_job(job(), RUNS)
    await store.commit(Batch(items=[ended(0)]))
    assert await store.cancel_job("j", NOW + 5)
    assert not await store.cancel_job("j", NOW + 6)
    assert not await store.cancel_job("other", NOW + 6)
    await store.commit(Batch(items=[ended(1)]))
    found = await store.job("j")
    assert found is not None
    assert (found.status, found.done, found.ended_at) == (JobStatus.CANCELLED, 1, NOW + 5)
    assert await statuses(store) == ["done", "cancelled", "cancelled"]


async def test_lists_come_in_pages(store: Store) -> None:
    for at, name in enumerate(("a", "b", "c")):
        await store.create_job(job(name, at=NOW + at), [])
    await store.create_job(job(), RUNS)
    await store.cancel_job("b", NOW + 9)
    first, cursor = await store.jobs(None, 2, None)
    rest, after = await store.jobs(None, 2, cursor)
    assert ([one.id for one in (*first, *rest)], after) == (["j", "c", "b", "a"], None)
    assert [one.id for one in (await store.jobs("running", 9, None))[0]] == ["j", "c", "a"]
    some, cursor = await store.job_items("j", "pending", 2, None)
    more, after = await store.job_items("j", "pending", 2, cursor)
    assert ([one.run_key for one in (*some, *more)], after) == ([3, 1, 2], None)
    for read in (store.jobs(None, 2, "x"), store.job_items("j", None, 2, "x")):
        with pytest.raises(Invalid):
            await read


async def test_a_job_is_written_with_the_key_that_it_was_asked_with(store: Store) -> None:
    await store.create_job(job(), RUNS, Claim(scope="POST /v1/runs/bulk", key="k", fingerprint="f"))
    kept = await store.claim("POST /v1/runs/bulk", "k")
    assert kept is not None and kept.made == "j"
