"""The count of slots, and what is remembered about needs."""

from __future__ import annotations

from dispatch._choose import Chosen, Need, NoWorker, Reason
from dispatch._slots import MAX_KEPT_NEEDS, Slots
from engine.answer import RateLimit
from engine.outbox import Unreachable
from tests.unit.dispatch.builders import FakeLater, a_worker, by_id


def some_slots(*protocols: str) -> Slots:
    return Slots(protocols or ("webhook",), FakeLater(), lambda: None)


def test_slots_are_taken_and_freed_one_by_one():
    slots = some_slots()
    counts = []
    for step in (slots.take, slots.take, slots.take, slots.free, slots.free, slots.free, slots.free, slots.take):
        step("w1")
        counts.append(slots.taken("w1"))
    assert counts == [1, 2, 3, 2, 1, 0, 0, 1]


def test_taken_slots_outlive_the_registration():
    slots = some_slots()
    slots.take("w1")
    slots.set_workers(by_id(a_worker(max_concurrent=2)))
    slots.set_workers({})
    slots.set_workers(by_id(a_worker(max_concurrent=2)))
    assert slots.taken("w1") == 1


def test_a_worker_has_room_while_it_is_registered_and_a_slot_is_free():
    slots = some_slots()
    room = [slots.has_room("w1")]
    slots.set_workers(by_id(a_worker()))
    room.append(slots.has_room("w1"))
    slots.take("w1")
    room.append(slots.has_room("w1"))
    assert room == [False, True, False]


def test_a_reply_of_somebody_unknown_changes_nothing():
    later = FakeLater()
    slots = Slots(("webhook",), later, lambda: None)
    assert not slots.heard("w1", Unreachable(message="m"), probe=False)
    assert later.timers == []


def test_only_so_many_needs_are_remembered():
    slots = some_slots()
    slots.set_workers(by_id(a_worker()))
    for number in range(2 * MAX_KEPT_NEEDS):
        slots.choose(Need(worker=f"w{number}"))
    assert len(slots._fitting) <= MAX_KEPT_NEEDS


def test_what_is_remembered_is_forgotten_when_the_workers_change():
    slots = some_slots()
    found = [slots.choose(Need())]
    slots.set_workers(by_id(a_worker()))
    found.append(slots.choose(Need()))
    assert [isinstance(each, Chosen) for each in found] == [False, True]


def test_equal_workers_take_turns():
    slots = some_slots()
    slots.set_workers(by_id(a_worker("w1"), a_worker("w2")))
    assert len({slots.choose(Need()) for _ in range(2)}) == 2


def limited(later: FakeLater, back: list[str] | None = None) -> Slots:
    slots = Slots(("webhook",), later, lambda: back.append("back") if back is not None else None)
    slots.set_workers(by_id(a_worker(max_concurrent=5)))
    return slots


def test_a_worker_without_calls_left_is_left_alone_until_they_are_reset():
    later, back = FakeLater(), []
    slots = limited(later, back)
    assert slots.rated("w1", RateLimit(remaining=0, limit=10, reset_ms=3000), 7)
    found = slots.choose(Need())
    assert isinstance(found, NoWorker)
    assert (found.reason, slots.has_room("w1"), later.pending) == (Reason.RATE_LIMIT, False, [3.0])
    later.fire()
    assert back == ["back"]
    assert isinstance(slots.choose(Need()), Chosen)


def test_calls_that_are_left_again_end_the_wait():
    later = FakeLater()
    slots = limited(later)
    slots.rated("w1", RateLimit(remaining=0, reset_ms=3000), 7)
    assert not slots.rated("w1", RateLimit(remaining=0, reset_ms=2000), 8)
    assert slots.rated("w1", RateLimit(remaining=5), 9)
    assert (slots.has_room("w1"), later.pending) == (True, [])


def test_a_worker_is_sent_no_more_than_it_has_calls_left():
    slots = limited(FakeLater())
    slots.rated("w1", RateLimit(remaining=2, reset_ms=3000), 7)
    room = []
    for now in (8, 9):
        slots.begin("w1", now)
        room.append(slots.has_room("w1"))
    assert room == [True, False]


def test_a_limit_that_says_not_when_it_ends_is_shown_and_counts_for_a_while():
    later = FakeLater()
    slots = limited(later)
    assert slots.rated("w1", RateLimit(remaining=0), 7)
    assert (slots.has_room("w1"), later.pending) == (False, [60.0])
    assert (slots.rates()["w1"].limit.remaining, slots.rates()["w1"].at) == (0, 7)


def test_what_is_known_of_a_worker_goes_with_it():
    later = FakeLater()
    slots = limited(later)
    slots.rated("w1", RateLimit(remaining=0, reset_ms=3000), 7)
    slots.set_workers({})
    assert (dict(slots.rates()), later.pending) == ({}, [])
