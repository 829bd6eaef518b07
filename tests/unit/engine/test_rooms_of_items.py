"""Limits of the items of sends: each has its place from its beginning to its end."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model import ErrorInfo, RunStatus
from engine.outbox import Refused
from engine.validate import validate
from tests.builders import chain, document, task
from tests.simulation.world import World
from tests.unit.engine.test_rooms import ASK, KEY, STATE, answer, asked, has_room, part, shown
from tests.unit.engine.worlds import begun, sound


def sent(many: list[Any], target: dict[str, Any], **fields: Any) -> World:
    sends = {"type": "send", "items_key": "state.items", "target_node": "one", "output_key": "log", **fields}
    return begun({"all": sends, "one": target}, chain("all"), given={"items": many})


@pytest.mark.parametrize("crash", [False, True])
def test_items_with_the_same_text_take_turns_and_others_go_beside_them(crash: bool) -> None:
    world = sent(["x", "x", "y"], task(), concurrency_key="{{ item }}")
    if crash:
        world.crash()
        world.turn(kept=True)
    assert sorted(world.waiting()) == [("one", 0), ("one", 2)]
    world.answer("one", 1, 2)
    assert world.waiting() == [("one", 0)]
    world.answer("one", 1, 0)
    assert world.waiting() == [("one", 1)]


def test_an_item_keeps_its_key_over_its_tries() -> None:
    world = sent(["x", "y"], task(retry={"max_attempts": 2, "initial_interval_ms": 10}), **KEY)
    work = next(iter(world.outbox.works.values()))
    world.send(work.task_id)
    world.reply(work, Refused(error=ErrorInfo(code="boom", message="no"), retryable=True))

    assert (world.waiting(), has_room(world)) == ([], ["one"])
    world.fire(work.task_id, "retry")
    assert world.waiting() == [("one", 0)]


def test_what_an_item_asks_a_worker_has_the_key_of_the_item() -> None:
    world = sent(["x", "y"], task(**KEY), **KEY)
    world.answer("one", 1, 0)
    world.answer("one", 2, 1)

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, [1, 2])


def test_an_item_that_asks_a_person_keeps_its_key_and_the_others_wait_for_it() -> None:
    world = sent(["x", "y"], task(), **KEY)
    world.answer("one", {"interrupt": {"message": "?"}}, 0)
    assert (world.status, has_room(world)) == (RunStatus.INTERRUPTED, ["one"])
    world.crash()
    world.turn(kept=True)
    assert (world.status, shown(world, "one")[1]) == (RunStatus.INTERRUPTED, ("waiting", "concurrency_key"))

    world.resume(next(iter(world.run.interrupts)), "yes")
    world.answer("one", 1, 0)
    assert world.waiting() == [("one", 1)]


@pytest.mark.parametrize("crash", [False, True])
def test_a_run_is_interrupted_also_where_an_item_waits_behind_one_that_waits_for_a_person(crash: bool) -> None:
    nodes = {
        "all": {"type": "send", "items_key": "state.items", "targets": ["one", "two"], "output_key": "log"},
        "one": part({"q": ASK}, chain("q"), concurrency_key="z"),  # the last key that its items take
        "two": task(),
    }
    nodes["all"]["concurrency_key"] = "{{ index }}"
    world = begun(nodes, chain("all"), given={"items": ["x", "y"]})
    if crash:
        world.crash()
        world.turn(kept=True)

    assert (asked(world), shown(world, "two")) == (["q"], [("waiting", "concurrency_key")] * 2)
    assert world.status is RunStatus.INTERRUPTED
    answer(world, "q")
    assert (world.status, world.waiting()) == (RunStatus.RUNNING, [("two", 0)])
    assert sound(world)


def test_the_key_of_a_send_may_name_the_item_and_nothing_that_is_not_there() -> None:
    nodes = {"all": {"type": "send", "items_key": "state.items", "target_node": "one"}, "one": task()}
    nodes["all"]["output_key"] = "log"

    def keyed(key: str) -> dict[str, Any]:
        return document({**nodes, "all": {**nodes["all"], "concurrency_key": key}}, chain("all"), STATE)

    good, bad = keyed("{{ item }} {{ index }}"), keyed("{{ error.code }}")
    assert [problem.code for problem in validate(good)] == []
    assert [(one.code, one.path) for one in validate(bad)] == [("reference.name", "/nodes/all/concurrency_key")]
