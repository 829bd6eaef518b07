"""What every store promises of batches and of the history that they write."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import StaleCommit
from engine.model import ErrorInfo, RunId, RunStatus, TaskId, Usage, make_ref
from engine.ports import Batch, Expected, RunFilter, Store
from tests.contract.samples import NOW, commit, created, event, interrupt, run, step, timer


async def with_runs(store: Store, *keys: int) -> None:
    await store.commit(created(*(run(key) for key in keys)))


async def written(store: Store, *keys: int) -> list[Any]:
    """All that a store shows of some runs, to compare it with what it shows later."""
    return [
        [
            await store.run_by_key(key),
            await store.commits(key, 1, 1000),
            await store.events(key, 0, 1000),
            await store.timers(key),
            await store.interrupts(None, key, 1000, None),
        ]
        for key in keys
    ] + [await store.runs(RunFilter(), 1000, None)]


# ---- what is written


async def test_a_batch_is_written_whole_for_many_runs(store: Store) -> None:
    await with_runs(store, 1, 2)
    batch = Batch(
        created=[run(3)],
        expected={1: Expected(version=0, epoch=0), 2: Expected(version=0, epoch=0)},
        commits=[commit(1, 1), commit(1, 2), commit(2, 1)],
        heads={1: run(1, head=make_ref(1, 2)), 2: run(2, head=make_ref(2, 1))},
        events=[event(1, 1), event(2, 1)],
        timers=[timer(2, "task-1")],
        interrupts=[interrupt("i1", 2)],
    )
    await store.commit(batch)
    assert await store.commits(1, 1, 9) == [commit(1, 1), commit(1, 2)]
    assert await store.commits(2, 1, 9) == [commit(2, 1)]
    assert await store.run_by_key(1) == run(1, head=make_ref(1, 2))
    assert await store.run_by_key(3) == run(3)
    assert await store.events(2, 0, 9) == [event(2, 1)]
    assert await store.timers(2) == [timer(2, "task-1")]
    assert await store.interrupt("i1") == interrupt("i1", 2)


async def test_a_probe_changes_nothing_that_is_read(store: Store) -> None:
    await with_runs(store, 1)
    before = await written(store, 1)
    await store.probe()
    await store.probe()
    assert await written(store, 1) == before


async def test_a_run_is_read_as_it_was_written(store: Store) -> None:
    told = run(
        7,
        id=RunId("0199-é"),
        input={
            "text": "ü \U0001f600 \u2028",
            "large": 2**63 - 1,
            "small": -(2**63),
            "part": 0.1,
            "deep": [[{"a": None}]],
        },
        config={"limits": {"max_steps": 5}},
        metadata={"team": "docs", "try": 2},
        tags=("a", "b"),
        error=ErrorInfo(code="x", message="y", node="n", task_id="t", attempt=2, retryable=False, details={"z": [1]}),
        usage=Usage(input_tokens=3, output_tokens=4, cost=0.25),
        origin_id="origin",
        parent=make_ref(3, 9),
        parent_id="run-0003",
        name="a name",
        branch=2,
        epoch=5,
        task_count=11,
        finished_at=NOW,
        status=RunStatus.FAILED,
    )
    await store.commit(created(told))
    assert await store.run(told.id) == told
    assert await store.run_by_key(7) == told


async def test_what_is_not_there_is_none(store: Store) -> None:
    assert await store.run(RunId("nobody")) is None
    assert await store.run_by_key(5) is None
    assert await store.interrupt("none") is None
    assert (await store.commits(5, 1, 9), await store.events(5, 0, 9), await store.timers(5)) == ([], [], [])
    assert (await store.commits_before(5, 9, 9, None), await store.last_event(5)) == ([], 0)


async def test_a_commit_keeps_body_and_snapshot_byte_for_byte(store: Store) -> None:
    row = commit(1, 1, body=bytes(range(256)), snapshot=b"\x00\xff" * 5000, base=make_ref(1, 1), level=None, node=None)
    await store.commit(created(run(1), commits=[row]))
    assert await store.commits(1, 1, 1) == [row]


async def test_a_run_created_with_commits_stands_at_the_last_one(store: Store) -> None:
    end = run(1, head=make_ref(1, 2), status=RunStatus.COMPLETED)
    await store.commit(created(run(1), commits=[commit(1, 1), commit(1, 2)], heads={1: end}))
    assert await store.run_by_key(1) == end
    await store.commit(step(end, 3))
    assert len(await store.commits(1, 1, 9)) == 3


async def test_a_head_moves_only_what_moves(store: Store) -> None:
    await store.commit(created(run(1, input={"a": 1}, name="before", tags=("t",), interrupt_after=("a",))))
    after = run(
        1, input={"a": 2}, name="after", tags=(), workflow_id="other", status=RunStatus.CANCELLED, branch=3, epoch=4,
        task_count=5, usage=Usage(cost=1.5), error=ErrorInfo(code="c", message="m"), updated_at=NOW + 99,
        finished_at=NOW + 98, head=make_ref(1, 1),
    )  # fmt: skip
    await store.commit(Batch(commits=[commit(1, 1)], heads={1: after}))
    fixed = {"input": {"a": 1}, "name": "before", "tags": ("t",), "workflow_id": "review", "interrupt_after": ("a",)}
    assert await store.run_by_key(1) == replace(after, **fixed)


async def test_a_head_without_commits_keeps_the_version(store: Store) -> None:
    await store.commit(created(run(1), commits=[commit(1, 1)], heads={1: run(1, head=make_ref(1, 1))}))
    waits = run(1, head=make_ref(1, 1), status=RunStatus.INTERRUPTED)
    await store.commit(Batch(expected={1: Expected(version=1, epoch=0)}, heads={1: waits}))
    assert await store.run_by_key(1) == waits
    await store.commit(step(waits, 2))


# ---- what is refused


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(Batch(expected={2: Expected(version=0, epoch=0)}), id="a version that is over"),
        pytest.param(Batch(expected={2: Expected(version=2, epoch=0)}), id="a version to come"),
        pytest.param(Batch(expected={2: Expected(version=1, epoch=1)}), id="another epoch"),
        pytest.param(Batch(expected={9: Expected(version=0, epoch=0)}), id="a run that is gone"),
        pytest.param(Batch(heads={9: run(9)}), id="the head of a run that is gone"),
        pytest.param(Batch(commits=[commit(2, 1)]), id="a commit that is there"),
        pytest.param(Batch(commits=[commit(2, 3)]), id="a commit that is not the next"),
        pytest.param(Batch(commits=[commit(2, 2), commit(2, 2)]), id="a commit twice"),
        pytest.param(Batch(commits=[commit(9, 1)]), id="a commit of a run that is gone"),
        pytest.param(created(run(2, id=RunId("other"))), id="a key that is taken"),
        pytest.param(created(run(5, id=run(2).id)), id="an id that is taken"),
        pytest.param(created(run(5), run(6, id=run(5).id)), id="an id twice"),
        pytest.param(Batch(events=[event(2, 1)]), id="an event that is there"),
        pytest.param(Batch(events=[event(2, 2), event(2, 2)]), id="an event twice"),
        pytest.param(Batch(events=[event(9, 1)]), id="an event of a run that is gone"),
        pytest.param(Batch(timers=[timer(9, "task-1")]), id="a timer of a run that is gone"),
        pytest.param(Batch(interrupts=[interrupt("i2", 9)]), id="an interrupt of a run that is gone"),
        pytest.param(Batch(interrupts=[interrupt("known", 2)]), id="an interrupt that is there"),
    ],
)
async def test_a_batch_that_does_not_fit_writes_nothing(store: Store, wrong: Batch) -> None:
    await with_runs(store, 1)
    await store.commit(
        created(run(2), commits=[commit(2, 1)], events=[event(2, 1)], interrupts=[interrupt("known", 2)])
    )
    before = await written(store, 1, 2, 3, 5)
    good = step(run(1), 1)
    batch = Batch(
        created=[run(3), *wrong.created],
        expected={**good.expected, **wrong.expected},
        commits=[*good.commits, *wrong.commits],
        heads={**good.heads, **wrong.heads},
        events=[event(1, 1), *wrong.events],
        timers=[timer(1, "task-1"), *wrong.timers],
        interrupts=[interrupt("i1", 1), *wrong.interrupts],
    )
    with pytest.raises(StaleCommit):
        await store.commit(batch)
    assert await written(store, 1, 2, 3, 5) == before
    await store.commit(good)


async def test_who_lost_the_lease_writes_nothing(store: Store) -> None:
    await with_runs(store, 1)
    await store.commit(Batch(expected={1: Expected(version=0, epoch=0)}, heads={1: run(1, epoch=1)}))
    with pytest.raises(StaleCommit):
        await store.commit(step(run(1), 1))
    assert await store.commits(1, 1, 9) == []
    await store.commit(step(run(1, epoch=1), 1))
    assert len(await store.commits(1, 1, 9)) == 1


async def test_a_batch_may_expect_the_run_that_it_creates(store: Store) -> None:
    start = step(run(1), 1)
    await store.commit(created(run(1), expected=start.expected, commits=start.commits, heads=start.heads))
    assert await store.run_by_key(1) == start.heads[1]


# ---- many at once


async def test_tasks_that_commit_at_once_all_do(store: Store) -> None:
    await with_runs(store, *range(1, 41))

    async def go(key: int) -> None:
        for seq in range(1, 6):
            await store.commit(step(run(key), seq))

    await asyncio.gather(*(go(key) for key in range(1, 41)))
    for key in range(1, 41):
        assert [row.seq for row in await store.commits(key, 1, 99)] == [1, 2, 3, 4, 5]


async def test_of_two_commits_on_one_version_one_is_written(store: Store) -> None:
    await with_runs(store, 1)
    told = await asyncio.gather(*(store.commit(step(run(1), 1)) for _ in range(5)), return_exceptions=True)
    assert [type(found) for found in told].count(StaleCommit) == 4
    assert len(await store.commits(1, 1, 9)) == 1


async def test_a_cancelled_commit_is_written_whole_or_not_at_all(store: Store) -> None:
    await with_runs(store, *range(1, 31))
    tasks = [asyncio.create_task(store.commit(step(run(key), 1))) for key in range(1, 31)]
    for turns, task in enumerate(tasks):
        for _ in range(turns % 4):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for key in range(1, 31):
        head = await store.run_by_key(key)
        assert head is not None
        assert len(await store.commits(key, 1, 9)) == (1 if head.status is RunStatus.RUNNING else 0)
        await store.commit(step(run(key), 2 if head.status is RunStatus.RUNNING else 1))


# ---- keys


async def test_the_next_key_follows_the_highest(store: Store) -> None:
    assert await store.next_run_key() == 1
    await with_runs(store, 1, 8, 3)
    assert await store.next_run_key() == 9


async def test_the_key_of_a_deleted_run_is_not_given_again(store: Store) -> None:
    await with_runs(store, 1, 2)
    await store.delete_run(2)
    assert await store.next_run_key() == 3


# ---- history


async def long_run(store: Store, commits: int) -> None:
    rows = [commit(1, seq) for seq in range(1, commits + 1)]
    await store.commit(created(run(1), commits=rows, heads={1: run(1, head=make_ref(1, commits))}))


async def test_commits_are_read_by_their_range(store: Store) -> None:
    await long_run(store, 350)
    assert [row.seq for row in await store.commits(1, 3, 5)] == [3, 4, 5]
    assert [row.seq for row in await store.commits(1, 1, 1000)] == list(range(1, 351))
    assert [row.seq for row in await store.commits(1, 349, 360)] == [349, 350]
    assert await store.commits(1, 5, 4) == []
    assert await store.commits(1, 351, 400) == []


async def test_commits_are_read_by_their_refs(store: Store) -> None:
    await long_run(store, 350)
    await store.commit(created(run(2), commits=[commit(2, 1)]))
    wanted = [make_ref(1, seq) for seq in range(1, 351, 2)] + [make_ref(2, 1)]
    missing = [make_ref(1, 351), make_ref(2, 2), make_ref(3, 1), make_ref(1, 0)]
    found = await store.commits_at([*wanted, *missing])
    assert sorted(make_ref(row.run_key, row.seq) for row in found) == wanted
    assert await store.commits_at([]) == []


async def test_commits_are_read_backwards(store: Store) -> None:
    await long_run(store, 350)
    assert [row.seq for row in await store.commits_before(1, 10, 3, None)] == [9, 8, 7]
    assert [row.seq for row in await store.commits_before(1, 9999, 1000, None)] == list(range(350, 0, -1))
    assert await store.commits_before(1, 1, 5, None) == []


async def test_commits_of_a_node_are_found_however_far_back(store: Store) -> None:
    rare = [2500, 2400, 1501, 1500, 1499, 501, 500, 2]
    rows = [commit(1, seq, node="rare" if seq in rare else "common") for seq in range(1, 2501)]
    await store.commit(created(run(1), commits=rows, heads={1: run(1, head=make_ref(1, 2500))}))
    assert [row.seq for row in await store.commits_before(1, 9999, 99, "rare")] == rare
    assert [row.seq for row in await store.commits_before(1, 9999, 3, "rare")] == rare[:3]
    assert [row.seq for row in await store.commits_before(1, 1501, 2, "rare")] == [1500, 1499]
    common = [seq for seq in range(2500, 0, -1) if seq not in rare]
    assert [row.seq for row in await store.commits_before(1, 2501, 1200, "common")] == common[:1200]
    assert await store.commits_before(1, 9999, 9, "unknown") == []


async def test_commits_are_found_by_what_their_bodies_hold(store: Store) -> None:
    bodies = {seq: b'{"writes":[["%s",1]]}' % (b"r\xc3\xa9%" if seq % 700 == 3 else b"other") for seq in range(1, 2501)}
    rows = [commit(1, seq, body=body) for seq, body in bodies.items()]
    await store.commit(created(run(1), commits=rows, heads={1: run(1, head=make_ref(1, 2500))}))
    name = b'"r\xc3\xa9%"'
    assert [row.seq for row in await store.briefs(1, 1, 2500, name)] == [3, 703, 1403, 2103]
    assert [row.seq for row in await store.briefs(1, 703, 1403, name)] == [703, 1403]
    assert await store.briefs(1, 704, 1402, name) == []
    assert await store.briefs(1, 1, 2500, b'"R\xc3\xa9%"') == []
    assert await store.briefs(9, 1, 2500, name) == []


async def test_a_brief_says_what_the_commit_says(store: Store) -> None:
    rows = [commit(1, seq) for seq in range(1, 2501)]
    await store.commit(created(run(1), commits=rows, heads={1: run(1, head=make_ref(1, 2500))}))
    found = await store.briefs(1, 3, 2400)
    assert [row.ref for row in found] == [make_ref(1, seq) for seq in range(3, 2401)]
    row = rows[2]
    assert found[0][:] == (row.run_key, row.seq, row.kind, row.node, row.task_id, row.level, row.body)


async def test_events_are_read_in_order(store: Store) -> None:
    await with_runs(store, 1, 2)
    await store.commit(Batch(events=[event(1, n) for n in range(3, 301)] + [event(2, 1)]))
    await store.commit(Batch(events=[event(1, 2), event(1, 1, body=["any", None, "value"])]))
    assert [found.n for found in await store.events(1, 0, 1000)] == list(range(1, 301))
    assert [found.n for found in await store.events(1, 298, 10)] == [299, 300]
    assert [found.n for found in await store.events(1, 4, 3)] == [5, 6, 7]
    assert (await store.events(1, 0, 1))[0] == event(1, 1, body=["any", None, "value"])
    assert (await store.last_event(1), await store.last_event(2)) == (300, 1)


async def test_events_of_a_task_are_read_apart(store: Store) -> None:
    await with_runs(store, 1, 2)
    mine = [event(1, n, task_id=TaskId("mine")) for n in range(2, 302, 2)]
    others = [event(1, 1, task_id=None), event(1, 3, task_id=TaskId("yours")), event(2, 1, task_id=TaskId("mine"))]
    await store.commit(Batch(events=[*others, *mine]))
    assert await store.task_events(1, TaskId("mine")) == mine
    assert await store.task_events(1, TaskId("nobody")) == []


# ---- timers and interrupts


async def test_a_timer_replaces_the_one_of_its_kind(store: Store) -> None:
    await with_runs(store, 1, 2)
    await store.commit(
        Batch(timers=[timer(1, "a", "retry", 5), timer(1, "a", "timeout", 6), timer(2, "a", "retry", 7)])
    )
    await store.commit(Batch(timers=[timer(1, "a", "retry", 50), timer(1, "b", "retry", 8)]))
    assert await store.timers(1) == [timer(1, "a", "retry", 50), timer(1, "a", "timeout", 6), timer(1, "b", "retry", 8)]


async def test_clearing_drops_all_timers_of_a_task(store: Store) -> None:
    await with_runs(store, 1, 2)
    await store.commit(Batch(timers=[timer(1, "a", "retry"), timer(1, "a"), timer(1, "b"), timer(2, "a")]))
    await store.commit(Batch(timers_cleared=[(1, TaskId("a")), (1, TaskId("unknown")), (9, TaskId("a"))]))
    assert await store.timers(1) == [timer(1, "b")]
    assert await store.timers(2) == [timer(2, "a")]


async def test_timers_are_cleared_before_others_are_set(store: Store) -> None:
    await with_runs(store, 1)
    await store.commit(Batch(timers=[timer(1, "a", "timeout", 5)]))
    await store.commit(Batch(timers_cleared=[(1, TaskId("a"))], timers=[timer(1, "a", "retry", 9)]))
    assert await store.timers(1) == [timer(1, "a", "retry", 9)]


async def test_an_interrupt_ends_with_a_status_and_a_time(store: Store) -> None:
    await with_runs(store, 1)
    await store.commit(
        Batch(interrupts=[interrupt("i1", actions=[{"name": "ok"}], expires_at=NOW + 5), interrupt("i2")])
    )
    await store.commit(Batch(interrupts_ended=[("i1", "resolved", NOW + 3), ("unknown", "resolved", NOW)]))
    told = interrupt("i1", actions=[{"name": "ok"}], expires_at=NOW + 5, status="resolved", resolved_at=NOW + 3)
    assert await store.interrupt("i1") == told
    assert (await store.interrupts("open", None, 9, None)).items == (interrupt("i2"),)


async def test_the_timers_of_all_runs_that_rest_are_told(store: Store) -> None:
    statuses = (RunStatus.INTERRUPTED, RunStatus.RUNNING, RunStatus.INTERRUPTED, RunStatus.FAILED)
    await store.commit(created(*(run(key, status=status) for key, status in enumerate(statuses, 1))))
    await store.commit(Batch(timers=[timer(key, name) for key in range(1, 5) for name in ("b", "a")]))
    assert await store.resting_timers() == [timer(1, "a"), timer(1, "b"), timer(3, "a"), timer(3, "b")]
