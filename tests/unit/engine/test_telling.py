"""What commits, and events between them, are in a stream."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model import Commit, ErrorInfo, InterruptId, Kind, RunStatus, Task, TaskId, TaskStatus, Wave, make_ref
from engine.ports import EventRow
from engine.telling import ALOUD, LOG_LINES, attempts_json, is_told, log_json, parts_between, parts_of

TASK = Task(id=TaskId("t1"), wave=Wave("a"), causes=(make_ref(1, 1),), level=1)


def a_commit(kind: Kind = Kind.NODE, seq: int = 2, **fields: Any) -> Commit:
    task = {} if kind in (Kind.START, Kind.END, Kind.CANCEL) else {"task": TASK, "closed": (TASK.id,)}
    return Commit(ref=make_ref(1, seq), kind=kind, at=1000, level=1, **{**task, **fields})


def an_event(kind: str, **body: Any) -> EventRow:
    return EventRow(run_key=1, n=1, seq=1, at=1000, kind=kind, task_id=TASK.id, body=body)


def names(commit: Commit, before: str | None = "running") -> list[str]:
    return [part.name for part in parts_of(commit, before, "r")]


def test_a_start_is_told_before_its_values() -> None:
    assert names(a_commit(Kind.START, 1), "") == ["run", "values", "checkpoint"]


def test_a_task_that_nobody_else_did_starts_and_ends_with_its_commit() -> None:
    assert names(a_commit()) == ["task", "task", "updates", "values", "checkpoint"]


def test_what_a_worker_reports_in_its_answer_is_told_before_the_task_ends() -> None:
    answer = {"output": 1, "events": [{"stage": "read", "progress": 0.5, "odd": 1}, {"message": "done"}]}
    parts = parts_of(a_commit(answer=answer, started_at=900), "running", "r")
    assert [part.name for part in parts][:3] == ["custom", "custom", "task"]
    told = parts[0].data
    assert (told["node"], told["attempt"], told["stage"]) == ("a", 1, "read")
    assert (told["progress"], told["data"]) == (0.5, None)
    assert "odd" not in told


def test_the_numbers_of_parts_do_not_depend_on_what_came_before() -> None:
    end = a_commit(Kind.END, 3, status=RunStatus.COMPLETED)
    known = {part.name: part.number for part in parts_of(end, "running", "r")}
    again = {part.name: part.number for part in parts_of(end, "completed", "r")}
    assert again == {name: number for name, number in known.items() if name != "run"}


def test_the_status_of_a_run_that_turned_is_told_whatever_it_was() -> None:
    assert names(a_commit(Kind.RETRY), "running")[-1] == "run"


@pytest.mark.parametrize(
    ("kind", "fields", "name"),
    [
        (Kind.RESUME, {"resolved": (InterruptId("i"),)}, "resume"),
        (Kind.STATE, {"writes": (("k", 1),)}, "state"),
        (Kind.RETRY, {}, "retry"),
        (Kind.FAILURE, {"error": ErrorInfo(code="boom", message="it broke")}, "error"),
    ],
)
def test_debug_tells_what_kind_of_commit_it_is(kind: Kind, fields: dict[str, Any], name: str) -> None:
    found = names(a_commit(kind, **fields))
    assert name in found
    assert is_told(name, frozenset({"debug"}))
    assert not is_told(name, frozenset({"values", "updates", "tasks", "custom"}))


def test_everything_says_where_and_when() -> None:
    failed = a_commit(Kind.FAILURE, error=ErrorInfo(code="boom", message="it broke"), task_status=TaskStatus.FAILED)
    rows = [parts_of(failed, "running", "r"), parts_between(an_event("retry", attempt=2, due_at=5, error={}), "r")]
    for part in (part for parts in rows for part in parts):
        assert {"seq", "at", "ns"} <= part.data.keys(), part.name


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (an_event("dispatch", attempt=1, worker="w", deadline=5), ["task", "dispatch"]),
        (an_event("waiting", attempt=1, reason="capacity"), ["task", "dispatch"]),
        (an_event("accepted", attempt=1), ["dispatch"]),
        (an_event("retry", attempt=2, due_at=5, error={"code": "boom"}), ["task", "retry", "error"]),
        (an_event("late", why="the task is over", answer=1), ["dispatch"]),
        (an_event("progress", stage="read", progress=0.5), ["custom"]),
        (an_event("run", status="failed"), ["run"]),
        (an_event("something"), []),
    ],
)
def test_events_between_commits_are_told_by_their_kind(event: EventRow, found: list[str]) -> None:
    assert [part.name for part in parts_between(event, "r")] == found


@pytest.mark.parametrize(
    "kind", ["dispatch", "waiting", "accepted", "late", "retry", "heartbeat", "injection", "injected"]
)
def test_what_is_not_aloud_is_told_in_detailed_modes_alone(kind: str) -> None:
    body = {"attempt": 1, "due_at": 5, "error": {}, "worker": "w", "why": "over", "answer": None}
    names = [part.name for part in parts_between(an_event(kind, **body), "r")]
    others = frozenset({"values", "updates", "custom"})
    assert kind not in ALOUD
    assert not any(is_told(name, others) for name in names)


def test_a_task_that_waits_says_for_what() -> None:
    dispatch = parts_between(an_event("waiting", attempt=1, reason="no_worker"), "r")[-1].data
    assert (dispatch["status"], dispatch["reason"]) == ("waiting", "no_worker")


def test_reports_are_the_log_of_a_task_and_no_attempts() -> None:
    rows = [
        an_event("dispatch", attempt=1, worker="w", deadline=5),
        an_event("progress", attempt=1, worker="w", stage="read"),
        an_event("heartbeat", attempt=1),
    ]
    assert [row["kind"] for row in attempts_json(rows, ())] == ["dispatch"]
    end = a_commit(answer={"events": [{"message": "done"}]}, worker="w", attempt=2)
    log = [(line["attempt"], line["worker"], line["stage"], line["message"]) for line in log_json(rows, end)]
    assert log == [(1, "w", "read", None), (2, "w", None, "done")]


def test_a_log_shows_its_last_lines() -> None:
    rows = [an_event("progress", attempt=1, data=number) for number in range(LOG_LINES + 5)]
    found = log_json(rows)
    assert (len(found), found[-1]["data"]) == (LOG_LINES, LOG_LINES + 4)


@pytest.mark.parametrize("kind", sorted(ALOUD))
def test_what_is_aloud_is_told_in_other_modes_too(kind: str) -> None:
    parts = parts_between(an_event(kind, status="failed", stage="read", turn=1, answer={}), "r")
    assert any(is_told(part.name, frozenset({"values", "updates", "custom"})) for part in parts)
