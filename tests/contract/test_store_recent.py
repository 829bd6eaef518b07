"""What every store promises of lists of runs by their last change."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Invalid
from engine.holds import Hold
from engine.model import ErrorInfo, RunHead, RunStatus, TaskId
from engine.ports import Batch, InterruptRow, RecentFilter, RunFilter, Store
from engine.session import Seat
from store._recent import asked, counted
from store.sql import SqliteStore
from tests.contract.samples import NOW, created, run
from tests.contract.test_store_lists import walked

COMPLETED, FAILED, RUNNING = RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.RUNNING


def ended(key: int, at: int, status: RunStatus = COMPLETED, **fields: Any) -> RunHead:
    return run(key, status=status, updated_at=NOW + at, finished_at=NOW + at, **fields)


async def keys(store: Store, where: RecentFilter = RecentFilter(), limit: int = 2) -> list[int]:  # noqa: B008
    return [head.key for head in await walked(lambda cursor: store.recent_runs(where, limit, cursor))]


def some() -> list[RunHead]:
    refused = ErrorInfo(code="rejected", message="not this one", retryable=False)
    return [
        ended(1, 50, workflow_id="billing"),
        ended(2, 10, FAILED, error=refused),
        run(3, status=RUNNING, updated_at=NOW + 40, workflow_id="billing"),
        ended(4, 40, FAILED, error=replace(refused, code="worker.none")),
        run(5, updated_at=NOW + 60),
        ended(6, 20, RunStatus.CANCELLED),
        run(7, status=RunStatus.INTERRUPTED, updated_at=NOW + 30),
    ]


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
async def test_runs_are_listed_last_changed_first_whether_they_have_ended_or_not(store: Store, limit: int) -> None:
    await store.commit(created(*some()))
    assert await keys(store, limit=limit) == [5, 1, 4, 3, 7, 6, 2]


FILTERS = [
    pytest.param(RecentFilter(status=(FAILED,)), [4, 2], id="one status"),
    pytest.param(RecentFilter(status=(RUNNING, COMPLETED, RUNNING)), [1, 3], id="several statuses"),
    pytest.param(RecentFilter(workflow_id="billing"), [1, 3], id="workflow"),
    pytest.param(RecentFilter(since=NOW + 40), [5, 1, 4, 3], id="time"),
    pytest.param(RecentFilter(code="rejected"), [2], id="code"),
    pytest.param(RecentFilter(status=(FAILED,), but_code="rejected"), [4], id="another code"),
    pytest.param(RecentFilter(but_code="rejected"), [5, 1, 4, 3, 7, 6], id="another code, or none"),
    pytest.param(RecentFilter(workflow_id="billing", since=NOW + 41, status=(COMPLETED,)), [1], id="all of them"),
]


@pytest.mark.parametrize(("where", "expected"), FILTERS)
async def test_they_are_filtered_and_counted(store: Store, where: RecentFilter, expected: list[int]) -> None:
    await store.commit(created(*some()))
    for limit in (1, 50):
        assert await keys(store, where, limit) == expected
    assert await store.count_recent(where) == len(expected)


def question(key: int, n: int, kind: str, status: str = "open") -> InterruptRow:
    return InterruptRow(
        id=f"i{key}.{n}", run_key=key, run_id=f"run-{key}", task_id=TaskId(f"t{n}"), node="ask", kind=kind, message="?",
        schema=None, actions=None, status=status, created_at=NOW,
    )  # fmt: skip


async def test_those_are_found_whose_open_interrupts_are_all_of_one_kind(store: Store) -> None:
    waiting = [run(key, status=RunStatus.INTERRUPTED, updated_at=NOW + key) for key in (1, 2, 3, 4)]
    asked = [question(1, 1, "auth"), question(2, 1, "auth"), question(2, 2, "node"), question(3, 1, "worker")]
    was = [question(1, 2, "node", "resolved"), question(4, 1, "auth", "resolved")]
    await store.commit(created(*waiting, interrupts=[*asked, *was]))

    assert await keys(store, RecentFilter(status=(RunStatus.INTERRUPTED,), asks_only="auth")) == [1]
    assert await keys(store, RecentFilter(status=(RunStatus.INTERRUPTED,), asks_but="auth")) == [4, 3, 2]
    assert await store.count_recent(RecentFilter(asks_only="auth")) == 1


@pytest.mark.parametrize(
    "where", [RecentFilter(), RecentFilter(workflow_id="review"), RecentFilter(status=(COMPLETED,))]
)
async def test_runs_of_which_only_the_beginning_is_there_do_not_count(store: Store, where: RecentFilter) -> None:
    await store.commit(
        created(ended(1, 5), ended(2, 6), ended(3, 7), run(4, workflow_id="other"), holds={3: Hold.ANCESTOR})
    )
    found = await keys(store, where)
    assert 3 not in found
    assert await store.count_recent(where) == len(found)


async def test_those_of_a_session_are_found(store: Store) -> None:
    seats = [Seat(session="mine", place=place) for place in (1, 2)] + [Seat(session="yours", place=1)]
    heads = [ended(key, at, seat=seat) for key, at, seat in zip((1, 2, 3), (9, 8, 7), seats, strict=True)]
    await store.commit(created(*heads, run(4)))

    assert await keys(store, RecentFilter(session_id="mine"), 1) == [1, 2]
    assert await keys(store, RecentFilter(session_id="mine", status=(COMPLETED,), since=NOW + 9)) == [1]
    assert await store.count_recent(RecentFilter(session_id="mine")) == 2


async def test_a_run_that_changes_between_two_pages_moves_no_other(store: Store) -> None:
    await store.commit(created(*some()))
    page = await store.recent_runs(RecentFilter(), 3, None)
    await store.commit(Batch(heads={7: run(7, status=RUNNING, updated_at=NOW + 99)}))
    await store.delete_run(4)
    rest = await store.recent_runs(RecentFilter(), 9, page.next_cursor)

    assert [head.key for head in (*page.items, *rest.items)] == [5, 1, 4, 3, 6, 2]


async def test_a_cursor_of_another_list_is_none(store: Store) -> None:
    await store.commit(created(*some()))
    other = (await store.runs(RunFilter(), 1, None)).next_cursor
    for cursor in (other, "x", ""):
        with pytest.raises(Invalid):
            await store.recent_runs(RecentFilter(), 1, cursor)


async def test_runs_that_have_ended_are_found_by_an_index(tmp_path: Path) -> None:
    """Whatever their number, a page reads no more of them than it holds."""
    sqlite = SqliteStore(tmp_path / "clew.db")
    await sqlite.open()
    await sqlite.commit(created(*some()))
    plans: list[str] = []
    with closing(sqlite3.connect(sqlite.path)) as connection:
        for workflow in (None, "billing"):
            text, given = asked(RecentFilter(status=(COMPLETED,), workflow_id=workflow), 2)
            plans += [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", given)]
    await sqlite.close()

    used = [plan for plan in plans if "SEARCH runs USING COVERING INDEX" in plan]
    assert [plan.split()[5] for plan in used] == ["runs_by_end", "runs_by_workflow_end"]
    assert len([plan for plan in plans if "TEMP B-TREE" in plan]) == 2, "what is merged is sorted, and nothing else"
    assert not [plan for plan in plans if plan.startswith("SCAN runs")]


@pytest.mark.parametrize(
    ("where", "index"),
    [
        (RecentFilter(), "runs_by_time"),
        (RecentFilter(workflow_id="billing"), "runs_by_workflow"),
        (RecentFilter(status=(COMPLETED,)), "runs_by_end"),
        (RecentFilter(status=(COMPLETED,), workflow_id="billing", since=NOW), "runs_by_workflow_end"),
    ],
)
async def test_they_are_counted_in_an_index_alone(tmp_path: Path, where: RecentFilter, index: str) -> None:
    assert f"USING COVERING INDEX {index}" in await planned(tmp_path, *counted(where))


async def test_those_that_go_on_are_not_looked_for_among_all_of_a_workflow(tmp_path: Path) -> None:
    where = RecentFilter(status=(RUNNING,), workflow_id="billing")
    for statement in (counted(where), asked(where, 2)):
        assert "SEARCH runs USING INDEX runs_by_status" in await planned(tmp_path, *statement)


async def planned(folder: Path, text: str, given: Mapping[str, Any]) -> str:
    """How SQLite goes about a statement."""
    sqlite = SqliteStore(folder / "clew.db")
    await sqlite.open()
    with closing(sqlite3.connect(sqlite.path)) as connection:
        found = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", given)]
    await sqlite.close()
    return "\n".join(found)
