"""What every store promises of runs that are moved: read at one moment, written in one transaction, held or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import Conflict, StaleCommit
from engine.holds import Hold
from engine.model import RunStatus, make_ref
from engine.ports import Batch, Expected, InterruptFate, LetterFate, Moment, RunFilter, Store
from tests.contract.samples import NOW, commit, created, event, interrupt, letter, run, step, timer, workflow

# ---- a moment


async def test_a_moment_is_all_of_a_run_that_changes(store: Store) -> None:
    head = run(1, head=make_ref(1, 3), status=RunStatus.INTERRUPTED)
    asked = [interrupt("late"), interrupt("early", assignee="ann", claimed_at=NOW + 4), interrupt("i3", key=2)]
    await store.commit(
        created(
            run(1),
            run(2),
            commits=[commit(1, seq) for seq in (1, 2, 3)],
            heads={1: head},
            events=[event(1, 1), event(1, 2), event(2, 7)],
            timers=[timer(1, "b"), timer(1, "a"), timer(2, "c")],
            interrupts=asked,
            dead_letters=[letter(1, 3, worker="w"), letter(1, 2), letter(2, 2)],
        )
    )
    await store.commit(Batch(interrupts_ended=[("late", "resolved", NOW + 9)], redriven=[("run-0001.2", NOW + 8)]))
    assert await store.moment(1) == Moment(
        head=head,
        last_event=2,
        timers=(timer(1, "a"), timer(1, "b")),
        interrupts=(
            InterruptFate(id="late", status="resolved", resolved_at=NOW + 9, assignee=None, claimed_at=None),
            InterruptFate(id="early", status="open", resolved_at=None, assignee="ann", claimed_at=NOW + 4),
        ),
        dead_letters=(
            LetterFate(seq=3, worker="w", status="open", redriven_at=None),
            LetterFate(seq=2, worker=None, status="redriven", redriven_at=NOW + 8),
        ),
    )


async def test_there_is_no_moment_of_a_run_that_is_not_there(store: Store) -> None:
    assert await store.moment(1) is None


async def test_an_interrupt_comes_with_who_looks_after_it(store: Store) -> None:
    told = interrupt("i1", assignee="ann", claimed_at=NOW + 4)
    await store.commit(created(run(1), interrupts=[told, interrupt("i2")]))
    assert await store.interrupt("i1") == told
    await store.unassign("i1")
    await store.assign("i1", "bob", NOW + 5)
    assert await store.interrupt("i1") == replace(told, assignee="bob", claimed_at=NOW + 5)


# ---- many batches, one transaction


def parts(last: Batch) -> list[Batch]:
    """A run in three batches, of which the last one is given."""
    middle, end = run(1, head=make_ref(1, 2)), run(1, head=make_ref(1, 3), status=RunStatus.COMPLETED)
    return [
        created(run(1), commits=[commit(1, 1), commit(1, 2)], heads={1: middle}, workflows=[workflow()]),
        Batch(commits=[commit(1, 3)], heads={1: end}, events=[event(1, 1)]),
        last,
    ]


async def test_batches_are_written_one_after_another(store: Store) -> None:
    await store.commit_all(parts(Batch(events=[event(1, 2)], holds={1: Hold.IMPORTED})))
    head = run(1, head=make_ref(1, 3), status=RunStatus.COMPLETED, hold=Hold.IMPORTED)
    assert await store.run_by_key(1) == head
    assert [row.seq for row in await store.commits(1, 1, 9)] == [1, 2, 3]
    assert [found.n for found in await store.events(1, 0, 9)] == [1, 2]
    assert [found.row.seq for found in await store.log_commits(0, 9)] == [1, 2, 3]
    await store.commit(step(head, 4))


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(Batch(events=[event(1, 1)]), id="an event that is there"),
        pytest.param(Batch(commits=[commit(1, 5)]), id="a gap"),
        pytest.param(Batch(needed=[9]), id="a run that is not there"),
        pytest.param(Batch(holds={9: Hold.ANCESTOR}), id="a hold of a run that is not there"),
    ],
)
async def test_batches_of_which_one_does_not_fit_write_nothing(store: Store, last: Batch) -> None:
    with pytest.raises(StaleCommit):
        await store.commit_all(parts(last))
    assert (await store.run_by_key(1), await store.workflow("review")) == (None, None)
    assert (await store.log_end(), await store.commits(1, 1, 9)) == ((0, 0), [])
    await store.commit_all(parts(Batch()))


async def test_batches_that_cannot_be_made_write_nothing(store: Store) -> None:
    def broken() -> Any:
        yield parts(Batch())[0]
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        await store.commit_all(broken())
    assert await store.run_by_key(1) is None
    await store.commit_all(parts(Batch()))


async def test_batches_go_on_in_the_log_where_a_deleted_run_ended(store: Store) -> None:
    await store.commit_all(parts(Batch(events=[event(1, 2)])))
    await store.delete_run(1)
    end = await store.log_end()
    await store.commit_all([created(run(2), commits=[commit(2, 1)]), Batch(commits=[commit(2, 2)], heads={2: run(2)})])
    await store.commit(Batch(events=[event(2, 1)]))
    assert await store.log_end() == (end[0] + 2, end[1] + 1)
    assert [found.row.seq for found in await store.log_commits(end[0], 9)] == [1, 2]


async def test_batches_expect_a_run_to_be_where_it_was(store: Store) -> None:
    await store.commit(created(run(1), commits=[commit(1, 1)], heads={1: run(1, head=make_ref(1, 1))}))
    more = [Batch(expected={1: Expected(version=0, epoch=0)}), Batch(commits=[commit(1, 2)])]
    with pytest.raises(StaleCommit):
        await store.commit_all(more)
    assert len(await store.commits(1, 1, 9)) == 1


async def test_a_run_that_is_needed_is_enough_to_be_there(store: Store) -> None:
    await store.commit(created(run(1)))
    await store.commit(created(run(2, parent=make_ref(1, 1), parent_id="run-0001"), needed=[1]))
    assert [head.id for head in await store.forks_of(1)] == ["run-0002"]


# ---- runs that are held


async def held(store: Store) -> None:
    statuses = (RunStatus.RUNNING, RunStatus.INTERRUPTED, RunStatus.RUNNING, RunStatus.COMPLETED)
    heads = [run(key, status=status) for key, status in enumerate(statuses, 1)]
    await store.commit(created(*heads, timers=[timer(2, "a")], holds={1: Hold.IMPORTED, 2: Hold.IMPORTED}))
    await store.commit(Batch(holds={4: Hold.ANCESTOR}))


async def test_a_run_is_held_until_it_is_released(store: Store) -> None:
    await held(store)
    one, other = await store.run_by_key(1), await store.run_by_key(4)
    assert one is not None and other is not None
    assert (one.hold, other.hold) == (Hold.IMPORTED, Hold.ANCESTOR)
    await store.commit(Batch(holds={1: None, 4: Hold.IMPORTED, 3: None}))
    heads = [await store.run_by_key(key) for key in (1, 3, 4)]
    assert [head.hold for head in heads if head is not None] == [None, None, Hold.IMPORTED]


async def test_a_run_that_is_held_does_nothing(store: Store) -> None:
    await held(store)
    assert (await store.active_runs(), await store.resting_timers()) == ([3], [])
    await store.commit(Batch(holds={1: None, 2: None}))
    assert (await store.active_runs(), await store.resting_timers()) == ([1, 3], [timer(2, "a")])


async def test_moving_a_head_leaves_it_held(store: Store) -> None:
    await held(store)
    await store.commit(step(run(1), 1))
    head = await store.run_by_key(1)
    assert head is not None
    assert (head.hold, head.head) == (Hold.IMPORTED, make_ref(1, 1))


@pytest.mark.parametrize(
    "where", [RunFilter(), RunFilter(status=(RunStatus.COMPLETED, RunStatus.RUNNING)), RunFilter(q="run")]
)
async def test_lists_leave_out_what_is_no_more_than_a_beginning(store: Store, where: RunFilter) -> None:
    await held(store)
    found = {head.id for head in (await store.runs(where, 10, None)).items}
    assert "run-0001" in found
    assert "run-0004" not in found
    await store.commit(Batch(holds={4: None}))
    assert "run-0004" in {head.id for head in (await store.runs(where, 10, None)).items}


async def test_holds_go_with_their_runs(store: Store) -> None:
    await held(store)
    await store.delete_run(1)
    assert await store.run_by_key(1) is None


async def test_holds_are_kept(reopen: Callable[[], Store]) -> None:
    first = reopen()
    await first.open()
    await held(first)
    await first.close()
    second = reopen()
    await second.open()
    assert await second.active_runs() == [3]
    await second.close()


# ---- versions that runs bring along


async def test_versions_of_an_unknown_workflow_come_in_with_the_highest_as_the_newest(store: Store) -> None:
    two, five = (workflow("review", version, status="paused") for version in (2, 5))
    await store.commit(Batch(workflows=[two, five]))
    assert await store.workflow("review") == five
    assert await store.workflow_versions("review") == [five, two]
    assert await store.last_version("review") == 5
    assert await store.last_version("other") == 0


async def test_versions_of_a_known_workflow_do_not_become_the_newest(store: Store) -> None:
    newest = workflow("review", 3, status="active")
    await store.put_workflow(newest)
    await store.commit(Batch(workflows=[workflow("review", 5, status="paused"), workflow("review", 1)]))
    assert await store.workflow("review") == newest
    assert (await store.workflows(None, None, None, 9, None)).items == (newest,)
    brought = await store.workflow("review", 5)
    assert brought is not None
    assert (brought.status, brought.document) == ("active", workflow("review", 5).document)
    assert await store.last_version("review") == 5
    await store.put_workflow(workflow("review", 6, status="active"))
    assert (await store.workflow("review")) == workflow("review", 6, status="active")


async def test_a_version_that_is_there_stays_as_it_is(store: Store) -> None:
    there = workflow("review", 1, source="file")
    await store.put_workflow(there)
    await store.commit(Batch(workflows=[workflow("review", 1, created_at=NOW + 99)]))
    assert await store.workflow("review", 1) == there


async def test_a_version_that_says_something_else_is_refused_and_nothing_is_written(store: Store) -> None:
    await store.put_workflow(workflow("review", 2))
    other = workflow("review", 2, document={"id": "review", "nodes": []})
    with pytest.raises(Conflict) as told:
        await store.commit(created(run(1), workflows=[workflow("review", 1), other]))
    assert told.value.conflict == "workflow.differs"
    assert (await store.run_by_key(1), await store.workflow("review", 1)) == (None, None)
