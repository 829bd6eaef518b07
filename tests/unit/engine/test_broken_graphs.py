"""Graphs inside graphs that break in more than one place: which failure the whole has."""

from __future__ import annotations

import pytest

from engine.model import RunStatus
from engine.outbox import Answered
from tests.builders import chain, task
from tests.unit.engine.test_rooms import part
from tests.unit.engine.worlds import begun, sound

NODES = {"p": task(), "q": task(), "e": task(join="each")}
EDGES = [["__start__", "p"], ["__start__", "q"], ["p", "e"], ["q", "e"], ["e", "__end__"]]


@pytest.mark.parametrize("last", [0, 1])
def test_of_two_failures_at_one_node_that_of_the_first_cause_counts_whichever_came_first(last: int) -> None:
    world = begun({"s": part(NODES, EDGES, on_error="continue")}, chain("s"))
    world.answer("p", 1)
    world.answer("q", 1)
    works = list(world.outbox.works.values())
    for work in works:
        world.send(work.task_id)
    for place in (1 - last, last):
        error = {"code": "no", "message": f"{place}", "retryable": False}
        world.reply(works[place], Answered(body={"error": error}))

    assert [commit.error.message for commit in world.commits() if commit.error and commit.task.node == "s"] == ["0"]
    assert world.status is RunStatus.COMPLETED
    assert sound(world)


def test_what_was_put_off_in_a_graph_that_breaks_has_reached_no_limit() -> None:
    nodes = {"p": task(), "q": task(), "f": task(defer=True)}
    edges = [["__start__", "p"], ["__start__", "q"], ["p", "f"], ["q", "f"], ["f", "__end__"]]
    world = begun({"s": part(nodes, edges, on_error="continue")}, chain("s"))
    works = list(world.outbox.works.values())
    for work in works:
        world.send(work.task_id)
    world.reply(works[0], Answered(body={"error": {"code": "no", "message": "no", "retryable": False}}))
    world.reply(works[1], Answered(body=1))

    assert (world.status, world.run.error) == (RunStatus.COMPLETED, None)
    assert sound(world)
