"""What every store promises of the places of runs: what they asked is kept, and who waits for whom is found again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.holds import Hold
from engine.model import RunStatus
from engine.places import Contender
from engine.ports import Batch, RunFilter, Store
from engine.session import OnBusy, Seat
from tests.contract.samples import NOW, created, run, step

Reopen = Callable[[], Store]
PLACED = {"priority": -3, "concurrency_key": "it's ½ a key", "start_at": NOW + 9, "reason": "start_at"}


@pytest.mark.parametrize("name", PLACED)
async def test_each_part_of_a_place_is_kept(store: Store, name: str) -> None:
    head = run(1, **{name: PLACED[name]})
    await store.commit(created(head, run(2)))
    assert await store.run_by_key(1) == await store.run(head.id) == head
    assert (await store.runs(RunFilter(), 9, None)).items == (run(2), head)


async def test_why_a_run_is_queued_changes_and_goes(store: Store) -> None:
    head = run(1, concurrency_key="k", reason="start_at")
    await store.commit(created(head, run(2, reason="max_runs")))
    await store.commit(Batch(heads={1: replace(head, reason="concurrency_key")}))
    found = await store.run_by_key(1)
    assert found is not None and found.reason == "concurrency_key"
    await store.commit(step(head, 1, reason=None))
    found = await store.run_by_key(1)
    assert found is not None and (found.reason, found.concurrency_key) == (None, "k")
    found = await store.run_by_key(2)
    assert found is not None and found.reason == "max_runs"


async def test_what_was_asked_does_not_change(store: Store) -> None:
    head = run(1, priority=1, concurrency_key="k", start_at=NOW)
    await store.commit(created(head))
    await store.commit(step(head, 1, priority=2, concurrency_key="l", start_at=NOW + 1))
    found = await store.run_by_key(1)
    assert found is not None and (found.priority, found.concurrency_key, found.start_at) == (1, "k", NOW)


async def test_a_run_that_is_created_and_begins_at_once_waits_for_nothing(store: Store) -> None:
    head = run(1, concurrency_key="k", reason="concurrency_key")
    batch = step(head, 1, reason=None)
    await store.commit(replace(batch, created=[head], expected={}))
    found = await store.run_by_key(1)
    assert found is not None and (found.status, found.reason) == (RunStatus.RUNNING, None)


async def test_contenders_are_the_queued_and_those_that_have_a_key_and_go_on(store: Store) -> None:
    statuses = list(RunStatus)
    plain = [run(key, status=status) for key, status in enumerate(statuses, 1)]
    keyed = [run(10 + key, status=status, concurrency_key="k") for key, status in enumerate(statuses, 1)]
    held = run(20, concurrency_key="k")
    await store.commit(created(*plain, *keyed, held, holds={20: Hold.IMPORTED}))
    wanted = [head for head in (*plain, *keyed) if head.status is RunStatus.QUEUED]
    wanted += [head for head in keyed if head.status in (RunStatus.RUNNING, RunStatus.INTERRUPTED)]
    assert [found.run_key for found in await store.contenders()] == sorted(head.key for head in wanted)


async def test_contenders_say_all_there_is_to_say_and_come_in_their_order(store: Store) -> None:
    first = run(2, created_at=NOW, priority=4, concurrency_key="k", start_at=NOW + 5, reason="start_at")
    await store.commit(created(run(1, created_at=NOW + 1, reason="max_runs"), first))
    assert await store.contenders() == [
        Contender(
            run_key=2,
            status=RunStatus.QUEUED,
            priority=4,
            created_at=NOW,
            concurrency_key="k",
            start_at=NOW + 5,
            reason="start_at",
        ),
        Contender(run_key=1, status=RunStatus.QUEUED, priority=0, created_at=NOW + 1, reason="max_runs"),
    ]


async def test_of_those_that_wait_in_sessions_only_the_ones_with_a_time_are_contenders(store: Store) -> None:
    seat = Seat(session="talk", waits=OnBusy.ENQUEUE)
    waits = {"status": RunStatus.QUEUED, "seat": seat, "concurrency_key": "k"}
    goes_on = run(3, status=RunStatus.RUNNING, seat=Seat(session="talk", place=1), concurrency_key="k")
    await store.commit(created(run(1, **waits), run(2, start_at=NOW, **waits), goes_on))
    assert [(found.run_key, found.session) for found in await store.contenders()] == [(2, "talk"), (3, "talk")]


async def test_a_deleted_run_has_no_place(store: Store) -> None:
    await store.commit(created(run(1, reason="max_runs"), run(2, concurrency_key="k", reason="max_runs")))
    await store.delete_run(1)
    assert [found.run_key for found in await store.contenders()] == [2]


async def test_places_are_there_again(reopen: Reopen) -> None:
    store = reopen()
    await store.open()
    head = run(1, priority=2, concurrency_key="k", start_at=NOW, reason="concurrency_key")
    await store.commit(created(head))
    before = await store.contenders()
    await store.close()
    again = reopen()
    await again.open()
    assert (await again.contenders(), await again.run_by_key(1)) == (before, head)
    await again.close()
