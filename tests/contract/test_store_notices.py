"""What every store promises of notices: there with what they tell, moved on once, withdrawn, gone with their run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import Invalid, StaleCommit
from engine.model import Hook, Push, RunId, RunStatus
from engine.notices import Notice, NoticeFilter
from engine.ports import Batch, RunFilter, Store
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


# ---- pushes


def push(name: str, **fields: Any) -> Push:
    """Somebody who is told of everything, and is known by a token."""
    given = {"url": f"http://{name}.test/told", "form": "a form", "created_at": NOW, "token": "t", "scheme": "Bearer"}
    return Push(**{"id": name, "credentials": "c", **given, **fields})


def for_push(key: int, seq: int, name: str, **fields: Any) -> Notice:
    return notice(key, seq, push=name, media_type="application/x", url=f"http://{name}.test/told", **fields)


async def test_a_run_keeps_its_pushes_in_their_order(store: Store) -> None:
    told = run(1, pushes=(push("b"), push("a", created_at=NOW + 1, token=None, scheme=None, credentials=None)))
    await store.commit(created(told, run(2)))
    await store.commit(step(told, 1))
    found = [await store.run_by_key(key) for key in (1, 2)]
    assert [item and item.pushes for item in found] == [told.pushes, ()]
    assert [item.pushes for item in (await store.runs(RunFilter(), 9, None)).items] == [(), told.pushes]


async def test_pushes_come_and_go_as_a_whole_and_what_has_not_arrived_goes_along(store: Store) -> None:
    stays, goes = push("stays"), push("goes")
    waiting = [for_push(1, 1, "stays"), for_push(1, 2, "goes"), notice(1, 3), for_push(2, 1, "goes")]
    await store.commit(created(run(1, pushes=(stays, goes)), run(2, pushes=(goes,)), notices=waiting))
    moved, new = push("stays", url="https://moved.test"), push("new", created_at=NOW + 1)
    late = for_push(1, 4, "goes")
    await store.commit(Batch(notices=[late], pushes={1: ((moved, new), NOW + 9)}))

    found = [await store.run_by_key(key) for key in (1, 2)]
    assert [item and item.pushes for item in found] == [(moved, new), (goes,)]
    gone = {"status": "withdrawn", "ended_at": NOW + 9, "due_at": None, "body": b""}
    assert [await store.notice(item.id) for item in (*waiting, late)] == [
        replace(waiting[0], url=moved.url), replace(waiting[1], **gone), *waiting[2:], replace(late, **gone),
    ]  # fmt: skip


async def test_what_a_push_was_told_stays_where_it_went(store: Store) -> None:
    told = for_push(1, 1, "a")
    await store.commit(created(run(1, pushes=(push("a"),)), notices=[told]))
    done = replace(told, status="delivered", due_at=None, ended_at=NOW, body=b"")
    await store.move_notice(told, done)
    await store.commit(Batch(pushes={1: ((push("a", url="https://moved.test"),), NOW)}))
    await store.commit(Batch(pushes={1: ((), NOW)}))
    assert await store.notice(told.id) == done


async def test_what_only_the_webhook_was_to_be_told_is_withdrawn_with_a_run_that_goes_on(store: Store) -> None:
    hooked, pushed = notice(1, 1), for_push(1, 2, "a")
    await store.commit(created(run(1, pushes=(push("a"),)), notices=[hooked, pushed]))
    await store.commit(Batch(notices_withdrawn=[(1, NOW)]))
    assert [item and item.status for item in [await store.notice(one.id) for one in (hooked, pushed)]] == [
        "withdrawn", "pending",
    ]  # fmt: skip
    assert [item.id for item in await found(store, NoticeFilter(push=""))] == [hooked.id]
    assert [item.id for item in await found(store, NoticeFilter(push="a"))] == [pushed.id]


async def test_the_oldest_notice_that_is_still_tried_comes_next(store: Store) -> None:
    first, second, other = for_push(1, 9, "a"), for_push(1, 2, "a"), for_push(1, 1, "b")
    await store.commit(created(run(1), notices=[first, other]))
    await store.commit(Batch(notices=[second]))
    assert await store.next_notice(1, "a") == first
    await store.move_notice(first, replace(first, status="failed", due_at=None))
    assert await store.next_notice(1, "a") == second
    assert [await store.next_notice(2, "a"), await store.next_notice(1, "c")] == [None, None]


async def test_pushes_of_a_run_that_is_gone_are_not_written(store: Store) -> None:
    await store.commit(created(run(1, pushes=(push("a"),)), notices=[for_push(1, 1, "a")]))
    await store.delete_run(1)
    assert await found(store) == ()
    with pytest.raises(StaleCommit):
        await store.commit(Batch(pushes={1: ((push("a"),), NOW)}))


def test_the_secrets_of_a_push_are_not_in_what_is_printed() -> None:
    shown = repr(run(1, pushes=(push("a", token="TOKEN", credentials="CREDENTIALS"),)))
    assert "TOKEN" not in shown and "CREDENTIALS" not in shown


async def test_notices_and_hooks_last(reopen: Callable[[], Store]) -> None:
    store = reopen()
    await store.open()
    head = run(1, hook=Hook(url="http://127.0.0.1:9"), pushes=(push("a"),))
    await store.commit(created(head, notices=[NOTICES[0]]))
    await store.close()
    store = reopen()
    await store.open()
    assert (await store.run_by_key(1), await store.notice(NOTICES[0].id)) == (head, NOTICES[0])
    await store.close()
