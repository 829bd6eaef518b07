"""What every store promises of notices: there with what they tell, moved on once, withdrawn, gone with their run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.errors import Invalid, StaleCommit
from engine.model import Hook, RunId, RunStatus
from engine.notices import Notice, NoticeFilter
from engine.ports import Batch, Store
from tests.contract.samples import NOW, created, notice, run, step

NOTICES = [notice(1, 2), notice(2, 2, event="failed"), notice(1, 5, attempts=3, last_error="HTTP 500")]
EVERY = NoticeFilter()


@pytest.fixture
async def filled(store: Store) -> Store:
    await store.commit(created(run(1), run(2), notices=NOTICES[:2]))
    await store.commit(Batch(notices=NOTICES[2:]))
    return store


def listed(*notices: Notice) -> tuple[Notice, ...]:
    """Notices as lists show them."""
    return tuple(replace(notice, body=b"") for notice in notices)


async def found(store: Store, where: NoticeFilter = EVERY) -> tuple[Notice, ...]:
    return (await store.notices(where, 10, None))[0]


async def test_notices_come_back_as_they_were_given(filled: Store) -> None:
    assert [await filled.notice(item.id) for item in NOTICES] == NOTICES
    assert await filled.notice("nothing") is None


async def test_notices_are_listed_newest_first_without_bodies_in_pages(filled: Store) -> None:
    first, cursor = await filled.notices(EVERY, 2, None)
    rest, end = await filled.notices(EVERY, 2, cursor)
    assert ((*first, *rest), end) == (listed(*NOTICES[::-1]), None)
    with pytest.raises(Invalid):
        await filled.notices(EVERY, 2, "nonsense")


async def test_notices_are_found_by_status_and_run(filled: Store) -> None:
    await filled.move_notice(NOTICES[0], replace(NOTICES[0], status="failed", due_at=None))
    assert [item.id for item in await found(filled, NoticeFilter(status="failed"))] == [NOTICES[0].id]
    assert await found(filled, NoticeFilter(run_key=2)) == listed(NOTICES[1])
    assert await found(filled, NoticeFilter(run_key=1, status="pending")) == listed(NOTICES[2])


async def test_a_notice_is_moved_on_only_from_where_it_stands(filled: Store) -> None:
    was = NOTICES[0]
    now = replace(was, attempts=1, last_error="HTTP 500", due_at=NOW + 9)
    assert await filled.move_notice(was, now)
    assert await filled.notice(was.id) == now
    assert not await filled.move_notice(was, replace(was, attempts=1, last_error="somebody was faster"))
    assert await filled.notice(was.id) == now
    assert not await filled.move_notice(notice(1, 99), replace(notice(1, 99), attempts=1))


async def test_what_has_not_arrived_is_withdrawn_with_the_run_that_goes_on(filled: Store) -> None:
    done = replace(NOTICES[0], status="delivered", due_at=None, ended_at=NOW, body=b"")
    await filled.move_notice(NOTICES[0], done)
    gave_up = notice(1, 6, status="failed", due_at=None)
    await filled.commit(Batch(notices=[gave_up]))
    newest = notice(1, 7)
    await filled.commit(Batch(notices_withdrawn=[(1, NOW + 7)], notices=[newest]))
    gone = {"status": "withdrawn", "ended_at": NOW + 7, "due_at": None, "body": b""}
    assert [await filled.notice(item.id) for item in (NOTICES[0], NOTICES[2], gave_up, newest)] == [
        done, replace(NOTICES[2], **gone), replace(gave_up, **gone), newest,
    ]  # fmt: skip
    assert await filled.notice(NOTICES[1].id) == NOTICES[1]


@pytest.mark.parametrize("batch", [Batch(notices=[NOTICES[0]]), Batch(notices=[notice(9, 1)])], ids=["twice", "no run"])
async def test_a_batch_with_a_notice_that_does_not_fit_writes_nothing(filled: Store, batch: Batch) -> None:
    batch.notices.insert(0, notice(2, 9))
    with pytest.raises(StaleCommit):
        await filled.commit(batch)
    assert await found(filled) == listed(*NOTICES[::-1])


async def test_a_stale_batch_leaves_no_notice(filled: Store) -> None:
    batch = replace(step(run(1), 7), notices=[notice(1, 7)])
    with pytest.raises(StaleCommit):
        await filled.commit(batch)
    assert await filled.notice(notice(1, 7).id) is None


async def test_notices_go_with_their_run(filled: Store) -> None:
    await filled.delete_run(1)
    assert await found(filled) == listed(NOTICES[1])


async def test_a_run_keeps_whom_it_tells(store: Store) -> None:
    told = run(1, hook=Hook(url="http://127.0.0.1:9", secret="s", events=(RunStatus.INTERRUPTED,)))
    silent = run(2)
    await store.commit(created(told, silent))
    await store.commit(step(told, 1))
    found = [await store.run(RunId(f"run-{key:04d}")) for key in (1, 2)]
    assert [item and item.hook for item in found] == [told.hook, None]


async def test_notices_and_hooks_last(reopen: Callable[[], Store]) -> None:
    store = reopen()
    await store.open()
    head = run(1, hook=Hook(url="http://127.0.0.1:9"))
    await store.commit(created(head, notices=[NOTICES[0]]))
    await store.close()
    store = reopen()
    await store.open()
    assert (await store.run_by_key(1), await store.notice(NOTICES[0].id)) == (head, NOTICES[0])
    await store.close()
