"""What a server and a worker owe each other over a socket, played without sockets and clocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from dispatch._inbox import Receipt
from dispatch._ws_desk import (
    MAX_SENDS,
    SILENT,
    Action,
    Away,
    Close,
    Desk,
    Lost,
    Send,
    Settle,
    Take,
    Times,
)
from dispatch._ws_frames import Acknowledge, Feedback, Heartbeat, Held, Leave, Register, Result
from engine.outbox import Accepted, Refused
from tests.unit.dispatch.builders import an_envelope

TIMES = Times(heartbeat=1000, ack=100, away=5000, unlisted=50)
TASK = an_envelope((b"{}",))
ID, CORR = "t1.1", "t1.s"


def a_desk(*, here: bool = True, held: Iterable[str] = (), **register: Any) -> Desk:
    desk = Desk("w1", TIMES)
    if here:
        desk.dialled(Register(id="w1", **register), (), held, 0)
    return desk


def sent(desk: Desk, now: int = 0) -> None:
    """A task went out to the worker."""
    desk.dispatch(TASK, ID, now)
    desk.written(ID, now)


def frames(actions: Sequence[Action]) -> list[Any]:
    return [orjson.loads(action.text) for action in actions if isinstance(action, Send)]


def ticked(desk: Desk, now: int, held: Iterable[str] = ()) -> Sequence[Action]:
    return desk.tick(now, lambda: held)


def a_result(body: Any = 1, frame_id: str | None = "r1") -> Result:
    return Result(id=frame_id, corr=CORR, body=body)


def holding(*task_ids: str) -> list[Held]:
    return [Held(task_id=task_id, corr=f"{task_id}.s") for task_id in task_ids]


# ---- a task


def test_a_task_is_accepted_when_the_worker_acknowledges_it() -> None:
    desk = a_desk()
    assert frames(desk.dispatch(TASK, ID, 0))[0]["id"] == ID
    assert desk.receive(Acknowledge(corr=ID), 1) == (Settle(ID, Accepted()),)


def test_an_acknowledgement_that_comes_again_changes_nothing() -> None:
    desk = a_desk()
    sent(desk)
    desk.receive(Acknowledge(corr=ID), 1)
    assert list(desk.receive(Acknowledge(corr=ID), 2)) == []


def test_what_a_worker_says_of_a_task_acknowledges_it() -> None:
    for frame in (a_result(), Feedback(corr=CORR, stage="reading")):
        desk = a_desk()
        sent(desk)
        assert list(desk.receive(frame, 1)) == [Settle(ID, Accepted()), Take(frame)]


def test_a_task_that_is_not_acknowledged_is_sent_again_under_its_id() -> None:
    desk = a_desk()
    sent(desk)
    assert desk.due() == TIMES.ack
    assert [frame["id"] for frame in frames(ticked(desk, TIMES.ack))] == [ID]


def test_nothing_is_sent_again_before_it_has_gone_out() -> None:
    desk = a_desk()
    desk.dispatch(TASK, ID, 0)
    assert list(ticked(desk, TIMES.ack)) == []


def test_after_the_third_time_the_attempt_fails_and_the_worker_is_left_alone() -> None:
    desk, now = a_desk(), 0
    sent(desk)
    for _ in range(MAX_SENDS - 1):
        now += TIMES.ack
        assert len(frames(ticked(desk, now))) == 1
        desk.written(ID, now)
    settled, away, closed = ticked(desk, now + TIMES.ack)
    assert isinstance(settled, Settle)
    assert isinstance(settled.reply, Refused)
    assert (settled.reply.error.code, settled.reply.retryable, settled.reply.transport) == (
        "worker.unacknowledged",
        True,
        True,
    )
    assert (away, closed) == (Away(), Close(SILENT, "a dispatch was not acknowledged"))
    assert desk.due() is None


def test_a_delivery_that_nobody_waits_for_is_forgotten() -> None:
    desk = a_desk()
    sent(desk)
    desk.abandon(ID)
    assert list(ticked(desk, TIMES.ack)) == []


# ---- answers


def test_an_answer_is_acknowledged_once_it_is_durable() -> None:
    desk = a_desk()
    assert list(desk.receive(a_result(), 1)) == [Take(a_result())]
    assert frames(desk.receipt(a_result(), Receipt())) == [{"type": "ack", "corr": "r1"}]


def test_an_answer_that_changes_nothing_is_acknowledged_with_the_reason() -> None:
    desk = a_desk()
    desk.receive(a_result(), 1)
    said = frames(desk.receipt(a_result(), Receipt(code="task.late", message="too late")))
    assert said == [{"type": "ack", "corr": "r1", "refused": {"code": "task.late", "message": "too late"}}]


def test_an_answer_that_comes_again_meanwhile_is_taken_once() -> None:
    desk = a_desk()
    desk.receive(a_result(), 1)
    assert list(desk.receive(a_result(), 2)) == []


def test_an_answer_that_comes_again_later_is_acknowledged_as_it_was() -> None:
    desk = a_desk()
    desk.receive(a_result(), 1)
    desk.receipt(a_result(), Receipt())
    assert frames(desk.receive(a_result(), 2)) == [{"type": "ack", "corr": "r1"}]


def test_the_answer_to_another_attempt_is_another_one_even_if_it_looks_the_same() -> None:
    desk = a_desk()
    desk.receive(a_result(), 1)
    desk.receipt(a_result(), Receipt())
    desk.dispatch(TASK, "t1.2", 2)
    assert Take(a_result()) in desk.receive(a_result(), 3)


def test_an_answer_without_an_id_is_taken_and_not_acknowledged() -> None:
    desk, frame = a_desk(), a_result(frame_id=None)
    assert list(desk.receive(frame, 1)) == [Take(frame)]
    assert list(desk.receipt(frame, Receipt())) == []


def test_an_answer_that_became_durable_while_the_worker_was_gone_is_acknowledged_when_it_comes_again() -> None:
    desk = a_desk()
    desk.receive(a_result(), 1)
    desk.gone(2)
    assert list(desk.receipt(a_result(), Receipt())) == []
    desk.dialled(Register(id="w1"), (), (), 3)
    assert frames(desk.receive(a_result(), 4)) == [{"type": "ack", "corr": "r1"}]


# ---- connections


def test_a_worker_is_told_how_often_to_be_heard_and_what_to_drop() -> None:
    told = frames(Desk("w1", TIMES).dialled(Register(id="w1"), ["t9"], (), 0))
    assert told == [
        {"type": "registered", "worker_id": "w1", "protocol_version": 1, "heartbeat_ms": 1000, "drop": ["t9"]}
    ]


def test_an_older_worker_gets_tasks_under_the_name_that_it_knows() -> None:
    desk = a_desk(dispatch_as="cmd.dispatch")
    assert frames(desk.dispatch(TASK, ID, 0))[0]["type"] == "cmd.dispatch"


def test_what_was_not_acknowledged_is_sent_again_over_the_next_connection() -> None:
    desk = a_desk()
    sent(desk)
    desk.gone(10)
    told = frames(desk.dialled(Register(id="w1"), (), (), 20))
    assert [(frame["type"], frame.get("id")) for frame in told] == [("registered", None), ("dispatch", ID)]


def test_what_the_worker_says_that_it_holds_is_acknowledged_by_that() -> None:
    desk = a_desk()
    sent(desk)
    desk.gone(10)
    actions = desk.dialled(Register(id="w1", holding=holding("t1")), (), (), 20)
    assert actions[1:] == [Settle(ID, Accepted())]


def test_a_task_whose_worker_does_not_come_back_in_time_fails() -> None:
    desk = a_desk()
    sent(desk)
    desk.gone(10)
    assert desk.due() == MAX_SENDS * TIMES.ack
    (settled,) = ticked(desk, MAX_SENDS * TIMES.ack)
    assert isinstance(settled, Settle)
    assert isinstance(settled.reply, Refused)
    assert (settled.reply.error.code, settled.reply.retryable) == ("worker.lost", True)


def test_what_a_worker_came_back_without_is_lost_after_a_moment() -> None:
    desk = a_desk(held=("t1", "t2"), holding=holding("t2"))
    assert desk.due() == TIMES.unlisted
    (lost,) = ticked(desk, TIMES.unlisted)
    assert isinstance(lost, Lost)
    assert lost.tasks == {"t1"}


def test_a_task_is_not_lost_whose_answer_is_on_its_way() -> None:
    desk = a_desk(held=("t1",))
    desk.receive(a_result(), 1)
    assert [lost.tasks for lost in ticked(desk, TIMES.unlisted) if isinstance(lost, Lost)] == [frozenset()]


def test_a_task_is_not_lost_that_was_sent_again_meanwhile() -> None:
    desk = a_desk(held=("t1",))
    desk.dispatch(TASK, "t1.2", 1)
    assert [lost.tasks for lost in ticked(desk, TIMES.unlisted) if isinstance(lost, Lost)] == [frozenset()]


def test_what_a_worker_held_is_lost_when_it_stays_away() -> None:
    desk = a_desk()
    desk.gone(10)
    assert desk.due() == 10 + TIMES.away
    (lost,) = ticked(desk, 10 + TIMES.away, held=("t1",))
    assert isinstance(lost, Lost)
    assert lost.tasks == {"t1"}
    assert desk.due() is None


def test_a_worker_without_heartbeats_is_left_alone() -> None:
    desk = a_desk()
    desk.receive(Heartbeat(), 500)
    assert list(ticked(desk, 3499)) == []
    assert list(ticked(desk, 3500)) == [Away(), Close(SILENT, "no heartbeat for 3000 ms")]


def test_a_worker_that_drains_gets_nothing_more() -> None:
    assert list(a_desk().receive(Leave(), 1)) == [Away("it says that it is draining")]


def test_a_second_register_is_refused() -> None:
    (told,) = frames(a_desk().receive(Register(id="w2"), 1))
    assert (told["type"], told["code"]) == ("error", "frame.unexpected")


def test_a_worker_is_told_of_a_cancel_where_it_is_here() -> None:
    assert frames(a_desk().cancel("t1")) == [{"type": "cancel", "task_id": "t1"}]
    assert list(a_desk(here=False).cancel("t1")) == []


# ---- workers that are drained, and tasks that go to others


def test_a_worker_that_understands_it_is_told_that_it_is_drained_and_that_its_task_goes_to_another_one() -> None:
    desk = a_desk(features=["drain", "rebind"])
    assert frames(desk.rebind("t1")) == [{"type": "rebind", "task_id": "t1"}]
    told = [frames(desk.drain(draining=draining)) for draining in (True, False)]
    assert told == [[{"type": "drain", "scope": "worker", "draining": draining}] for draining in (True, False)]


def test_one_that_does_not_is_told_that_nobody_wants_its_answer_and_nothing_of_a_drain() -> None:
    desk = a_desk()
    assert frames(desk.rebind("t1")) == [{"type": "cancel", "task_id": "t1"}]
    assert list(desk.drain(draining=True)) == []


def test_one_that_is_away_is_told_nothing() -> None:
    desk = a_desk(features=["drain", "rebind"])
    desk.gone(1)
    assert [*desk.rebind("t1"), *desk.drain(draining=True)] == []
