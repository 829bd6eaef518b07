"""Who has failed an attempt is asked again when nobody else has room, and not before."""

from __future__ import annotations

import pytest

from engine.limits import Limits
from engine.outbox import Answered
from tests.unit.dispatch.builders import a_request, a_work, a_worker
from tests.unit.dispatch.desk import DOWN, Desk, Scripted


async def test_another_worker_is_asked_although_it_has_more_to_do(desk):
    desk.workers(a_worker("w1", max_concurrent=4), a_worker("w2", max_concurrent=4, tags=("x", "y")))
    desk.submit("busy", tags=("y",))
    desk.submit("t1", failed_by="w1")
    assert desk.told.dispatches == [("busy", "w2"), ("t1", "w2")]


async def test_another_one_is_asked_although_this_one_has_served_it(desk):
    desk.workers(a_worker("w1"), a_worker("w2"))
    desk.submit("t1", failed_by="w1", served_by=("w1",))
    assert desk.told.dispatches == [("t1", "w2")]


@pytest.mark.parametrize("others", [(), ("w2",)], ids=["it is alone", "the other one is full"])
async def test_it_is_asked_again_where_nobody_else_has_room(desk, others):
    desk.workers(a_worker("w1"), *(a_worker(name, tags=("x", "y")) for name in others))
    desk.submit(*(f"busy {name}" for name in others), tags=("y",))
    desk.submit("t1", failed_by="w1")
    assert desk.told.dispatches[-1] == ("t1", "w1")


async def test_what_only_one_worker_has_is_done_there(desk):
    desk.workers(a_worker("w1"), a_worker("w2"))
    reference = {"resource_ref": {"resource_id": "r", "worker_id": "w1"}}
    desk.submit("t1", failed_by="w1", request=a_request(parameters=reference))
    assert desk.told.dispatches == [("t1", "w1")]


async def test_it_is_asked_again_as_soon_as_it_alone_has_room(desk):
    desk.workers(a_worker("w1"), a_worker("w2"))
    desk.submit("b1", "b2")
    desk.submit("t1", failed_by="w1")
    held = dict(desk.told.dispatches)
    await desk.come_back(next(name for name, worker in held.items() if worker == "w1"), Answered(body=1))
    assert desk.told.dispatches[-1] == ("t1", "w1")


async def test_what_has_waited_goes_elsewhere_where_all_are_back(desk):
    desk.submit("t1", failed_by="w1")
    desk.workers(a_worker("w1"), a_worker("w2"))
    assert desk.told.dispatches == [("t1", "w2")]


async def test_what_has_waited_for_its_turn_goes_elsewhere_than_to_who_is_free_now(desk):
    desk.box.open()
    desk.workers(a_worker("w1"), a_worker("w2"))
    desk.submit("t0", limits=Limits(node="a", max_concurrency=1))
    (_, first), other = desk.told.dispatches[0], {"w1": "w2", "w2": "w1"}
    desk.submit("t1", failed_by=first, limits=Limits(node="a", max_concurrency=1))
    await desk.come_back("t0", Answered(body=1))
    assert desk.told.dispatches[-1] == ("t1", other[first])


async def test_who_could_not_be_reached_is_not_asked_before_others(desk):
    desk.workers(a_worker("w1", max_concurrent=9), a_worker("w2", max_concurrent=9, tags=("x", "y")))
    desk.submit("busy", tags=("y",))
    desk.submit("t1")
    assert desk.told.dispatches[-1] == ("t1", "w1")
    await desk.come_back("t1", DOWN)
    assert desk.told.dispatches[-1] == ("t1", "w2")


@pytest.mark.parametrize(("stays", "asked"), [(True, "w1"), (False, "w2")])
async def test_the_answer_to_a_question_stays_with_the_worker_that_alone_can_take_it(stays, asked):
    class Staying(Scripted):
        answers_stay = stays

    desk = Desk(Staying())
    desk.workers(a_worker("w1"), a_worker("w2"))
    desk.box.submit(a_work("t1", failed_by="w1", served_by=("w1",), question={"interrupt": {}}, resumes=1))
    assert desk.told.dispatches == [("t1", asked)]
    await desk.box.close(0)
