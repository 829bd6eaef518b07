"""With whom an attempt was lost: others are asked before it, and that is known after a crash too."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model import ErrorInfo, RunStatus, TaskId
from engine.outbox import LOST, Accepted, Answered, Refused, Reply, Work
from tests.builders import chain, task
from tests.fakes import ready
from tests.simulation.world import WORKER, World
from tests.unit.engine.worlds import begun

RETRY = {"max_attempts": 3, "initial_interval_ms": 10}
AGENT = {"type": "agent", "prompt_template": "begin", "continuation_prompt": "go on", "max_turns": 3}


def refused(code: str = "worker.connection", **how: Any) -> Refused:
    return Refused(error=ErrorInfo(code=code, message="no"), retryable=True, **how)


BROKEN, LATE = refused(transport=True), refused("timeout", timed_out=True)
ERROR, SAID = refused("worker.http_500"), Answered(body={"error": {"code": "timeout", "message": "no"}})


def work(world: World) -> Work:
    (found,) = world.outbox.works.values()
    return found


def asked(reply: Reply, world: World | None = None) -> World:
    """A task whose attempt was answered so, and which is asked again."""
    world = world or begun({"a": task(output_key="log", retry=RETRY)}, chain("a"))
    found = work(world)
    world.send(found.task_id)
    world.reply(found, reply)
    return world


def again(world: World) -> Work:
    """The next attempt."""
    ((task_id, kind),) = world.timers.held
    world.fire(task_id, kind)
    return work(world)


@pytest.mark.parametrize("crashes", [False, True])
@pytest.mark.parametrize(
    ("reply", "failed_by"),
    [(BROKEN, WORKER), (refused(LOST, transport=True), WORKER), (LATE, WORKER), (ERROR, None), (SAID, None)],
    ids=["broken", "lost", "late", "an error of http", "an error that the worker tells"],
)
def test_who_says_nothing_has_failed_and_who_tells_an_error_has_not(
    reply: Reply, failed_by: str | None, crashes: bool
) -> None:
    world = asked(reply)
    if crashes:
        world.crash()
    found = again(world)
    assert (found.attempt, found.failed_by) == (2, failed_by)


@pytest.mark.parametrize("crashes", [False, True])
def test_who_accepts_and_does_not_answer_in_time_has_failed(crashes: bool) -> None:
    world = asked(Accepted())
    ((task_id, _),) = world.timers.held
    world.fire(task_id, "deadline")
    if crashes:
        world.crash()
    assert again(world).failed_by == WORKER


@pytest.mark.parametrize("crashes", [False, True])
def test_an_error_that_somebody_tells_does_not_change_who_has_failed(crashes: bool) -> None:
    world = asked(BROKEN)
    again(world)
    asked(ERROR, world)
    if crashes:
        world.crash()
    found = again(world)
    assert (found.attempt, found.failed_by) == (3, WORKER)


def test_the_next_turn_of_an_agent_begins_anew() -> None:
    world = asked(BROKEN, begun({"a": {**AGENT, "retry": RETRY}}, chain("a")))
    found = again(world)
    world.send(found.task_id)
    world.reply(found, Answered(body={"output": "one"}))
    before = (work(world).turn, work(world).failed_by)
    world.crash()
    world.turn(kept=True)
    assert before == (work(world).turn, work(world).failed_by) == (2, None)


@pytest.mark.parametrize("crashes", [False, True])
def test_a_retry_of_the_run_begins_anew(crashes: bool) -> None:
    world = asked(BROKEN)
    for _ in range(2):
        again(world)
        asked(BROKEN, world)
    assert world.status is RunStatus.FAILED
    ready(world.travel.retry(world.head.id, {}, "test"))
    if crashes:
        world.crash()
        world.turn(kept=True)
    assert (work(world).attempt, work(world).failed_by) == (4, None)


def test_what_is_told_of_the_attempt_names_who_has_failed() -> None:
    world = asked(BROKEN)
    (event,) = [event for event in world.store.noted[world.head.key] if event.kind == "retry"]
    assert (event.task_id, event.body["failed_by"]) == (TaskId(next(iter(world.run.progress))), WORKER)
