"""A worker: which function works for which task, and what a task can do by itself."""

from __future__ import annotations

from typing import Any

import pytest

from clew import Cancelled, Task, TaskError, Worker
from clew.worker.answer import Asked
from clew.worker.task import task_of


def a_worker() -> Worker:
    worker = Worker("w", ["gpu"])
    worker.task("one", "uno")(first)
    worker.task("two")(second)
    return worker


def first(task: Task) -> str:
    return "first"


def second(task: Task) -> str:
    return "second"


def test_its_tags_are_its_own_and_those_of_its_functions() -> None:
    assert a_worker().tags == ["gpu", "one", "uno", "two"]


@pytest.mark.parametrize(
    ("tags", "function"),
    [(["one"], first), (["uno"], first), (["two"], second), (["gpu", "two"], second), (["two", "one"], second)],
)
def test_the_first_tag_that_has_a_function_decides(tags: list[str], function: Any) -> None:
    assert a_worker().function_for(Task(worker_tags=tags)) is function


def test_a_task_without_a_function_fails_unless_there_is_one_for_all_others() -> None:
    worker = a_worker()
    with pytest.raises(TaskError, match=r"no function for node 'n'; it has some for the tags gpu, one") as failure:
        worker.function_for(Task(node="n", worker_tags=["gpu"]))
    assert (failure.value.code, failure.value.retryable) == ("worker.no_function", False)
    worker.task()(first)
    assert worker.function_for(Task(worker_tags=["gpu"])) is first
    assert worker.function_for(Task()) is first


def test_an_only_function_works_for_every_task() -> None:
    worker = Worker("w")
    worker.task("one")(first)
    assert worker.function_for(Task(worker_tags=[])) is first


def test_a_tag_has_one_function() -> None:
    with pytest.raises(ValueError, match="has a function for the tag 'two' already"):
        a_worker().task("two")(first)
    with pytest.raises(ValueError, match="max_concurrent"):
        Worker("w", max_concurrent=0)
    with pytest.raises(ValueError, match="grace_s"):
        Worker("w", grace_s=-1)


class Desk:
    cancelled = False

    def __init__(self) -> None:
        self.told: list[Any] = []

    def report(self, report: Any) -> None:
        self.told.append(report)

    def heartbeat(self) -> None:
        self.told.append("beat")


def test_a_task_reports_in_the_words_of_the_interface() -> None:
    desk = Desk()
    task = task_of({"task_id": "t", "newer": 1}, "t.1.1", desk)
    task.progress("running", 0.5, "half", data={})
    task.log("line")
    task.emit_text("token")
    task.heartbeat()
    assert desk.told == [
        {"stage": "running", "progress": 0.5, "message": "half", "data": {}},
        {"chunks": [{"channel": "log", "text": "line"}]},
        {"chunks": [{"channel": "llm", "text": "token"}]},
        "beat",
    ]
    assert (task.message_id, task.model_extra) == ("t.1.1", {"newer": 1})


@pytest.mark.parametrize(("said", "told"), [(-1, 0), (0, 0), (1, 1), (1.0000000000000002, 1), (40, 1)])
def test_progress_beyond_its_ends_is_told_as_its_end(said: float, told: float) -> None:
    desk = Desk()
    task_of({"task_id": "t"}, "t", desk).progress(progress=said)
    assert desk.told == [{"progress": told}]


def test_a_task_that_nobody_wants_ends_at_its_next_report() -> None:
    desk = Desk()
    task = task_of({"task_id": "t"}, "t", desk)
    desk.cancelled = True
    assert task.cancelled
    for report in (task.heartbeat, task.progress, lambda: task.log("x"), lambda: task.emit_text("x")):
        with pytest.raises(Cancelled):
            report()


def test_a_function_can_be_tested_without_a_server() -> None:
    task = Task(input={"n": 1})
    task.progress("running")
    assert not task.cancelled
    with pytest.raises(Asked) as asked:
        task.interrupt("Which?", {"enum": [1]}, expires_in_ms=5)
    assert asked.value.question == {"message": "Which?", "schema": {"enum": [1]}, "expires_in_ms": 5}
