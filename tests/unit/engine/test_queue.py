"""Runs are planned in the order in which they came, those first that somebody asked something."""

from __future__ import annotations

from engine.driver.loading import new_run
from engine.driver.queue import Queue
from engine.driver.turn import Live
from engine.model import RunHead, RunId, RunStatus, make_ref
from tests.builders import chain, document, graph_of, task

GRAPH = graph_of(document({"a": task()}, chain("a")))


def live(key: int, *, asked: bool = False) -> Live:
    head = RunHead(
        key=key, id=RunId(f"run-{key}"), workflow_id="tested", workflow_version=1, status=RunStatus.RUNNING,
        head=make_ref(key, 0), created_at=0, updated_at=0,
    )  # fmt: skip
    found = Live(run=new_run(head, GRAPH), head=head)
    if asked:
        found.inbox.append(lambda turn: None)
    return found


def taken(queue: Queue) -> list[int]:
    found = []
    while queue:
        found.append((queue.next_asked() if queue.asked else queue.next_other()).run.key)
    return found


def test_those_that_were_asked_come_first() -> None:
    queue = Queue()

    for one in (live(1), live(2, asked=True), live(3), live(4, asked=True)):
        assert queue.add(one)

    assert taken(queue) == [2, 4, 1, 3]


def test_a_run_that_goes_on_comes_first_once_it_is_asked() -> None:
    queue, one = Queue(), live(2)
    queue.add(live(1))
    queue.add(one)

    one.inbox.append(lambda turn: None)

    assert queue.add(one)
    assert queue.next_asked() is one


def test_a_run_is_there_once() -> None:
    queue, one, other = Queue(), live(1), live(2, asked=True)

    added = [queue.add(found) for found in (one, one, other, other)]

    assert added == [True, False, True, False]
    assert taken(queue) == [2, 1]
    assert not one.busy
