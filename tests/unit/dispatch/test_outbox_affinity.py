"""Who has served a session before is preferred while there is room; who has a resource takes what refers to it."""

from __future__ import annotations

import pytest

from tests.unit.dispatch.builders import a_request, a_work, a_worker, by_id


async def test_a_session_stays_with_its_worker_while_that_has_room(desk):
    desk.workers(*(a_worker(f"w{number}", max_concurrent=3) for number in range(4)))
    for number in range(3):
        desk.submit(f"t{number}", session="s")
    desk.submit("t3", session="s")
    desk.submit("t4", session="other")
    took = dict(desk.told.dispatches)
    assert took["t0"] == took["t1"] == took["t2"]
    assert took["t3"] != took["t0"]


async def test_without_a_session_nobody_is_preferred(desk):
    desk.workers(a_worker("w1", max_concurrent=2), a_worker("w2", max_concurrent=2))
    desk.submit("t1", "t2")
    assert sorted(worker for _, worker in desk.told.dispatches) == ["w1", "w2"]


async def test_a_session_that_waits_for_its_worker_is_not_kept_from_others(desk):
    desk.workers(a_worker("w1"))
    desk.submit("t1", "t2", session="s")
    desk.workers(a_worker("w1"), a_worker("w2"))
    assert desk.told.dispatches[-1] == ("t2", "w2")


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
