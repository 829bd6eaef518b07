"""The outbox: who gets which task when, what is counted, and what is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import process_time

import orjson
import pytest
from structlog.testing import capture_logs

from dispatch._outbox import WorkerOutbox
from dispatch._transport import refused
from engine.model import TaskId
from engine.outbox import Accepted, Answered, Outbox, Refused, Reply, Unreachable, Work
from engine.ports import WorkerRow
from tests.unit.dispatch.builders import NOW, PATIENCE_S, FakeLater, Told, a_request, a_work, a_worker, by_id, reply_to

DOWN = Unreachable(message="nobody there")
BROKEN = refused("worker.connection", "dropped", retryable=True, transport=True)


class Scripted:
    """A transport whose replies the test gives, one by one."""

    def __init__(self) -> None:
        self.under_way: dict[str, asyncio.Future[Reply]] = {}
        self.workers: dict[str, str] = {}
        self.aborted: list[str] = []
        self.closed = False
        self._changed = asyncio.Event()

    async def deliver(
        self, worker: WorkerRow, body: tuple[bytes, ...], headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        task_id = headers["Idempotency-Key"]
        assert orjson.loads(b"".join(body))["task_id"] == task_id
        self.workers[task_id] = worker.id
        self.under_way[task_id] = asyncio.get_running_loop().create_future()
        self._changed.set()
        try:
            return await self.under_way[task_id]
        except asyncio.CancelledError:
            self.aborted.append(task_id)
            raise
        finally:
            del self.under_way[task_id]
            self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds; looked at again at the begin and end of every delivery."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def close(self) -> None:
        self.closed = True


class Desk:
    """An outbox with everything around it."""

    def __init__(self, **options: int) -> None:
        self.transport, self.later, self.told = Scripted(), FakeLater(), Told()
        self.box = WorkerOutbox(
            {"webhook": self.transport}, clock=lambda: NOW, reply_to=reply_to, later=self.later, **options
        )
        self.box.listen(self.told)

    def workers(self, *rows: WorkerRow) -> None:
        self.box.workers_changed(by_id(*rows))

    def submit(self, *task_ids: str, **fields: object) -> None:
        for task_id in task_ids:
            self.box.submit(a_work(task_id, **fields))

    async def sent(self, task_id: str) -> None:
        """Wait until the transport has a task: a delivery begins in a turn of the loop of its own."""
        await self.transport.until(lambda: task_id in self.transport.under_way)

    async def come_back(self, task_id: str, reply: Reply) -> None:
        """The transport returns a reply, and the outbox has dealt with it."""
        await self.sent(task_id)
        self.transport.under_way[task_id].set_result(reply)
        await self.transport.until(lambda: task_id not in self.transport.under_way)


@pytest.fixture
async def desk():
    desk = Desk()
    yield desk
    await desk.box.close(0)


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


# ---- workers that cannot be reached


async def test_what_could_not_be_sent_is_in_line_again_and_sent_when_the_delay_is_over(desk):
    desk.workers(a_worker())
    desk.submit("t1")
    await desk.come_back("t1", DOWN)
    assert (desk.told.reasons, desk.later.pending, desk.told.replies) == ([("t1", "unreachable")], [1.0], {})
    desk.later.fire()
    assert desk.told.order == ["t1", "t1"]
    await desk.come_back("t1", Answered(body=1))
    assert desk.told.replies == {"t1": Answered(body=1)}


async def test_what_could_not_be_sent_keeps_its_place(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2", "t3")
    await desk.come_back("t1", DOWN)
    desk.later.fire()
    for task_id in ("t1", "t2"):
        await desk.come_back(task_id, Answered(body=1))
    assert desk.told.order == ["t1", "t1", "t2", "t3"]


async def test_another_worker_takes_over_at_once(desk):
    desk.workers(a_worker("w1"), a_worker("w2"))
    desk.submit("t1")
    first = desk.told.dispatches[0][1]
    await desk.come_back("t1", DOWN)
    assert {worker for _, worker in desk.told.dispatches} == {"w1", "w2"}
    assert desk.told.dispatches[1][1] != first
    assert desk.told.reasons == []


async def test_many_that_fail_at_once_are_one_failure(desk):
    desk.workers(a_worker(max_concurrent=8))
    desk.submit(*(f"t{number}" for number in range(8)))
    for number in range(8):
        await desk.come_back(f"t{number}", DOWN)
    assert [timer.seconds for timer in desk.later.timers] == [1.0]


async def test_everybody_in_line_is_told_that_the_worker_cannot_be_reached(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2", "t3")
    await desk.come_back("t1", DOWN)
    assert sorted(desk.told.reasons[2:]) == [(f"t{number}", "unreachable") for number in (1, 2, 3)]


async def test_one_probe_at_a_time_and_a_failed_one_doubles_the_delay(desk):
    desk.workers(a_worker(max_concurrent=4))
    desk.submit("t1", "t2", "t3")
    for task_id in ("t1", "t2", "t3"):
        await desk.come_back(task_id, DOWN)
    delays = []
    for _ in range(3):
        desk.later.fire()
        assert desk.told.order[3:] == ["t1"]
        desk.told.dispatches.pop()
        await desk.come_back("t1", DOWN)
        delays.append(desk.later.pending)
    assert delays == [[2.0], [4.0], [8.0]]


async def test_a_probe_that_takes_long_does_not_keep_the_others_from_being_tried(desk):
    desk.workers(a_worker(max_concurrent=4))
    desk.submit("t1", "t2", "t3")
    for task_id in ("t1", "t2", "t3"):
        await desk.come_back(task_id, DOWN)
    desk.later.fire()
    desk.later.fire()
    assert desk.told.order[3:] == ["t1", "t2"]


async def test_a_good_probe_lets_everybody_through(desk):
    desk.workers(a_worker(max_concurrent=4))
    desk.submit("t1", "t2", "t3")
    for task_id in ("t1", "t2", "t3"):
        await desk.come_back(task_id, DOWN)
    desk.later.fire()
    await desk.come_back("t1", refused("boom", "an error of the application"))
    assert desk.told.order[3:] == ["t1", "t2", "t3"]
    assert desk.later.pending == []


async def test_releasing_what_could_not_be_sent_frees_no_second_slot(desk):
    desk.workers(a_worker(max_concurrent=2))
    desk.submit("t1", "t2")
    await desk.come_back("t1", DOWN)
    desk.box.release(TaskId("t1"))
    desk.workers(a_worker(max_concurrent=2, updated_at=1))
    desk.submit("t3", "t4")
    assert desk.told.order == ["t1", "t2", "t3"]


async def test_three_failures_of_transport_in_a_row_open_the_circuit_for_five_seconds(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2", "t3", "t4")
    for task_id in ("t1", "t2"):
        await desk.come_back(task_id, BROKEN)
    assert desk.later.pending == []
    await desk.come_back("t3", BROKEN)
    assert (desk.told.order, desk.later.pending) == (["t1", "t2", "t3"], [5.0])
    assert desk.told.reasons[-1] == ("t4", "unreachable")


async def test_an_error_of_the_application_in_between_starts_the_count_again(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2", "t3", "t4", "t5")
    for task_id, reply in (("t1", BROKEN), ("t2", BROKEN), ("t3", refused("b", "b")), ("t4", BROKEN)):
        await desk.come_back(task_id, reply)
    assert (desk.told.order[-1], desk.later.pending) == ("t5", [])


async def test_registering_again_ends_the_delay(desk):
    desk.workers(a_worker())
    desk.submit("t1")
    await desk.come_back("t1", DOWN)
    desk.workers(a_worker(updated_at=1))
    assert (desk.told.order, desk.later.pending) == (["t1", "t1"], [])


async def test_other_workers_registering_does_not_end_it(desk):
    desk.workers(a_worker())
    desk.submit("t1")
    await desk.come_back("t1", DOWN)
    desk.workers(a_worker(), a_worker("w2", tags=("y",)))
    assert (desk.told.order, desk.later.pending) == (["t1"], [1.0])


async def test_a_worker_that_was_removed_meanwhile_is_forgotten(desk):
    desk.workers(a_worker())
    desk.submit("t1")
    desk.workers()
    await desk.come_back("t1", DOWN)
    assert (desk.told.reasons, desk.later.pending) == ([("t1", "no_worker")], [])


# ---- bounds and the end


async def test_deliveries_at_a_time_are_bounded_over_all_workers():
    desk = Desk(max_deliveries=2)
    desk.workers(a_worker("w1", max_concurrent=9), a_worker("w2", max_concurrent=9, tags=("y",)))
    desk.submit("t1", "t2", "t3")
    desk.submit("y1", tags=("y",))
    assert (desk.told.order, desk.told.reasons) == (["t1", "t2"], [("t3", "capacity"), ("y1", "capacity")])
    await desk.come_back("t1", Accepted())
    await desk.sent("t2")
    desk.box.release(TaskId("t2"))
    assert desk.told.order == ["t1", "t2", "t3", "y1"]
    await desk.box.close(0)


async def test_a_freed_slot_does_not_exceed_the_bound_on_deliveries():
    desk = Desk(max_deliveries=2)
    desk.workers(a_worker("w1"), a_worker("w2", max_concurrent=9, tags=("y",)))
    desk.submit("t1", "t2")
    await desk.come_back("t1", Accepted())
    desk.submit("y1", "y2", tags=("y",))
    desk.box.release(TaskId("t1"))
    assert desk.told.order == ["t1", "y1", "y2"]
    await desk.come_back("y1", Answered(body=1))
    assert desk.told.order == ["t1", "y1", "y2", "t2"]
    await desk.box.close(0)


async def test_after_closing_nothing_is_sent_whoever_registers(desk):
    desk.submit("t1")
    await desk.box.close(0)
    desk.workers(a_worker())
    assert desk.told.order == []


async def test_closing_waits_for_what_is_under_way_and_sends_nothing_more(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2")
    await desk.sent("t1")
    closing = asyncio.ensure_future(desk.box.close(PATIENCE_S))
    await desk.come_back("t1", Answered(body=1))
    await closing
    desk.submit("t3")
    assert (desk.told.replies, desk.told.order) == ({"t1": Answered(body=1)}, ["t1"])
    assert desk.transport.closed


async def test_closing_aborts_what_takes_longer_than_the_grace(desk):
    desk.workers(a_worker(max_concurrent=2))
    desk.submit("t1", "t2")
    await desk.sent("t2")
    await desk.box.close(0)
    await desk.box.close(0)
    assert (sorted(desk.transport.aborted), desk.told.replies) == (["t1", "t2"], {})


async def test_what_cannot_be_sent_while_closing_is_not_sent_to_another_worker(desk):
    desk.workers(a_worker("w1"), a_worker("w2"))
    desk.submit("t1")
    await desk.sent("t1")
    closing = asyncio.ensure_future(desk.box.close(PATIENCE_S))
    await desk.come_back("t1", DOWN)
    await closing
    assert (desk.told.order, desk.told.reasons, desk.later.pending) == (["t1"], [], [])


async def test_a_listener_may_release_what_it_is_just_told_about(desk):
    desk.workers(a_worker())
    desk.told.on_reply = lambda work, reply: desk.box.release(work.task_id)
    desk.submit("t1", "t2")
    await desk.come_back("t1", Accepted())
    assert desk.told.order == ["t1", "t2"]


async def test_closing_stops_the_delays(desk):
    desk.workers(a_worker(max_concurrent=2))
    desk.submit("t1", "t2")
    await desk.come_back("t1", DOWN)
    await desk.box.close(0)
    assert desk.later.pending == []


async def test_ten_thousand_waiting_tasks_and_two_hundred_workers_are_quick(desk):
    desk.workers(*(a_worker(f"w{number}", tags=(f"x{number % 10}",)) for number in range(200)))
    begun = process_time()
    for number in range(10_000):
        desk.submit(f"t{number}", tags=(f"x{number % 10}",))
    assert process_time() - begun < 2
    assert len(desk.told.dispatches) == 200
    begun = process_time()
    for number in range(200, 1_200):
        await desk.come_back(f"t{number - 200}", Answered(body=None))
    assert len(desk.told.dispatches) == 1_200
    assert process_time() - begun < 3
