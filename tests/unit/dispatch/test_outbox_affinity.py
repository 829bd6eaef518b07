"""Who has served a task before is preferred while there is room; who has a resource takes what refers to it."""

from __future__ import annotations

import pytest

from tests.unit.dispatch.builders import a_request, a_work, a_worker, by_id


async def test_who_has_served_before_is_asked_while_there_is_room(desk):
    desk.workers(*(a_worker(f"w{number}", max_concurrent=3) for number in range(4)))
    desk.submit("t0", "t1", "t2", "t3", served_by=("w2",))
    took = [worker for _, worker in desk.told.dispatches]
    assert took[:3] == ["w2", "w2", "w2"]
    assert took[3] != "w2"


async def test_of_those_who_have_served_before_the_first_is_asked_that_fits_and_has_room(desk):
    desk.workers(a_worker("other", tags=("y",)), a_worker("w1"), a_worker("w2", max_concurrent=9), a_worker("w3"))
    desk.submit("t1", "t2", served_by=("gone", "other", "w1", "w2"))
    assert desk.told.dispatches == [("t1", "w1"), ("t2", "w2")]


async def test_where_nobody_has_served_before_the_least_loaded_is_asked(desk):
    desk.workers(a_worker("w1", max_concurrent=2), a_worker("w2", max_concurrent=2))
    desk.submit("t1", "t2")
    assert sorted(worker for _, worker in desk.told.dispatches) == ["w1", "w2"]


async def test_what_waits_for_who_has_served_it_is_not_kept_from_others(desk):
    desk.workers(a_worker("w1"))
    desk.submit("t1", "t2", served_by=("w1",))
    desk.workers(a_worker("w1"), a_worker("w2"))
    assert desk.told.dispatches[-1] == ("t2", "w2")


async def test_what_has_waited_goes_to_who_has_served_it_where_all_are_back(desk):
    desk.submit("t1", served_by=("w2",))
    desk.workers(a_worker("w1"), a_worker("w2"), a_worker("w3"))
    assert desk.told.dispatches == [("t1", "w2")]


@pytest.mark.parametrize("where", ["parameters", "input"])
async def test_what_refers_to_a_resource_waits_for_its_worker(desk, where):
    desk.workers(a_worker("w1"), a_worker("w2"))
    reference = {"resource_ref": {"resource_id": "r", "worker_id": "w2"}}
    desk.box.submit(a_work("t1", request=a_request(**{where: reference})))
    desk.box.submit(a_work("t2", request=a_request(**{where: reference})))
    assert desk.told.dispatches == [("t1", "w2")]
    assert desk.told.reasons == [("t2", "resource")]
    assert desk.box.why_not("t2") == {
        "w1": "it does not have the resource 'r'",
        "w2": "all of its slots are taken",
    }


async def test_what_was_taken_from_a_worker_goes_to_another(desk):
    desk.workers(a_worker("w1"))
    desk.submit("t1", avoid="w1")
    assert desk.told.reasons == [("t1", "no_worker")]
    assert desk.box.why_not("t1") == {"w1": "the task was taken from it"}
    desk.workers(by_id(a_worker("w1"), a_worker("w2"))["w1"], a_worker("w2"))
    assert desk.told.dispatches == [("t1", "w2")]
