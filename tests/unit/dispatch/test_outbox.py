"""The outbox: who gets which task when, what is counted, and what is told."""

from __future__ import annotations

from structlog.testing import capture_logs

from dispatch._outbox import WorkerOutbox
from dispatch._transport import refused
from engine.model import TaskId
from engine.outbox import Accepted, Answered, Outbox, Refused, Reply, Work
from tests.unit.dispatch.builders import NOW, a_request, a_worker, reply_to


def test_it_is_an_outbox():
    box: Outbox = WorkerOutbox({}, clock=lambda: NOW, reply_to=reply_to)
    assert isinstance(box, WorkerOutbox)


async def test_a_task_goes_to_a_free_worker_and_its_answer_comes_back(desk):
    desk.workers(a_worker())
    desk.submit("t1")
    await desk.come_back("t1", Answered(body={"output": 1}))
    assert desk.told.replies == {"t1": Answered(body={"output": 1})}
    assert desk.told.dispatches == [("t1", "w1")]
    assert desk.told.deadlines["t1"] == (NOW, NOW + 60_000)


async def test_no_more_than_max_concurrent_are_sent_and_the_others_wait_for_capacity(desk):
    desk.workers(a_worker(max_concurrent=2))
    desk.submit("t1", "t2", "t3")
    assert desk.told.order == ["t1", "t2"]
    assert desk.told.reasons == [("t3", "capacity")]


async def test_those_who_wait_are_served_in_the_order_in_which_they_came(desk):
    desk.workers(a_worker())
    desk.submit(*(f"t{number}" for number in range(6)))
    for number in range(6):
        await desk.come_back(f"t{number}", Answered(body=None))
    assert desk.told.order == [f"t{number}" for number in range(6)]


async def test_nothing_is_sent_while_it_is_held_and_everything_afterwards(desk):
    desk.workers(a_worker(max_concurrent=9))
    desk.box.hold(True)
    desk.submit("t1", "t2")
    held = list(desk.told.order)
    desk.box.hold(False)
    assert (held, desk.told.order) == ([], ["t1", "t2"])


async def test_priority_goes_first(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2")
    desk.submit("urgent", priority=1)
    await desk.come_back("t1", Answered(body=None))
    assert desk.told.order == ["t1", "urgent"]


async def test_a_freed_slot_goes_to_whoever_waited_longest_whatever_they_need(desk):
    desk.workers(a_worker(tags=("x", "y")))
    desk.submit("t1")
    desk.submit("y1", tags=("y",))
    desk.submit("x2", "x3")
    desk.submit("any", tags=())
    for task_id in ("t1", "y1", "x2", "x3"):
        await desk.come_back(task_id, Answered(body=None))
    assert desk.told.order == ["t1", "y1", "x2", "x3", "any"]


async def test_work_that_a_reply_leads_to_does_not_overtake_what_waits(desk):
    desk.workers(a_worker())
    desk.told.on_reply = lambda work, reply: desk.submit("next", tags=())
    desk.submit("t1", "t2")
    await desk.come_back("t1", Answered(body=None))
    assert desk.told.order == ["t1", "t2"]


async def test_without_a_worker_that_fits_it_waits_until_one_registers(desk):
    desk.workers(a_worker(tags=("y",)))
    desk.submit("t1", "t2")
    assert desk.told.reasons == [("t1", "no_worker"), ("t2", "no_worker")]
    desk.workers(a_worker(tags=("y",)), a_worker("w2", max_concurrent=5))
    assert desk.told.dispatches == [("t1", "w2"), ("t2", "w2")]


async def test_a_worker_that_has_changed_or_come_back_from_draining_is_used(desk):
    desk.workers(a_worker(status="draining"))
    desk.submit("t1", "t2")
    assert desk.told.reasons == [("t1", "no_worker"), ("t2", "no_worker")]
    desk.workers(a_worker())
    assert desk.told.order == ["t1"]
    assert desk.told.reasons[2:] == [("t2", "capacity")]
    desk.workers(a_worker(max_concurrent=2))
    assert desk.told.order == ["t1", "t2"]


async def test_a_worker_whose_protocol_nobody_speaks_is_none(desk):
    desk.workers(a_worker(protocol="pigeon"))
    desk.submit("t1")
    assert desk.told.reasons == [("t1", "no_worker")]


async def test_new_workers_share_what_waits(desk):
    desk.submit(*(f"t{number}" for number in range(4)))
    desk.workers(a_worker("w1", max_concurrent=4), a_worker("w2", max_concurrent=4))
    assert sorted(worker for _, worker in desk.told.dispatches) == ["w1", "w1", "w2", "w2"]


async def test_a_refused_attempt_is_told_and_frees_its_slot(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2")
    reply = refused("boom", "it broke")
    await desk.come_back("t1", reply)
    assert (desk.told.replies, desk.told.order) == ({"t1": reply}, ["t1", "t2"])


async def test_after_a_202_the_slot_stays_taken_until_the_task_is_released(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2")
    await desk.come_back("t1", Accepted())
    assert (desk.told.replies, desk.told.order) == ({"t1": Accepted()}, ["t1"])
    desk.box.release(TaskId("t1"))
    assert desk.told.order == ["t1", "t2"]


async def test_work_that_was_accepted_before_a_restart_takes_a_slot_and_is_not_sent(desk):
    desk.submit("t1", accepted_by="w1", deadline=NOW)
    desk.workers(a_worker())
    desk.submit("t2")
    assert (desk.told.order, desk.told.reasons) == ([], [("t2", "capacity")])
    desk.box.release(TaskId("t1"))
    assert desk.told.order == ["t2"]


async def test_only_what_no_worker_holds_can_be_withdrawn(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2", "t3")
    await desk.sent("t1")
    desk.box.withdraw(TaskId("t1"))
    desk.box.withdraw(TaskId("t2"))
    assert desk.told.order == ["t1"]
    desk.box.release(TaskId("t1"))
    assert desk.told.order == ["t1", "t3"]


async def test_releasing_a_delivery_aborts_it_and_frees_its_slot(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2")
    await desk.sent("t1")
    desk.box.release(TaskId("t1"))
    await desk.sent("t2")
    assert desk.transport.aborted == ["t1"]
    assert desk.told.replies == {}


async def test_releasing_before_the_delivery_has_begun_sends_nothing(desk):
    desk.workers(a_worker())
    desk.submit("t1")
    desk.box.release(TaskId("t1"))
    desk.submit("t2")
    await desk.sent("t2")
    assert desk.transport.workers == {"t2": "w1"}


async def test_releasing_what_waits_takes_it_out_of_the_line(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2", "t3")
    desk.box.release(TaskId("t2"))
    await desk.come_back("t1", Answered(body=None))
    assert desk.told.order == ["t1", "t3"]


async def test_releasing_twice_or_something_unknown_changes_nothing(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2", "t3")
    for _ in range(2):
        desk.box.release(TaskId("t1"))
        desk.box.release(TaskId("other"))
    assert desk.told.order == ["t1", "t2"]


async def test_a_new_attempt_replaces_the_one_under_way(desk):
    desk.workers(a_worker())
    desk.submit("t1")
    await desk.sent("t1")
    desk.submit("t1", attempt=2)
    await desk.transport.until(lambda: desk.transport.aborted == ["t1"])
    assert desk.told.order == ["t1", "t1"]


async def test_an_attempt_without_a_reply_times_out(desk):
    desk.workers(a_worker())
    desk.submit("t1", timeout_ms=20)
    reply = await desk.told.reply("t1")
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.retryable, reply.transport) == ("timeout", True, True)
    assert desk.transport.aborted == ["t1"]


async def test_a_protocol_that_breaks_fails_the_attempt_alone(desk, monkeypatch):
    desk.workers(a_worker())
    desk.submit("t1", "t2")
    await desk.sent("t1")
    desk.transport.under_way["t1"].set_exception(ZeroDivisionError("token=secret"))
    reply = await desk.told.reply("t1")
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.error.message) == (
        "dispatch.failed",
        "the task could not be sent: ZeroDivisionError",
    )
    assert desk.told.order == ["t1", "t2"]


async def test_an_input_that_is_no_json_fails_the_attempt_for_good(desk):
    desk.workers(a_worker())
    desk.submit("t1", request=a_request(input={"n": float("nan")}))
    reply = await desk.told.reply("t1")
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.retryable, desk.transport.workers) == ("request.invalid", False, {})


async def test_releasing_what_was_answered_frees_no_second_slot(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2", "t3")
    await desk.come_back("t1", Answered(body=1))
    desk.box.release(TaskId("t1"))
    assert desk.told.order == ["t1", "t2"]


async def test_a_line_that_everybody_left_is_gone(desk):
    desk.workers(a_worker(tags=("y",)))
    desk.submit("t1")
    desk.box.release(TaskId("t1"))
    desk.workers(a_worker())
    desk.submit("t2")
    assert (desk.told.order, desk.told.reasons) == (["t2"], [("t1", "no_worker")])


async def test_a_listener_may_release_what_waits_while_it_is_told_of_others(desk):
    desk.submit("t1")
    desk.submit("y1", tags=("y",))
    desk.told.on_dispatch = lambda work: desk.box.release(TaskId("y1"))
    desk.workers(a_worker(), a_worker("w2", tags=("y",)))
    assert desk.told.order == ["t1"]


async def test_a_listener_that_breaks_is_logged_and_the_next_task_goes_out(desk):
    def broken(work: Work, reply: Reply) -> None:
        raise ZeroDivisionError

    desk.told.on_reply = broken
    desk.workers(a_worker())
    with capture_logs() as logs:
        desk.submit("t1", "t2")
        await desk.come_back("t1", Answered(body=1))
        await desk.sent("t2")
    assert [(entry["event"], entry["task_id"]) for entry in logs] == [("dispatch.listener_failed", "t1")]
