"""Rooms of tasks that no worker has: who has one, in which order, and what they share with attempts."""

from __future__ import annotations

from random import Random

import pytest

from engine.limits import Gate, LimitReason, Limits, RateRule, Room
from engine.line import HEAD_START_MS
from engine.model import RunId, TaskId
from engine.outbox import Answered, Stay
from tests.unit.dispatch.builders import NOW, a_worker
from tests.unit.dispatch.desk import Desk

KEY = Gate(LimitReason.CONCURRENCY_KEY, "k", 1)
TWO = Gate(LimitReason.MAX_CONCURRENCY, "flow:s", 2)
RATE = ("flow:s", RateRule(1, 1000))
DONE = Answered(body="ok")


def a_desk(*, shut: bool = False) -> Desk:
    desk = Desk()
    desk.workers(a_worker(max_concurrent=9))
    if not shut:
        desk.box.open()
    return desk


def stay(
    task_id: str, *gates: Gate, run: str = "r", rates: tuple[tuple[str, RateRule], ...] = (), since: int = 0,
    priority: int = 0, within: tuple[str, ...] = (),
) -> Stay:  # fmt: skip
    room = Room(gates=gates, rates=rates, within=within)
    return Stay(run_key=1, run_id=RunId(run), task_id=TaskId(task_id), room=room, since=since, priority=priority)


def test_who_comes_first_has_the_room_and_the_others_follow_by_priority_and_time() -> None:
    desk = a_desk()
    for found in (stay("a", KEY), stay("late", KEY, since=30), stay("early", KEY, since=20)):
        desk.box.move_in(found)
    desk.box.move_in(stay("urgent", KEY, since=40, priority=1))
    assert desk.told.rooms == ["a"]
    assert desk.told.reasons == [(name, "concurrency_key") for name in ("late", "early", "urgent")]

    for name in ("a", "urgent", "early"):
        desk.box.move_out([TaskId(name)])

    assert desk.told.rooms == ["a", "urgent", "early", "late"]
    assert desk.box.in_line == 0


def test_nobody_starves_behind_those_of_higher_priority() -> None:
    desk = a_desk()
    desk.box.move_in(stay("a", KEY))
    desk.box.move_in(stay("old", KEY, since=0))
    desk.box.move_in(stay("urgent", KEY, since=HEAD_START_MS + 1, priority=1))
    desk.box.move_out([TaskId("a")])
    assert desk.told.rooms == ["a", "old"]


async def test_attempts_and_rooms_stand_in_one_line() -> None:
    desk = a_desk()
    desk.submit("t1", limits=Limits(key="k"), since=1)
    desk.box.move_in(stay("a", KEY, since=2))
    desk.submit("t2", limits=Limits(key="k"), since=3)
    assert (desk.told.order, desk.told.rooms) == (["t1"], [])

    await desk.come_back("t1", DONE)
    assert (desk.told.order, desk.told.rooms) == (["t1"], ["a"])
    desk.box.move_out([TaskId("a")])
    assert desk.told.order == ["t1", "t2"]


def test_as_many_have_rooms_as_there_are() -> None:
    desk = a_desk()
    for name in ("a", "b", "c", "d"):
        desk.box.move_in(stay(name, TWO, run=name))
    desk.box.move_out_of(RunId("a"))
    assert (desk.told.rooms, desk.box.in_line) == (["a", "b", "c"], 1)
    desk.box.move_out([TaskId("d"), TaskId("d"), TaskId("nobody")])
    assert desk.box.in_line == 0


def test_after_a_restart_who_had_a_room_has_it_before_others_whatever_the_bound() -> None:
    desk = a_desk(shut=True)
    desk.box.move_in(stay("new", TWO, since=0))
    for name in ("a", "b", "c"):
        desk.box.move_in(stay(name, TWO, since=9), here=True)
    desk.box.open()
    assert (desk.told.rooms, desk.told.reasons) == ([], [("new", "max_concurrency")])

    desk.box.move_out([TaskId("a")])
    assert desk.told.rooms == []
    desk.box.move_out([TaskId("b")])
    assert desk.told.rooms == ["new"]


def test_a_run_that_is_read_again_keeps_what_it_had_and_is_told_the_rest_anew() -> None:
    desk = a_desk()
    for name in ("a", "b"):
        desk.box.move_in(stay(name, KEY))
    desk.box.move_out_of(RunId("r"), {TaskId("a"), TaskId("b")})
    desk.box.move_in(stay("a", KEY), here=True)
    desk.box.move_in(stay("b", KEY))
    desk.box.move_in(stay("a", KEY))

    assert desk.told.rooms == ["a", "a"]
    assert desk.told.reasons == [("b", "concurrency_key")] * 2


def test_what_begins_too_often_waits_in_line_for_its_rate() -> None:
    desk = a_desk()
    for name in ("a", "b", "c"):
        desk.box.move_in(stay(name, rates=(RATE,)))
    assert (desk.told.rooms, desk.told.reasons[-1]) == (["a"], ("c", "node_rate_limit"))
    desk.box.move_out([TaskId("b")])
    desk.box.move_in(stay("d", rates=(RATE,)))

    for number, name in enumerate(("c", "d"), 1):
        desk.now = NOW + number * 1000
        desk.later.fire()
        assert desk.told.rooms[-1] == name
    assert desk.later.pending == []


def test_a_key_is_had_while_a_rate_is_waited_for() -> None:
    desk = a_desk()
    desk.box.move_in(stay("a", rates=(RATE,)))
    desk.box.move_in(stay("b", KEY, rates=(RATE,)))
    desk.box.move_in(stay("c", KEY))
    assert (desk.told.rooms, desk.told.reasons) == (["a"], [("b", "node_rate_limit"), ("c", "concurrency_key")])
    desk.box.move_out([TaskId("b")])
    assert desk.told.rooms == ["a", "c"]


def test_a_ring_over_runs_is_broken_by_who_came_first_in_it() -> None:
    other = Gate(LimitReason.CONCURRENCY_KEY, "l", 1)
    desk = a_desk()
    desk.box.move_in(stay("outer 1", KEY))
    desk.box.move_in(stay("outer 2", other))
    desk.box.move_in(stay("inner 2", KEY, since=2, within=("outer 2",)))
    desk.box.move_in(stay("stranger", other, since=0))
    assert desk.told.rooms == ["outer 1", "outer 2"]

    desk.box.move_in(stay("inner 1", other, since=5, within=("outer 1",)))

    assert (desk.told.rooms[2:], desk.box._gates.rings) == (["inner 2"], 1)
    for name, then in (("inner 2", []), ("outer 2", ["stranger"]), ("stranger", ["inner 1"]), ("inner 1", [])):
        before = len(desk.told.rooms)
        desk.box.move_out([TaskId(name)])
        assert desk.told.rooms[before:] == then
    desk.box.move_out([TaskId("outer 1")])
    assert desk.box._gates._behind == {}


def test_a_ring_is_broken_again_for_the_next_that_waits_in_it() -> None:
    other = Gate(LimitReason.CONCURRENCY_KEY, "l", 1)
    desk = a_desk()
    desk.box.move_in(stay("outer 1", KEY))
    desk.box.move_in(stay("outer 2", other))
    for name in ("first", "second"):
        desk.box.move_in(stay(name, KEY, since=1, within=("outer 2",)))
    desk.box.move_in(stay("inner 1", other, since=2, within=("outer 1",)))
    assert desk.told.rooms[2:] == ["first"]

    desk.box.move_out([TaskId("first")])
    assert (desk.told.rooms[3:], desk.box._gates.rings) == (["second"], 2)
    for name in ("second", "outer 2", "inner 1", "outer 1"):
        desk.box.move_out([TaskId(name)])
    assert desk.box._gates._behind == {}


def test_what_another_one_will_give_up_is_no_ring() -> None:
    desk = a_desk()
    desk.box.move_in(stay("outer 1", TWO))
    desk.box.move_in(stay("free", TWO))
    desk.box.move_in(stay("outer 2", KEY))
    desk.box.move_in(stay("inner 2", TWO, within=("outer 2",)))
    desk.box.move_in(stay("inner 1", KEY, within=("outer 1",)))
    assert desk.box._gates.rings == 0
    desk.box.move_out([TaskId("free")])
    assert desk.told.rooms[-1] == "inner 2"


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_nests_and_comes_back_everybody_has_their_room_in_the_end(seed: int) -> None:
    """Tasks inside of tasks, with few keys, so that rings are frequent: nobody is left."""
    chance, desk = Random(seed), a_desk()
    keys = [Gate(LimitReason.CONCURRENCY_KEY, name, 1) for name in "abc"]
    parents: dict[str, str] = {}
    waiting: list[Stay] = []
    for number in range(12):
        outer, inner = f"o{number}", f"i{number}"
        one, other = chance.sample(keys, 2)
        waiting.append(stay(outer, one, since=chance.randrange(9)))
        waiting.append(stay(inner, other, since=chance.randrange(9), within=(outer,)))
        parents[inner] = outer
    begun: set[str] = set()
    over: set[str] = set()
    while len(over) < len(waiting):
        for found in waiting:
            name = found.task_id
            may = name not in begun and (name not in parents or parents[name] in desk.told.rooms)
            if may:
                begun.add(name)
                desk.box.move_in(found)
        inner = {parents[name]: name for name in parents}
        done = [one for one in desk.told.rooms if one not in over and (one not in inner or inner[one] in over)]
        assert done, "all wait for one another"
        over.add(name := chance.choice(done))
        desk.box.move_out([TaskId(name)])
    assert (desk.box._gates._behind, desk.box.in_line) == ({}, 0)
