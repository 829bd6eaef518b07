"""What every store promises of lists: order, pages, filters, cursors."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.errors import Conflict, Invalid, NotFound
from engine.model import RunStatus
from engine.ports import Batch, InterruptFilter, Page, RunFilter, Store
from tests.contract.samples import NOW, created, interrupt, run, workflow

List = Callable[[str | None], Awaitable[Page[Any]]]

COMPLETED, FAILED, RUNNING = RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.RUNNING


async def walked(read: List) -> list[Any]:
    """All items of a list, page by page."""
    found: list[Any] = []
    cursor: str | None = None
    while True:
        page = await read(cursor)
        found += page.items
        if (cursor := page.next_cursor) is None:
            return found
        assert page.items, "a page that is not the last one is empty"


# ---- runs


async def test_runs_are_listed_last_created_first(store: Store) -> None:
    times = {1: NOW + 5, 2: NOW, 3: NOW + 9, 4: NOW + 5}
    await store.commit(created(*(run(key, created_at=at) for key, at in times.items())))
    page = await store.runs(RunFilter(), 10, None)
    assert [head.key for head in page.items] == [3, 4, 1, 2]
    assert page.next_cursor is None


@pytest.mark.parametrize("limit", [1, 7, 100, 250, 1000])
async def test_pages_hold_every_run_once(store: Store, limit: int) -> None:
    await store.commit(created(*(run(key, created_at=NOW + key // 3) for key in range(1, 251))))
    found = await walked(lambda cursor: store.runs(RunFilter(), limit, cursor))
    assert [head.key for head in found] == sorted(range(1, 251), key=lambda key: (key // 3, key), reverse=True)


async def test_a_page_that_is_just_full_is_the_last(store: Store) -> None:
    await store.commit(created(*(run(key) for key in range(1, 6))))
    assert (await store.runs(RunFilter(), 5, None)).next_cursor is None
    assert (await store.runs(RunFilter(), 4, None)).next_cursor is not None


async def test_runs_created_between_two_pages_do_not_move_the_rest(store: Store) -> None:
    await store.commit(created(*(run(key) for key in range(1, 6))))
    page = await store.runs(RunFilter(), 2, None)
    await store.commit(created(run(6)))
    await store.delete_run(5)
    assert [head.key for head in (await store.runs(RunFilter(), 9, page.next_cursor)).items] == [3, 2, 1]


FILTERS = [
    pytest.param(RunFilter(status=(FAILED,)), [7, 2], id="one status"),
    pytest.param(RunFilter(status=(FAILED, COMPLETED, FAILED)), [7, 3, 2, 1], id="several statuses"),
    pytest.param(RunFilter(workflow_id="billing"), [5, 4, 1], id="workflow"),
    pytest.param(RunFilter(parent_id="run-0001"), [6, 2], id="parent"),
    pytest.param(RunFilter(created_after=NOW + 5), [7, 6], id="created after"),
    pytest.param(RunFilter(created_before=NOW + 3), [2, 1], id="created before"),
    pytest.param(RunFilter(created_after=NOW + 2, created_before=NOW + 5), [4, 3], id="created between"),
    pytest.param(RunFilter(tag="blue"), [6, 1], id="tag"),
    pytest.param(RunFilter(tag="blu"), [], id="part of a tag"),
    pytest.param(RunFilter(metadata={"team": "docs"}), [4, 2], id="metadata"),
    pytest.param(RunFilter(metadata={"n": "3"}), [4], id="metadata that is a number"),
    pytest.param(RunFilter(metadata={"share": "0.5"}), [2], id="metadata that is a fraction"),
    pytest.param(RunFilter(metadata={"on": "true"}), [2], id="metadata that is true"),
    pytest.param(RunFilter(metadata={"off": "null"}), [2], id="metadata that is null"),
    pytest.param(RunFilter(metadata={"many": "array"}), [], id="metadata that is a list"),
    pytest.param(RunFilter(metadata={'a "key".$': "v"}), [3], id="metadata with an odd key"),
    pytest.param(RunFilter(metadata={"team": "docs", "n": "3"}), [4], id="metadata, all of several"),
    pytest.param(RunFilter(metadata={"absent": "x"}), [], id="metadata that is not there"),
    pytest.param(RunFilter(q="BILL"), [5, 4, 1], id="text in a workflow's id"),
    pytest.param(RunFilter(q="run-0003"), [3], id="text in a run's id"),
    pytest.param(RunFilter(q="%"), [], id="text that is no pattern"),
    pytest.param(RunFilter(q=""), [7, 6, 5, 4, 3, 2, 1], id="no text"),
    pytest.param(RunFilter(workflow_id="billing", status=(RUNNING, COMPLETED)), [4, 1], id="workflow and statuses"),
    pytest.param(RunFilter(workflow_id="billing", tag="blue", q="0001"), [1], id="workflow, tag and text"),
    pytest.param(RunFilter(status=(COMPLETED, FAILED), tag="blue"), [1], id="statuses and tag"),
    pytest.param(RunFilter(status=(FAILED,), metadata={"team": "docs"}), [2], id="status and metadata"),
    pytest.param(RunFilter(parent_id="run-0001", created_after=NOW + 2), [6], id="parent and time"),
]


@pytest.mark.parametrize(("where", "keys"), FILTERS)
async def test_runs_are_filtered(store: Store, where: RunFilter, keys: list[int]) -> None:
    odd = {"team": "docs", "share": 0.5, "on": True, "off": None, "many": ["array"]}
    await store.commit(
        created(
            run(1, workflow_id="billing", status=COMPLETED, tags=("red", "blue")),
            run(2, status=FAILED, parent_id="run-0001", metadata=odd),
            run(3, status=COMPLETED, metadata={'a "key".$': "v", "team": "doc"}),
            run(4, workflow_id="billing", status=RUNNING, metadata={"team": "docs", "n": 3}),
            run(5, workflow_id="billing"),
            run(6, parent_id="run-0001", tags=("blue",)),
            run(7, status=FAILED),
        )
    )
    for limit in (1, 2, 50):
        found = await walked(lambda cursor, limit=limit: store.runs(where, limit, cursor))
        assert [head.key for head in found] == keys


async def test_a_rare_tag_is_found_among_many_runs(store: Store) -> None:
    rare = {1, 500, 501, 1499, 1500, 1501, 2400, 2500}
    heads = [
        run(key, tags=("rare",) if key in rare else (), status=FAILED, created_at=NOW + key // 7)
        for key in range(1, 2501)
    ]
    await store.commit(created(*heads))
    for where in (RunFilter(tag="rare"), RunFilter(tag="rare", status=(FAILED,)), RunFilter(tag="rare", q="run")):
        for limit in (1, 3, 100):
            found = await walked(lambda cursor, where=where, limit=limit: store.runs(where, limit, cursor))
            assert [head.key for head in found] == sorted(rare, reverse=True)


async def test_runs_of_many_statuses_are_merged_in_order(store: Store) -> None:
    statuses = list(RunStatus)
    await store.commit(created(*(run(key, status=statuses[key % 6]) for key in range(1, 301))))
    where = RunFilter(status=(COMPLETED, FAILED, RUNNING))
    found = await walked(lambda cursor: store.runs(where, 40, cursor))
    wanted = [key for key in range(300, 0, -1) if statuses[key % 6] in where.status]
    assert [head.key for head in found] == wanted


async def test_active_runs_are_those_that_are_running(store: Store) -> None:
    await store.commit(created(*(run(9 - at, status=status) for at, status in enumerate(RunStatus))))
    assert await store.active_runs() == [8]
    await store.commit(Batch(heads={8: run(8, status=COMPLETED), 5: run(5, status=RUNNING)}))
    assert await store.active_runs() == [5]


# ---- interrupts


async def test_interrupts_are_listed_last_opened_first(store: Store) -> None:
    await store.commit(created(run(1), run(2)))
    for n in range(1, 251):
        await store.commit(Batch(interrupts=[interrupt(f"i{n:03}", 1 + n % 2)]))
    await store.commit(Batch(interrupts_ended=[(f"i{n:03}", "resolved", NOW) for n in range(1, 251, 5)]))

    async def names(status: str | None, key: int | None, limit: int) -> list[str]:
        return [row.id for row in await walked(lambda cursor: store.interrupts(status, key, limit, cursor))]

    every = [f"i{n:03}" for n in range(250, 0, -1)]
    assert await names(None, None, 60) == every
    assert await names("resolved", None, 7) == [name for name in every if int(name[1:]) % 5 == 1]
    assert await names("open", 1, 150) == [n for n in every if int(n[1:]) % 2 == 0 and int(n[1:]) % 5 != 1]
    assert await names(None, 2, 200) == [name for name in every if int(name[1:]) % 2 == 1]
    assert await names("expired", None, 5) == []


async def test_interrupts_are_assigned_to_one_person_and_listed_by_that(store: Store) -> None:
    await store.commit(
        created(run(1), interrupts=[interrupt("i1"), interrupt("i2"), interrupt("i3", kind="breakpoint")])
    )
    await store.assign("i1", "ann", NOW + 1)
    await store.assign("i1", "ann", NOW + 2)

    async def names(**fields: Any) -> list[str]:
        return [row.id for row in (await store.interrupts("open", 1, 9, None, InterruptFilter(**fields))).items]

    assert await store.interrupt("i1") == interrupt("i1", assignee="ann", claimed_at=NOW + 1)
    assert (await names(assignee="ann"), await names(claimed=True)) == (["i1"], ["i1"])
    assert (await names(claimed=False), await names(kind="breakpoint")) == (["i3", "i2"], ["i3"])


async def test_what_one_person_looks_after_is_not_assigned_to_another_until_it_is_free(store: Store) -> None:
    await store.commit(created(run(1), interrupts=[interrupt("i1"), interrupt("i2", status="resolved")]))
    await store.assign("i1", "ann", NOW)

    with pytest.raises(Conflict) as taken:
        await store.assign("i1", "bob", NOW)
    with pytest.raises(Conflict) as over:
        await store.assign("i2", "bob", NOW)
    with pytest.raises(NotFound):
        await store.assign("none", "bob", NOW)
    for _ in range(2):
        await store.unassign("i1")
    await store.assign("i1", "bob", NOW + 1)

    assert (taken.value.conflict, over.value.conflict) == ("interrupt.claimed", "interrupt.closed")
    assert await store.interrupt("i1") == interrupt("i1", assignee="bob", claimed_at=NOW + 1)


async def test_a_run_that_is_deleted_takes_its_assignments_with_it(store: Store) -> None:
    await store.commit(created(run(1, status=RunStatus.COMPLETED), interrupts=[interrupt("i1")]))
    await store.assign("i1", "ann", NOW)

    await store.delete_run(1)

    assert await store.interrupt("i1") is None


# ---- workflows


async def test_workflows_are_listed_last_changed_first(store: Store) -> None:
    for n in range(1, 151):
        await store.put_workflow(workflow(f"w{n:03}", updated_at=NOW + n // 2))
    await store.put_workflow(workflow("w001", 2, updated_at=NOW + 500))
    found = await walked(lambda cursor: store.workflows(None, None, None, 40, cursor))
    rest = sorted(range(2, 151), key=lambda n: (n // 2, n), reverse=True)
    assert [(row.id, row.version) for row in found] == [("w001", 2), *((f"w{n:03}", 1) for n in rest)]


async def test_workflows_are_filtered(store: Store) -> None:
    await store.put_workflow(workflow("billing", 1, name="Monthly Bills", tags=("money",), status="active"))
    await store.put_workflow(workflow("review", 2, tags=("docs", "money")))
    await store.put_workflow(workflow("old", 3, status="active"))
    await store.set_workflow_status("old", "archived", NOW + 9)

    async def ids(q: str | None, tag: str | None, status: str | None) -> list[str]:
        return [row.id for row in await walked(lambda cursor: store.workflows(q, tag, status, 1, cursor))]

    assert await ids(None, None, None) == ["review", "billing"]
    assert await ids(None, None, "archived") == ["old"]
    assert await ids(None, None, "active") == ["billing"]
    assert await ids("bills", None, None) == ["billing"]
    assert await ids("REV", None, None) == ["review"]
    assert await ids(None, "money", None) == ["review", "billing"]
    assert await ids("b", "money", "draft") == []


async def test_tags_of_older_versions_do_not_count(store: Store) -> None:
    await store.put_workflow(workflow("review", 1, tags=("old",)))
    await store.put_workflow(workflow("review", 2, tags=("new",)))
    assert (await store.workflows(None, "old", None, 9, None)).items == ()
    assert [row.version for row in (await store.workflows(None, "new", None, 9, None)).items] == [2]


# ---- cursors


def packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "not base64 at all!",
        "ü",
        packed("no json"),
        packed("[]"),
        packed('{"a":1}'),
        packed('["runs"]'),
        packed('["runs",1]'),
        packed('["runs",1,2,3]'),
        packed('["runs",1,"2"]'),
        packed('["runs",1,2.5]'),
        packed('["runs",true,2]'),
        packed('["runs",null,2]'),
        packed('["runs",1,9223372036854775808]'),
        packed('["others",1,2]'),
        packed("[" * 10_000),
    ],
)
async def test_a_cursor_that_no_list_has_given_is_refused(store: Store, cursor: str) -> None:
    await store.commit(created(run(1)))
    lists: tuple[List, ...] = (
        lambda c: store.runs(RunFilter(), 5, c),
        lambda c: store.runs(RunFilter(tag="a"), 5, c),
        lambda c: store.interrupts(None, None, 5, c),
        lambda c: store.workflows(None, None, None, 5, c),
    )
    for read in lists:
        with pytest.raises(Invalid) as told:
            await read(cursor)
        assert told.value.reason == "cursor.invalid"


async def test_a_cursor_of_another_list_is_refused(store: Store) -> None:
    await store.commit(created(run(1), run(2)))
    cursor = (await store.runs(RunFilter(), 1, None)).next_cursor
    with pytest.raises(Invalid):
        await store.workflows(None, None, None, 5, cursor)
    with pytest.raises(Invalid):
        await store.interrupts(None, None, 5, cursor)


async def test_a_cursor_says_nothing_that_a_url_would_change(store: Store) -> None:
    await store.commit(created(run(1), run(2, created_at=NOW + 999_999)))
    cursor = (await store.runs(RunFilter(), 1, None)).next_cursor
    assert cursor is not None
    assert cursor.replace("-", "").replace("_", "").isalnum()
