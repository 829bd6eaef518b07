"""Every store keeps sessions: who began in one, in which order, and who waits for a turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import Conflict, Invalid, NotFound, StaleCommit
from engine.holds import Hold
from engine.model import RunHead, RunStatus, make_ref
from engine.ports import Batch, RunFilter, Store
from engine.session import OnBusy, Seat, SessionRow
from tests.contract.samples import NOW, commit, created, run, step

DONE = RunStatus.COMPLETED


def seated(key: int, place: int | None, session: str = "talk", waits: OnBusy | None = None, **fields: Any) -> RunHead:
    """A run of a session, which goes on from the one with the key before it where it is not the first."""
    parent = {} if place in (None, 1) else {"parent": make_ref(key - 1, 1), "parent_id": f"run-{key - 1:04d}"}
    status = RunStatus.QUEUED if waits else DONE
    return run(key, **{"status": status, "seat": Seat(session=session, place=place, waits=waits), **parent, **fields})


async def talk(store: Store, *heads: RunHead, at: int = NOW) -> None:
    for head in heads:
        await store.commit(created(head, commits=[commit(head.key, 1)], sessions={head.seat.session: at}))  # type: ignore[union-attr]


def keys(heads: list[RunHead]) -> list[int]:
    return [head.key for head in heads]


async def test_a_run_has_its_place_in_a_session(store: Store) -> None:
    waiting = seated(2, None, waits=OnBusy.INTERRUPT)
    await talk(store, seated(1, 1))
    await store.commit(created(waiting))

    assert [(await store.run_by_key(key)).seat for key in (1, 2)] == [seated(1, 1).seat, waiting.seat]  # type: ignore[union-attr]


async def test_two_runs_never_begin_in_one_place(store: Store) -> None:
    await talk(store, seated(1, 1))

    with pytest.raises(StaleCommit):
        await store.commit(created(seated(2, 1)))
    with pytest.raises(StaleCommit):
        await store.commit(created(seated(2, 2), seated(3, 2)))

    assert await store.run_by_key(2) is None
    await store.commit(created(seated(2, 1, session="other")))


async def test_the_run_that_began_last_is_found_of_all_workflows_or_of_one(store: Store) -> None:
    await talk(store, seated(1, 1), seated(2, 2, workflow_id="billing"), seated(3, 3), seated(9, 1, session="other"))
    await store.commit(created(seated(4, None, waits=OnBusy.ENQUEUE), seated(5, None, status=RunStatus.CANCELLED)))

    found = [await store.last_run("talk"), await store.last_run("talk", "billing")]

    assert [head and head.key for head in found] == [3, 2]
    assert (await store.last_run("nobody"), await store.last_run("talk", "unknown")) == (None, None)
    assert (await store.next_place("talk"), await store.next_place("nobody")) == (4, 1)
    assert (await store.has_place("talk", 3), await store.has_place("talk", 4)) == (True, False)


async def test_those_that_began_are_listed_last_first(store: Store) -> None:
    await talk(store, *(seated(key, key) for key in range(1, 8)))

    assert keys(await store.session_runs("talk", None, 3)) == [7, 6, 5]
    assert keys(await store.session_runs("talk", 5, 9)) == [4, 3, 2, 1]


async def test_those_that_wait_have_an_order(store: Store) -> None:
    await talk(store, seated(1, 1))
    kinds = (OnBusy.ENQUEUE, OnBusy.INTERRUPT, OnBusy.ENQUEUE, OnBusy.INTERRUPT)
    waiting = {key: seated(key, None, waits=kind) for key, kind in enumerate(kinds, 2)}
    await store.commit(created(*waiting.values()))
    found = []

    while (head := await store.next_queued("talk", NOW)) is not None:
        found.append(head.key)
        seat = Seat(session="talk", place=head.key)
        await store.commit(
            Batch(seats={head.key: replace(head, seat=seat, parent=make_ref(1, 1), parent_id="run-0001")})
        )

    assert found == [3, 5, 2, 4]
    begun = await store.run_by_key(4)
    assert begun is not None
    assert (begun.seat, begun.parent, begun.parent_id) == (Seat(session="talk", place=4), make_ref(1, 1), "run-0001")
    assert keys(await store.forks_of(1)) == [2, 3, 4, 5]


async def test_priorities_and_times_count_among_those_that_wait(store: Store) -> None:
    asked = [
        {"waits": OnBusy.CANCEL}, {"waits": OnBusy.ENQUEUE}, {"waits": OnBusy.ENQUEUE, "priority": 1},
        {"waits": OnBusy.INTERRUPT}, {"waits": OnBusy.REJECT}, {"waits": OnBusy.ENQUEUE, "start_at": NOW + 5},
        {"waits": OnBusy.ENQUEUE, "start_at": NOW + 100, "priority": 9},
    ]  # fmt: skip
    waiting = [seated(key, None, created_at=NOW, **fields) for key, fields in enumerate(asked, 2)]
    await store.commit(created(*waiting))
    found = []

    while (head := await store.next_queued("talk", NOW + 10)) is not None:
        found.append(head.key)
        await store.commit(Batch(seats={head.key: replace(head, seat=Seat(session="talk", place=head.key))}))

    assert found == [6, 2, 5, 4, 3, 7]
    late = await store.next_queued("talk", NOW + 100)
    assert late is not None and late.key == 8


async def test_who_began_meanwhile_keeps_another_from_its_place(store: Store) -> None:
    waiting = seated(2, None, waits=OnBusy.ENQUEUE)
    await talk(store, seated(1, 1))
    await store.commit(created(waiting))

    with pytest.raises(StaleCommit):
        await store.commit(Batch(seats={2: replace(waiting, seat=Seat(session="talk", place=1))}))

    assert await store.next_queued("talk", NOW) == waiting


async def test_sessions_with_somebody_who_waits_are_known(store: Store) -> None:
    await talk(store, seated(1, 1), seated(2, 1, session="quiet"), seated(3, 1, session="busy"))
    await store.commit(created(seated(4, None, waits=OnBusy.ENQUEUE), seated(5, None, waits=OnBusy.ENQUEUE)))
    await store.commit(created(seated(6, None, session="busy", waits=OnBusy.INTERRUPT)))

    assert await store.waiting_sessions() == ["busy", "talk"]


async def test_a_batch_that_is_refused_makes_no_session(store: Store) -> None:
    await talk(store, seated(1, 1))

    with pytest.raises(StaleCommit):
        await store.commit(created(seated(2, 1), sessions={"new": NOW}))

    assert await store.session("new") is None


async def test_sessions_are_listed_by_what_happened_last(store: Store) -> None:
    for number in range(1, 8):
        await talk(store, seated(number, 1, session=f"s{number}"), at=NOW + number)
    await talk(store, seated(20, 2, session="s3"), at=NOW + 20)
    found, cursor = list[str](), None
    while True:
        rows, cursor = await store.sessions(3, cursor)
        found += [row.id for row in rows]
        if cursor is None:
            break

    assert found == ["s3", "s7", "s6", "s5", "s4", "s2", "s1"]
    assert await store.session("s3") == SessionRow(id="s3", created_at=NOW + 3, updated_at=NOW + 20)
    assert await store.session("nobody") is None
    with pytest.raises(Invalid):
        await store.sessions(3, "no cursor")


async def test_runs_are_filtered_by_session(store: Store) -> None:
    statuses = (DONE, RunStatus.FAILED, RunStatus.RUNNING)
    heads = [seated(key, key, created_at=NOW + key // 3, status=statuses[key % 3]) for key in range(1, 41)]
    await store.commit(created(*heads, run(50), seated(51, 1, session="other")))
    for where in (
        RunFilter(session_id="talk"),
        RunFilter(session_id="talk", status=(DONE,)),
        RunFilter(session_id="talk", status=(DONE, RunStatus.FAILED)),
        RunFilter(session_id="talk", q="run-00", created_after=NOW + 4),
        RunFilter(session_id="talk", workflow_id="review", parent_id="run-0004"),
        RunFilter(session_id="nobody"),
    ):
        wanted = [
            head.key
            for head in sorted(heads, key=lambda head: (head.created_at, head.key), reverse=True)
            if where.session_id == "talk"
            and (not where.status or head.status in where.status)
            and (where.created_after is None or head.created_at > where.created_after)
            and where.parent_id in (None, head.parent_id)
        ]
        found, cursor = list[int](), None
        while True:
            page = await store.runs(where, 7, cursor)
            found += keys(list(page.items))
            if (cursor := page.next_cursor) is None:
                break
        assert found == wanted


async def test_a_run_that_a_later_one_goes_on_from_is_not_deleted(store: Store) -> None:
    await talk(store, seated(1, 1), seated(2, 2))

    with pytest.raises(Conflict) as refused:
        await store.delete_run(1)

    assert refused.value.conflict == "run.has_forks"


async def test_a_session_goes_with_its_last_run(store: Store) -> None:
    await talk(store, seated(1, 1), seated(2, 2))

    await store.delete_run(2)
    assert await store.session("talk") is not None
    assert await store.next_place("talk") == 2
    await store.delete_run(1)

    assert await store.session("talk") is None


async def test_a_session_is_deleted_with_all_its_runs(store: Store) -> None:
    heads = [seated(1, 1), seated(2, 2), seated(3, None, status=RunStatus.CANCELLED), seated(4, 1, session="other")]
    await talk(store, *heads)

    await store.delete_session("talk")

    assert [await store.run_by_key(key) for key in (1, 2, 3)] == [None, None, None]
    assert (await store.session("talk"), await store.last_run("other")) == (None, heads[3])
    with pytest.raises(NotFound):
        await store.delete_session("talk")


async def test_a_session_in_which_something_goes_on_is_not_deleted(store: Store) -> None:
    await talk(store, seated(1, 1))
    await store.commit(created(seated(2, None, waits=OnBusy.ENQUEUE)))

    with pytest.raises(Conflict) as refused:
        await store.delete_session("talk")

    assert refused.value.conflict == "session.active"
    assert await store.run_by_key(1) is not None


async def test_a_session_that_a_fork_reads_is_not_deleted(store: Store) -> None:
    await talk(store, seated(1, 1), seated(2, 2))
    await store.commit(created(run(3, parent=make_ref(1, 1), parent_id="run-0001", status=DONE)))

    with pytest.raises(Conflict) as refused:
        await store.delete_session("talk")

    assert refused.value.conflict == "run.has_forks"
    assert await store.run_by_key(2) is not None


async def test_the_beginning_of_a_run_takes_no_part_in_a_session_and_keeps_its_place(store: Store) -> None:
    await store.commit(created(seated(1, 1), holds={1: Hold.ANCESTOR}))

    assert (await store.last_run("talk"), await store.session_runs("talk", None, 9)) == (None, [])
    assert await store.next_place("talk") == 2
    with pytest.raises(NotFound):
        await store.delete_session("talk")


async def test_moving_on_changes_nothing_in_a_session(store: Store) -> None:
    head = seated(1, 1, status=RunStatus.RUNNING)
    await store.commit(created(head))

    await store.commit(step(head, 1))

    found = await store.run_by_key(1)
    assert found is not None
    assert found.seat == head.seat


async def test_sessions_last(reopen: Callable[[], Store]) -> None:
    first = reopen()
    await first.open()
    await talk(first, seated(1, 1))
    await first.commit(created(seated(2, None, waits=OnBusy.ENQUEUE)))
    await first.close()
    second = reopen()
    await second.open()

    found = await second.last_run("talk"), await second.next_queued("talk", NOW), await second.session("talk")

    assert found == (
        seated(1, 1),
        seated(2, None, waits=OnBusy.ENQUEUE),
        SessionRow(id="talk", created_at=NOW, updated_at=NOW),
    )
    await second.close()
