"""Which worker gets a task, and what is said when none can."""

from __future__ import annotations

from collections import Counter

import pytest

from dispatch._choose import Chosen, Load, Need, NoWorker, Reason, choose, choose_among, fitting, need_of
from tests.unit.dispatch.builders import a_work, a_worker

NEED = Need(frozenset({"x"}))


def reason_of(found: Chosen | NoWorker) -> Reason:
    assert isinstance(found, NoWorker)
    return found.reason


@pytest.mark.parametrize(
    ("worker", "need", "fits"),
    [
        (a_worker(tags=("x", "y", "z")), Need(frozenset({"x", "z"})), True),
        (a_worker(tags=("x",)), Need(frozenset({"x", "z"})), False),
        (a_worker(tags=()), Need(), True),
        (a_worker("w1"), Need(worker="w1"), True),
        (a_worker("w1"), Need(worker="w2"), False),
        (a_worker("w1", tags=("y",)), Need(frozenset({"x"}), worker="w1"), False),
        (a_worker(protocol="webhook"), Need(protocol="webhook"), True),
        (a_worker(protocol="mqtt"), Need(protocol="webhook"), False),
        (a_worker(status="draining"), NEED, False),
        (a_worker(status="inactive"), NEED, False),
    ],
)
def test_a_worker_must_have_everything_that_is_asked_for(worker, need, fits):
    assert bool(fitting([worker], need)) is fits


def test_nobody_fits():
    assert reason_of(choose([a_worker(tags=("y",))], NEED, Load())) is Reason.NO_WORKER


def test_everybody_that_fits_is_busy():
    workers = [a_worker("w1", max_concurrent=2), a_worker("w2", tags=("y",))]
    assert reason_of(choose(workers, NEED, Load(taken={"w1": 2}))) is Reason.CAPACITY


def test_nobody_that_fits_can_be_reached():
    assert reason_of(choose([a_worker("w1")], NEED, Load(unreachable={"w1"}))) is Reason.UNREACHABLE


def test_a_busy_worker_that_can_be_reached_is_what_one_waits_for():
    workers = [a_worker("w1"), a_worker("w2")]
    assert reason_of(choose(workers, NEED, Load(taken={"w2": 1}, unreachable={"w1"}))) is Reason.CAPACITY


def test_more_slots_taken_than_there_are_leave_no_room():
    assert reason_of(choose([a_worker("w1", max_concurrent=2)], NEED, Load(taken={"w1": 3}))) is Reason.CAPACITY


def test_the_least_loaded_is_chosen_by_its_share_of_slots():
    workers = [a_worker("w1", max_concurrent=2), a_worker("w2", max_concurrent=10)]
    assert choose(workers, NEED, Load(taken={"w1": 1, "w2": 4})) == Chosen(worker_id="w2")


def test_a_worker_that_cannot_be_reached_is_passed_over():
    workers = [a_worker("w1", max_concurrent=9), a_worker("w2", max_concurrent=2)]
    assert choose(workers, NEED, Load(taken={"w2": 1}, unreachable={"w1"})) == Chosen(worker_id="w2")


def test_equals_are_chosen_in_turn():
    workers = [a_worker("w3"), a_worker("w1"), a_worker("w2"), a_worker("w4")]
    load = [choose(workers, NEED, Load(taken={"w4": 1}, turn=turn)) for turn in range(6)]
    assert Counter(found.worker_id for found in load if isinstance(found, Chosen)) == {"w1": 2, "w2": 2, "w3": 2}


def test_the_choice_does_not_depend_on_the_order_of_registration():
    workers = [a_worker(f"w{number}") for number in range(5)]
    assert choose(workers, NEED, Load(turn=3)) == choose(workers[::-1], NEED, Load(turn=3))


def test_works_that_ask_for_the_same_have_the_same_need():
    assert need_of(a_work(tags=("a", "b", "a"))) == need_of(a_work("t2", tags=("b", "a")))
    assert need_of(a_work(worker="w")) != need_of(a_work())


def test_a_task_that_prefers_a_protocol_goes_to_a_worker_of_it_where_one_has_room():
    workers = [a_worker("w1"), a_worker("w2", protocol="a2a", max_concurrent=1)]
    need = Need(prefers="a2a")

    assert choose(workers, need, Load()) == Chosen(worker_id="w2")
    assert choose(workers, need, Load(taken={"w2": 1})) == Chosen(worker_id="w1")


def test_whoever_has_failed_a_task_comes_after_all_others_that_have_room():
    workers = [a_worker("w1", protocol="a2a", max_concurrent=9), a_worker("w2"), a_worker("w3", protocol="a2a")]
    need = Need(prefers="a2a")

    assert choose_among(workers, Load(), need, failed_by="w1") == Chosen(worker_id="w3")
    assert choose_among(workers, Load(taken={"w3": 1}), need, failed_by="w1") == Chosen(worker_id="w2")
    assert choose_among(workers, Load(taken={"w2": 1, "w3": 1}), need, failed_by="w1") == Chosen(worker_id="w1")


def test_where_nobody_has_room_all_are_counted_also_who_has_failed():
    workers = [a_worker("w1"), a_worker("w2")]
    found = choose_among(workers, Load(taken={"w1": 1, "w2": 1}), NEED, failed_by="w1")

    assert found == NoWorker(reason=Reason.CAPACITY, detail="2 of 2 workers are busy, none has a free slot")
