"""What every store promises of workflows, workers, and of deleting runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import Conflict, NotFound
from engine.model import RunStatus, TaskId, make_ref
from engine.ports import RunFilter, Store
from tests.contract.samples import NOW, commit, created, event, interrupt, run, timer, worker, workflow

# ---- workflows


async def test_a_workflow_is_read_as_it_was_written(store: Store) -> None:
    told = workflow("review", 3, name="Reviews", tags=("a", "b"), document={"nodes": [1, None, "é"]}, source="file")
    await store.put_workflow(told)
    assert await store.workflow("review") == told
    assert await store.workflow("review", 3) == told
    assert await store.workflow("review", 2) is None
    assert await store.workflow("other") is None


async def test_the_newest_version_is_the_one_with_the_highest_number(store: Store) -> None:
    for version in (1, 3, 2):
        await store.put_workflow(workflow("review", version))
    newest = await store.workflow("review")
    assert newest is not None
    assert newest.version == 3
    assert [row.version for row in await store.workflow_versions("review")] == [3, 2, 1]
    assert await store.workflow_versions("other") == []


async def test_a_version_that_exists_is_refused(store: Store) -> None:
    await store.put_workflow(workflow("review", 1))
    with pytest.raises(Conflict) as told:
        await store.put_workflow(workflow("review", 1, document={}, status="active"))
    assert told.value.conflict == "workflow.exists"
    assert await store.workflow("review") == workflow("review", 1)


async def test_a_status_is_that_of_all_versions(store: Store) -> None:
    await store.put_workflow(workflow("review", 1))
    await store.put_workflow(workflow("review", 2))
    await store.put_workflow(workflow("other", 1))
    await store.set_workflow_status("review", "active", NOW + 50)
    newest, first = await store.workflow_versions("review")
    assert newest == workflow("review", 2, status="active", updated_at=NOW + 50)
    assert first == workflow("review", 1, status="active")
    assert await store.workflow("other") == workflow("other", 1)


async def test_a_new_version_brings_its_status(store: Store) -> None:
    await store.put_workflow(workflow("review", 1))
    await store.set_workflow_status("review", "archived", NOW + 50)
    await store.put_workflow(workflow("review", 2, status="draft", updated_at=NOW + 60))
    assert {row.status for row in await store.workflow_versions("review")} == {"draft"}


async def test_an_older_version_changes_neither_status_nor_place(store: Store) -> None:
    await store.put_workflow(workflow("review", 2, status="active"))
    await store.put_workflow(workflow("review", 1, status="draft", updated_at=NOW + 99))
    assert await store.workflow("review") == workflow("review", 2, status="active")


async def test_the_status_of_an_unknown_workflow_cannot_be_set(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.set_workflow_status("nobody", "active", NOW)


# ---- workers


async def test_a_worker_is_read_as_it_was_written(store: Store) -> None:
    told = worker(
        "w", tags=("gpu", "eu"), max_concurrent=7, token="t", secret="s", headers={"X-Key": "k"}, model="m",
        health="/h", status="draining", metadata={"a": [1]}, created_at=NOW, updated_at=NOW + 1,
    )  # fmt: skip
    await store.put_worker(told, create=True)
    assert await store.worker("w") == told
    assert await store.worker("other") is None


async def test_workers_are_listed_by_id(store: Store) -> None:
    for name in ("c", "a", "b"):
        await store.put_worker(worker(name), create=True)
    assert [row.id for row in await store.workers()] == ["a", "b", "c"]


async def test_the_id_of_a_worker_is_taken_once(store: Store) -> None:
    await store.put_worker(worker("w"), create=True)
    with pytest.raises(Conflict) as told:
        await store.put_worker(worker("w", url="http://other"), create=True)
    assert told.value.conflict == "worker.exists"
    assert await store.workers() == [worker("w")]


async def test_a_worker_is_replaced_whole(store: Store) -> None:
    await store.put_worker(worker("w", tags=("a",), token="t"), create=True)
    await store.put_worker(worker("other"), create=True)
    await store.put_worker(worker("w", max_concurrent=3), create=False)
    assert await store.workers() == [worker("other"), worker("w", max_concurrent=3)]


async def test_a_worker_that_is_gone_does_not_come_back(store: Store) -> None:
    await store.put_worker(worker("w"), create=True)
    await store.delete_worker("w")
    await store.delete_worker("w")
    with pytest.raises(NotFound):
        await store.put_worker(worker("w"), create=False)
    assert await store.workers() == []


# ---- deleting runs


async def test_a_deleted_run_leaves_nothing_behind(store: Store) -> None:
    for key in (1, 2):
        await store.commit(
            created(
                run(key),
                commits=[commit(key, 1)],
                events=[event(key, 1)],
                timers=[timer(key, "task-1")],
                interrupts=[interrupt(f"i{key}", key)],
            )
        )
    await store.delete_run(1)
    assert (await store.run_by_key(1), await store.run(run(1).id)) == (None, None)
    assert (await store.commits(1, 1, 9), await store.commits_at([make_ref(1, 1)])) == ([], [])
    assert (await store.events(1, 0, 9), await store.task_events(1, TaskId("task-1"))) == ([], [])
    assert (await store.last_event(1), await store.timers(1)) == (0, [])
    assert (await store.interrupt("i1"), (await store.interrupts(None, None, 9, None)).items) == (
        None, (interrupt("i2", 2),),
    )  # fmt: skip
    assert [head.key for head in (await store.runs(RunFilter(), 9, None)).items] == [2]
    assert [found.run_key for found in await store.contenders()] == [2]
    assert (await store.commits(2, 1, 9), await store.events(2, 0, 9)) == ([commit(2, 1)], [event(2, 1)])


async def test_deleting_a_run_that_is_gone_does_nothing(store: Store) -> None:
    await store.commit(created(run(1)))
    await store.delete_run(2)
    assert await store.run_by_key(1) == run(1)


async def test_a_run_that_others_were_forked_from_stays(store: Store) -> None:
    await store.commit(created(run(1), commits=[commit(1, 1)]))
    forks = [run(key, parent=make_ref(1, 1), parent_id="run-0001") for key in range(2, 130)]
    await store.commit(created(*forks, run(200, parent=make_ref(2, 1)), run(201)))
    with pytest.raises(Conflict) as told:
        await store.delete_run(1)
    assert told.value.conflict == "run.has_forks"
    assert "run-0002" in told.value.message
    assert await store.forks_of(1) == forks
    assert await store.commits(1, 1, 9) == [commit(1, 1)]


async def test_a_fork_outlives_other_forks_and_frees_its_origin(store: Store) -> None:
    await store.commit(created(run(1), commits=[commit(1, 1)]))
    fork = run(2, parent=make_ref(1, 1))
    await store.commit(created(fork, run(3, parent=make_ref(1, 1)), commits=[commit(2, 1), commit(3, 1)]))
    await store.delete_run(3)
    assert await store.forks_of(1) == [fork]
    assert await store.commits_at([make_ref(1, 1), make_ref(2, 1)]) == [commit(1, 1), commit(2, 1)]
    await store.delete_run(2)
    await store.delete_run(1)
    assert await store.run_by_key(1) is None


async def test_a_run_whose_child_is_no_fork_can_be_deleted(store: Store) -> None:
    await store.commit(created(run(1), run(2, parent_id="run-0001")))
    await store.delete_run(1)
    assert await store.run_by_key(2) == run(2, parent_id="run-0001")


async def test_a_run_of_the_same_id_can_be_created_after_deletion(store: Store) -> None:
    await store.commit(created(run(1), commits=[commit(1, 1)]))
    await store.delete_run(1)
    again = replace(run(2), id=run(1).id, status=RunStatus.QUEUED)
    await store.commit(created(again))
    assert await store.run(run(1).id) == again
