"""Limits of the items of sends: who gives up a place."""

from __future__ import annotations

from engine.model import RunStatus
from tests.builders import chain, task
from tests.unit.engine.test_rooms import KEY, has_room
from tests.unit.engine.worlds import begun


def test_a_run_that_fails_with_a_question_of_an_item_has_no_places_either() -> None:
    sends = {"type": "send", "items_key": "state.items", "target_node": "one", "output_key": "log", **KEY}
    world = begun(
        {"all": sends, "one": task(), "b": task()},
        [*chain("all"), ["__start__", "b"], ["b", "__end__"]],
        given={"items": [1]},
    )
    for work in tuple(world.outbox.works.values()):
        world.send(work.task_id)
    world.answer("b", {"error": {"code": "boom", "message": "no", "retryable": False}})
    assert (world.status, has_room(world)) == (RunStatus.RUNNING, ["one"])

    world.answer("one", {"interrupt": {"message": "?"}}, 0)

    assert (world.status, has_room(world)) == (RunStatus.FAILED, [])
