"""The outbox and workers that cannot be reached: lines, probes and circuits."""

from __future__ import annotations

from dispatch._transport import refused
from engine.model import TaskId
from engine.outbox import Answered
from tests.unit.dispatch.builders import a_worker
from tests.unit.dispatch.desk import BROKEN, DOWN, Desk


async def cut_off(desk: Desk, *task_ids: str) -> None:
    """The worker cannot be reached any more: these are sent, and come back, until its circuit is open."""
    for task_id in task_ids or ("t1",) * 3:
        await desk.come_back(task_id, DOWN)


async def test_what_could_not_be_sent_is_in_line_again_and_sent_when_the_delay_is_over(desk):
    desk.workers(a_worker())
    desk.submit("t1")
    await cut_off(desk)
    assert (desk.told.reasons, desk.later.pending, desk.told.replies) == ([("t1", "unreachable")], [5.0], {})
    desk.later.fire()
    assert desk.told.order == ["t1"] * 4
    await desk.come_back("t1", Answered(body=1))
    assert desk.told.replies == {"t1": Answered(body=1)}


async def test_a_worker_that_is_back_at_once_is_not_left_alone(desk):
    desk.workers(a_worker())
    desk.submit("t1")
    await cut_off(desk, "t1", "t1")
    await desk.come_back("t1", Answered(body=1))
    assert (desk.told.order, desk.told.reasons, desk.later.pending) == (["t1"] * 3, [], [])


async def test_what_could_not_be_sent_keeps_its_place(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2", "t3")
    await cut_off(desk, "t1", "t2", "t1")
    desk.later.fire()
    for task_id in ("t1", "t2"):
        await desk.come_back(task_id, Answered(body=1))
    assert desk.told.order[3:] == ["t1", "t2", "t3"]


async def test_another_worker_takes_over_at_once(desk):
    desk.workers(a_worker("w1"), a_worker("w2"))
    desk.submit("t1")
    first = desk.told.dispatches[0][1]
    await desk.come_back("t1", DOWN)
    assert {worker for _, worker in desk.told.dispatches} == {"w1", "w2"}
    assert desk.told.dispatches[1][1] != first
    assert desk.told.reasons == []


async def test_many_that_fail_at_once_open_it_once(desk):
    desk.workers(a_worker(max_concurrent=8))
    desk.submit(*(f"t{number}" for number in range(8)))
    await cut_off(desk, *(f"t{number}" for number in range(8)))
    assert [timer.seconds for timer in desk.later.timers] == [5.0]


async def test_everybody_in_line_is_told_that_the_worker_cannot_be_reached(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2", "t3")
    await cut_off(desk, "t1", "t2", "t1")
    assert sorted(desk.told.reasons[-3:]) == [(f"t{number}", "unreachable") for number in (1, 2, 3)]


async def test_one_probe_at_a_time_and_a_failed_one_doubles_the_delay(desk):
    desk.workers(a_worker(max_concurrent=4))
    desk.submit("t1", "t2", "t3")
    await cut_off(desk, "t1", "t2", "t3", "t1", "t2")
    before, delays = len(desk.told.order), []
    for _ in range(3):
        desk.later.fire()
        assert desk.told.order[before:] == ["t1"]
        desk.told.dispatches.pop()
        await desk.come_back("t1", DOWN)
        delays.append(desk.later.pending)
    assert delays == [[10.0], [20.0], [40.0]]


async def test_a_probe_that_takes_long_does_not_keep_the_others_from_being_tried(desk):
    desk.workers(a_worker(max_concurrent=4))
    desk.submit("t1", "t2", "t3")
    await cut_off(desk, "t1", "t2", "t3", "t1", "t2")
    before = len(desk.told.order)
    desk.later.fire()
    desk.later.fire()
    assert desk.told.order[before:] == ["t1", "t2"]


async def test_a_good_probe_lets_everybody_through(desk):
    desk.workers(a_worker(max_concurrent=4))
    desk.submit("t1", "t2", "t3")
    await cut_off(desk, "t1", "t2", "t3", "t1", "t2")
    before = len(desk.told.order)
    desk.later.fire()
    await desk.come_back("t1", refused("boom", "an error of the application"))
    assert desk.told.order[before:] == ["t1", "t2", "t3"]
    assert desk.later.pending == []


async def test_releasing_what_could_not_be_sent_frees_no_second_slot(desk):
    desk.workers(a_worker(max_concurrent=2))
    desk.submit("t1", "t2")
    await cut_off(desk)
    desk.box.release(TaskId("t1"))
    desk.workers(a_worker(max_concurrent=2, updated_at=1))
    desk.submit("t3", "t4")
    assert desk.told.order[-1] == "t3"


async def test_three_failures_of_transport_in_a_row_open_the_circuit_for_five_seconds(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2", "t3", "t4")
    for task_id in ("t1", "t2"):
        await desk.come_back(task_id, BROKEN)
    assert desk.later.pending == []
    await desk.come_back("t3", BROKEN)
    assert (desk.told.order, desk.later.pending) == (["t1", "t2", "t3"], [5.0])
    assert desk.told.reasons[-1] == ("t4", "unreachable")


async def test_connections_that_could_not_be_made_and_those_that_broke_count_together(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2")
    for task_id, reply in (("t1", DOWN), ("t2", BROKEN), ("t1", DOWN)):
        await desk.come_back(task_id, reply)
    assert (desk.told.order, desk.later.pending) == (["t1", "t2", "t1"], [5.0])


async def test_an_error_of_the_application_in_between_starts_the_count_again(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2", "t3", "t4", "t5")
    for task_id, reply in (("t1", BROKEN), ("t2", BROKEN), ("t3", refused("b", "b")), ("t4", BROKEN)):
        await desk.come_back(task_id, reply)
    assert (desk.told.order[-1], desk.later.pending) == ("t5", [])


async def test_registering_again_ends_the_delay(desk):
    desk.workers(a_worker())
    desk.submit("t1")
    await cut_off(desk)
    desk.workers(a_worker(updated_at=1))
    assert (desk.told.order, desk.later.pending) == (["t1"] * 4, [])


async def test_other_workers_registering_does_not_end_it(desk):
    desk.workers(a_worker())
    desk.submit("t1")
    await cut_off(desk)
    desk.workers(a_worker(), a_worker("w2", tags=("y",)))
    assert (desk.told.order, desk.later.pending) == (["t1"] * 3, [5.0])


async def test_a_worker_that_was_removed_meanwhile_is_forgotten(desk):
    desk.workers(a_worker())
    desk.submit("t1")
    desk.workers()
    await desk.come_back("t1", DOWN)
    assert (desk.told.reasons, desk.later.pending) == ([("t1", "no_worker")], [])
