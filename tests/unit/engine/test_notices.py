"""Notices: what is told of a run, when, and for how long it is tried."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.announcement import MAX_OUTPUT, notice_of
from engine.codec import read
from engine.driver.turn import Turn
from engine.errors import Conflict
from engine.model import Hook, InterruptId, RunId
from engine.notices import Attempt, Notice, NoticeStatus, Patience, after, again
from engine.parse import parse
from engine.retry import RetryPolicy
from tests.simulation.world import HOOK, World
from tests.unit.api.serving import asking, straight, working

NOW = 1_000_000
PATIENCE = Patience(
    policy=RetryPolicy(max_attempts=1000, initial_interval_ms=100, backoff_factor=3.0, max_interval_ms=1000),
    give_up_ms=10_000,
)
PENDING = Notice(
    id="run-1-3", run_key=1, run_id=RunId("run-1"), workflow_id="w", event="completed", url="http://told.test",
    created_at=NOW, since=NOW, due_at=NOW, body=b"{}",
)  # fmt: skip
MISSED = Attempt(error="HTTP 500")


def a_world(document: dict[str, Any], **given: Any) -> World:
    world = World(parse(document, "w", 1))
    world.start(given)
    return world


def told(world: World) -> dict[str, Any]:
    """The message of the only notice that holds."""
    (notice,) = world.store.told.values()
    return dict(read(notice.body))


# ---- what is told


def test_a_run_that_completes_tells_its_output() -> None:
    world = a_world(straight(), n=4)
    message = told(world)
    assert (message["type"], message["timestamp"]) == ("run.completed", "1970-01-01T00:16:40.000Z")
    assert message["data"] == {
        "run_id": "run-1",
        "workflow_id": "simulated",
        "workflow_version": 1,
        "status": "completed",
        "checkpoint_id": f"run-1.{world.run.seq}",
        "branch": "main",
        "output": {"n": 5},
        "output_omitted": False,
        "error": None,
        "interrupts": [],
        "usage": {"input_tokens": 0, "output_tokens": 0, "cost": 0.0},
        "metadata": {},
        "tags": [],
        "created_at": "1970-01-01T00:16:40.000Z",
    }


def test_a_run_that_fails_tells_why() -> None:
    world = a_world(working())
    world.answer("job", {"error": {"code": "boom", "message": "no", "retryable": False}})
    data = told(world)["data"]
    assert (data["status"], data["error"]["code"], data["error"]["node"], data["output"]) == (
        "failed", "boom", "job", None,
    )  # fmt: skip


def test_a_run_that_fails_between_commits_tells_it_too() -> None:
    document = working()
    document["nodes"]["other"] = {**document["nodes"]["job"], "retry": {"max_attempts": 2}}
    document["edges"] += [["__start__", "other"], ["other", "__end__"]]
    world = a_world(document)
    world.send(next(work.task_id for work in world.outbox.works.values() if work.node == "other"))
    world.answer("job", {"error": {"code": "boom", "message": "no", "retryable": False}})
    assert (world.status, world.store.told) == ("running", {})
    rows = len(world.rows())
    world.answer("other", {"error": {"code": "later", "message": "no", "retryable": True}})
    assert (told(world)["data"]["error"]["code"], len(world.rows())) == ("boom", rows)


def test_a_run_that_waits_tells_its_questions() -> None:
    data = told(a_world(asking()))["data"]
    assert data["status"] == "interrupted"
    assert [(asked["message"], asked["status"]) for asked in data["interrupts"]] == [("how many?", "open")]


def test_a_run_that_goes_on_takes_back_that_it_waits() -> None:
    world = a_world(asking())
    (waits,) = world.store.told
    world.resume(InterruptId(next(iter(world.run.interrupts))), 5)
    assert told(world)["type"] == "run.completed"
    assert waits not in world.store.told


def test_what_pushes_are_told_is_not_taken_back() -> None:
    turn, pushed = Turn(now=NOW), replace(PENDING, id="pushed", push="p")
    turn.batch.notices += [PENDING, pushed]
    turn.withdraw_notices(PENDING.run_key)
    assert (turn.batch.notices, turn.batch.notices_withdrawn) == ([pushed], [(1, NOW)])


def test_only_what_somebody_wants_to_hear_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.simulation.world.HOOK", Hook(url="http://told.test"))
    world = a_world(asking())
    assert (world.status, world.store.told) == ("interrupted", {})
    world.cancel()
    assert told(world)["type"] == "run.cancelled"


def test_a_long_output_is_left_out() -> None:
    state = {"state_schema": {"text": {"type": "string"}}, "nodes": {"a": {"type": "transform", "updates": {}}}}
    document = {**straight(), **state}
    for size, omitted in ((MAX_OUTPUT - 20, False), (MAX_OUTPUT, True)):
        data = told(a_world(document, text="x" * size))["data"]
        assert (data["output"] is None, data["output_omitted"]) == (omitted, omitted)


def test_the_id_of_a_notice_says_where_the_run_stands() -> None:
    world = a_world(straight())
    notice = notice_of(world.run, world.head, HOOK, NOW)
    assert (notice.id, notice.event, notice.url) == (f"run-1-{world.run.seq}", "completed", HOOK.url)
    assert (notice.due_at, notice.status, notice.attempts) == (NOW, "pending", 0)


# ---- how long it is tried


def test_what_has_arrived_is_over() -> None:
    arrived = after(PENDING, Attempt(), NOW + 5, 0.5, PATIENCE)
    assert (arrived.status, arrived.due_at, arrived.ended_at) == ("delivered", None, NOW + 5)
    assert (arrived.attempts, arrived.body) == (1, b"")


def test_pauses_grow_until_they_are_long() -> None:
    notice, pauses = PENDING, []
    for _ in range(5):
        notice = after(notice, MISSED, NOW, 0.0, PATIENCE)
        assert notice.due_at is not None
        pauses.append(notice.due_at - NOW)
    assert pauses == [100, 300, 900, 1000, 1000]
    assert (notice.attempts, notice.last_error, notice.status) == (5, "HTTP 500", "pending")


@pytest.mark.parametrize(("asked", "pause"), [(500, 500), (50, 100), (60_000, 1000)])
def test_the_receiver_may_ask_for_a_longer_pause_within_bounds(asked: int, pause: int) -> None:
    notice = after(PENDING, replace(MISSED, retry_after_ms=asked), NOW, 0.0, PATIENCE)
    assert notice.due_at == NOW + pause


def test_it_is_tried_a_last_time_at_the_end_and_then_given_up() -> None:
    late = after(replace(PENDING, attempts=5), MISSED, NOW + 9_900, 0.0, PATIENCE)
    assert (late.status, late.due_at) == ("pending", NOW + 10_000)
    gone = after(late, MISSED, NOW + 10_000, 0.0, PATIENCE)
    assert (gone.status, gone.due_at, gone.ended_at, gone.body) == ("failed", None, NOW + 10_000, b"{}")


def test_what_is_of_no_use_is_not_tried_again() -> None:
    assert after(PENDING, replace(MISSED, final=True), NOW, 0.0, PATIENCE).status == "failed"


def test_what_was_withdrawn_meanwhile_may_have_arrived_but_is_not_tried_again() -> None:
    withdrawn = replace(PENDING, status=NoticeStatus.WITHDRAWN, due_at=None, ended_at=NOW, body=b"")
    missed = after(withdrawn, MISSED, NOW + 1, 0.0, PATIENCE)
    assert (missed.status, missed.due_at, missed.attempts) == ("withdrawn", None, 1)
    assert after(withdrawn, Attempt(), NOW + 1, 0.0, PATIENCE).status == "delivered"


def test_what_was_given_up_is_tried_anew_for_as_long_as_a_new_one() -> None:
    failed = replace(PENDING, status=NoticeStatus.FAILED, attempts=7, due_at=None, ended_at=NOW)
    anew = again(failed, NOW + 50_000)
    assert (anew.status, anew.attempts, anew.due_at, anew.ended_at) == ("pending", 0, NOW + 50_000, None)
    assert after(anew, MISSED, NOW + 59_000, 0.0, PATIENCE).status == "pending"


@pytest.mark.parametrize("status", [NoticeStatus.DELIVERED, NoticeStatus.WITHDRAWN])
def test_what_is_over_is_not_tried_anew(status: NoticeStatus) -> None:
    with pytest.raises(Conflict) as raised:
        again(replace(PENDING, status=status), NOW)
    assert raised.value.conflict == "notice.closed"
