"""Limits of nodes: how many attempts are under way at once, which not at the same time, and how often they are sent."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from dispatch._rate import MAX_KEPT, RateLog, Rates
from engine.limits import Limits, RateRule
from engine.line import HEAD_START_MS
from engine.outbox import Accepted, Answered, Unreachable
from tests.unit.dispatch.builders import FakeLater, a_worker
from tests.unit.dispatch.desk import Desk

DONE = Answered(body="ok")


def two(**fields: Any) -> dict[str, Any]:
    return {"limits": Limits(node="flow:a", max_concurrency=2, **fields)}


def keyed(key: str = "k", **fields: Any) -> dict[str, Any]:
    return {"limits": Limits(node="flow:a", key=key, **fields)}


def a_desk(**options: int) -> Desk:
    """One with room for many tasks at its worker, which has begun."""
    desk = Desk(**options)
    desk.workers(a_worker(max_concurrent=9))
    desk.box.open()
    return desk


async def test_so_many_tasks_of_a_node_are_under_way_at_once() -> None:
    desk = a_desk()
    desk.submit("t1", "t2", "t3", "t4", **two())
    desk.submit("other", limits=Limits(node="flow:b", max_concurrency=2))
    assert desk.told.order == ["t1", "t2", "other"]
    assert desk.told.reasons == [("t3", "max_concurrency"), ("t4", "max_concurrency")]
    assert desk.box.in_line == 2
    await desk.come_back("t2", DONE)
    assert desk.told.order[3:] == ["t3"]
    desk.box.release("t1")
    assert (desk.told.order[3:], desk.box.in_line) == (["t3", "t4"], 0)


async def test_after_a_restart_who_came_first_goes_first_before_every_gate() -> None:
    desk = Desk()
    desk.workers(a_worker(max_concurrent=9))
    for name, since in (("late", 9), ("early", 1), ("middle", 5)):
        desk.submit(name, since=since, limits=Limits(node="flow:a", key=name, max_concurrency=1))
    desk.box.open()
    for first, then in (("early", "middle"), ("middle", "late")):
        assert desk.told.order[-1] == first
        await desk.come_back(first, DONE)
        assert desk.told.order[-1] == then


async def test_one_task_at_a_time_has_a_key_and_the_others_follow_in_their_order() -> None:
    desk = a_desk()
    desk.submit("t1", **keyed())
    desk.submit("late", since=30, **keyed())
    desk.submit("early", since=20, **keyed())
    desk.submit("urgent", since=40, priority=1, **keyed())
    desk.submit("other", **keyed("l"))
    assert desk.told.order == ["t1", "other"]
    for first, then in (("t1", "urgent"), ("urgent", "early"), ("early", "late")):
        await desk.come_back(first, DONE)
        assert desk.told.order[-1] == then


async def test_a_step_of_priority_is_a_head_start_and_no_more() -> None:
    desk = a_desk()
    desk.submit("t1", **keyed())
    desk.submit("old", since=0, **keyed())
    desk.submit("urgent", since=HEAD_START_MS + 1, priority=1, **keyed())
    await desk.come_back("t1", DONE)
    assert desk.told.order == ["t1", "old"]


async def test_a_key_is_held_until_the_answer_of_a_task_that_was_accepted() -> None:
    desk = a_desk()
    desk.submit("t1", "t2", **keyed())
    await desk.come_back("t1", Accepted())
    assert desk.told.order == ["t1"]
    desk.box.release("t1")
    assert desk.told.order == ["t1", "t2"]


async def test_what_waits_for_its_turn_may_be_withdrawn() -> None:
    desk = a_desk()
    desk.submit("t1", "t2", "t3", **keyed())
    desk.box.withdraw("t2")
    desk.box.withdraw("t1")
    await desk.come_back("t1", DONE)
    assert desk.told.order == ["t1", "t3"]


async def test_who_cannot_be_reached_is_asked_again_before_others_have_the_key() -> None:
    desk = a_desk()
    desk.submit("t1", "t2", **keyed())
    await desk.come_back("t1", Unreachable(message="down"))
    desk.later.fire()
    assert desk.told.order == ["t1", "t1"]


async def test_another_version_that_allows_more_passes_nobody() -> None:
    desk = a_desk()
    desk.submit("t1", "t2", limits=Limits(node="flow:a", max_concurrency=1))
    desk.submit("t3", limits=Limits(node="flow:a", max_concurrency=5))
    assert desk.told.order == ["t1"]
    await desk.come_back("t1", DONE)
    assert desk.told.order == ["t1", "t2", "t3"]


async def test_both_limits_hold_and_nobody_waits_for_ever() -> None:
    desk = a_desk()
    desk.submit("a1", "a2", **two(key="a"))
    desk.submit("b1", **two(key="b"))
    desk.submit("c1", **two(key="c"))
    assert desk.told.order == ["a1", "b1"]
    assert dict(desk.told.reasons) == {"a2": "concurrency_key", "c1": "max_concurrency"}
    await desk.come_back("a1", DONE)
    assert desk.told.order[2:] == ["a2"]
    await desk.come_back("b1", DONE)
    assert desk.told.order[3:] == ["c1"]


async def test_who_passes_may_have_to_wait_for_a_worker_and_is_told_so() -> None:
    desk = Desk()
    desk.workers(a_worker())
    desk.box.open()
    desk.submit("t1", "t2", **keyed())
    desk.submit("t3", tags=("y",), **keyed())
    desk.box.cancel("t1")
    assert desk.told.order == ["t1", "t2"]
    await desk.come_back("t2", DONE)
    assert desk.told.reasons[-1] == ("t3", "no_worker")


async def test_who_gets_the_key_of_another_takes_part_in_the_slot_that_was_freed() -> None:
    desk = Desk()
    desk.workers(a_worker())
    desk.box.open()
    desk.submit("t1", **keyed())
    desk.submit("plain", since=50)
    desk.submit("t2", since=10, **keyed())
    await desk.come_back("t1", DONE)
    assert desk.told.order == ["t1", "t2"]


async def test_after_a_restart_what_workers_hold_counts_before_anything_begins() -> None:
    desk = Desk()
    desk.workers(a_worker(max_concurrent=9))
    desk.submit("t2", since=5, **keyed())
    desk.submit("free")
    assert (desk.told.order, desk.told.reasons) == (["free"], [])
    desk.submit("t1", accepted_by="w1", deadline=9, since=1, **keyed())
    desk.box.open()
    assert (desk.told.order, desk.told.reasons) == (["free"], [("t2", "concurrency_key")])
    desk.box.release("t1")
    assert desk.told.order == ["free", "t2"]


async def test_after_a_restart_those_go_first_who_came_first() -> None:
    desk = Desk()
    desk.workers(a_worker(max_concurrent=9))
    desk.submit("t2", since=5, **keyed())
    desk.submit("t1", since=1, **keyed())
    desk.box.open()
    assert desk.told.order == ["t1"]


async def test_so_many_tasks_are_under_way_on_the_whole() -> None:
    desk = a_desk(max_in_flight=2)
    desk.submit("t1", "t2", "t3", "t4")
    assert desk.told.order == ["t1", "t2"]
    assert desk.told.reasons == [("t3", "max_in_flight"), ("t4", "max_in_flight")]
    await desk.come_back("t1", Accepted())
    assert desk.told.order == ["t1", "t2"]
    desk.box.release("t1")
    await desk.come_back("t2", DONE)
    assert desk.told.order == ["t1", "t2", "t3", "t4"]


# ---- rates


RATE = Limits(node="flow:a", rate=RateRule(2, 1000))


async def test_a_node_is_asked_no_more_often_than_its_rate_allows() -> None:
    desk = a_desk()
    desk.submit("t1", "t2", "t3", "t4", limits=RATE)
    desk.submit("other")
    assert desk.told.order == ["t1", "t2", "other"]
    assert desk.told.reasons == [("t3", "node_rate_limit"), ("t4", "node_rate_limit")]
    assert desk.later.pending == [1.0]
    await desk.come_back("t1", DONE)
    assert desk.told.order == ["t1", "t2", "other"]
    desk.now += 1000
    desk.later.fire()
    assert desk.told.order == ["t1", "t2", "other", "t3", "t4"]


async def test_a_worker_is_asked_no_more_often_than_it_says() -> None:
    desk = a_desk()
    desk.workers(a_worker(max_concurrent=9, metadata={"rate_limit": {"limit": 1, "per_ms": 500}}), a_worker("w2"))
    desk.submit("t1", "t2", "t3")
    assert sorted(worker for _, worker in desk.told.dispatches) == ["w1", "w2"]
    desk.workers(a_worker(max_concurrent=9, metadata={"rate_limit": {"limit": 1, "per_ms": 500}}))
    assert desk.told.reasons[-1] == ("t3", "rate_limit")
    desk.now += 500
    desk.later.fire()
    assert desk.told.dispatches[2:] == [("t3", "w1")]


def test_a_rate_holds_in_any_stretch_of_time() -> None:
    log = RateLog(RateRule(2, 1000))
    log.note(0)
    log.note(900)
    assert [log.wait_ms(now) for now in (900, 999, 1000)] == [100, 1, 0]
    log.note(1000)
    assert [log.wait_ms(now) for now in (1000, 1899, 1900)] == [900, 1, 0]
    assert log.wait_ms(-50_000) == 1000
    assert (log.is_over(1999), log.is_over(2000)) == (False, True)


def test_what_is_over_is_not_remembered() -> None:
    later = FakeLater()
    rates, rule = Rates(later, lambda: None), RateRule(1, 1000)
    for number in range(5 * MAX_KEPT):
        rates.note(f"node-{number}", rule, number)
    assert len(rates._logs) <= 2 * MAX_KEPT
    assert not rates.allow(f"node-{5 * MAX_KEPT - 1}", rule, 5 * MAX_KEPT)
    rates.close()
    assert later.pending == []


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_comes_back_limits_hold_and_everything_is_sent(seed: int) -> None:
    chance, desk = Random(seed), a_desk(max_in_flight=6)
    desk.workers(a_worker(max_concurrent=4), a_worker("w2", max_concurrent=4))
    limits = {f"t{n}": Limits(node=f"n{n % 2}", max_concurrency=2, key=chance.choice("abc")) for n in range(40)}
    for name, limit in limits.items():
        desk.submit(name, limits=limit, since=chance.randrange(9), priority=chance.randrange(2))
    over: set[str] = set()
    while len(over) < len(limits):
        active = [name for name in desk.told.order if name not in over]
        assert len({limits[name].key for name in active}) == len(active) <= 6
        assert all(sum(limits[name].node == node for name in active) <= 2 for node in ("n0", "n1"))
        assert active, "nothing is under way, and not everything was sent"
        name = chance.choice(active)
        over.add(name)
        if chance.random() < 0.5:
            await desk.come_back(name, DONE)
        else:
            desk.box.release(name)
    assert sorted(desk.told.order) == sorted(limits)
    assert (desk.box._gates._behind, desk.box.in_line, desk.box._bounds.in_flight) == ({}, 0, 0)
