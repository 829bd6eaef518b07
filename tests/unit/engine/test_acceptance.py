"""Attempts that a worker has accepted: what is noted of that waits a little, and holds nothing up."""

from __future__ import annotations

from engine.model import RunStatus
from engine.outbox import Accepted
from tests.builders import chain, task
from tests.simulation.fate import Fate
from tests.unit.engine.worlds import begun


def test_an_answer_that_comes_with_the_note_leaves_no_deadline() -> None:
    world = begun({"a": task(output_key="log")}, chain("a"))
    [work] = world.outbox.works.values()
    world.fate = Fate(keeps=True)
    world.send(work.task_id)
    world.reply(work, Accepted())
    waiting = (len(world.here.notes), dict(world.timers.held))
    world.post(work.task_id, {"output": "done"})

    assert waiting == (2, {})
    assert (world.status, world.timers.held) == (RunStatus.COMPLETED, {})


def test_one_that_comes_later_ends_it() -> None:
    world = begun({"a": task(output_key="log", timeout_ms=500)}, chain("a"))
    [work] = world.outbox.works.values()
    world.send(work.task_id)
    world.reply(work, Accepted())
    held = dict(world.timers.held)
    world.post(work.task_id, {"output": "done"})

    assert held == {(work.task_id, "deadline"): (world.now + 500, world.run.key)}
    assert world.timers.held == {}


def test_a_turn_that_was_answered_before_a_crash_is_followed_by_one_turn() -> None:
    agent = {"type": "agent", "prompt_template": "begin", "continuation_prompt": "go on", "max_turns": 3}
    world = begun({"a": agent}, chain("a"))
    [work] = world.outbox.works.values()
    world.send(work.task_id)
    world.crash()  # that a worker has it is known, and that it was accepted is not: it is to be sent again
    before = list(world.run.ready)
    world.post(work.task_id, {"output": "one"}, steps=0)

    assert before == [work.task_id]
    assert list(world.run.ready) == [work.task_id]
