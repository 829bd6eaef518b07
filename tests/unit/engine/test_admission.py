"""Which runs may begin, and in which order."""

from __future__ import annotations

from itertools import count
from random import Random

import pytest

from engine.admission import Admission, Moves
from engine.errors import Conflict
from engine.line import HEAD_START_MS
from engine.model import RunStatus
from engine.places import Contender, Reason

NOW = 1_000_000


def a_run(key: int, at: str | None = None, *, status: RunStatus = RunStatus.QUEUED, **fields: int | str) -> Contender:
    """A run with a concurrency key; it was created later than those with smaller numbers."""
    given = {"priority": 0, "created_at": NOW + key, "concurrency_key": at, **fields}
    return Contender(run_key=key, status=status, **given)  # type: ignore[arg-type]


def over(run: Contender, status: RunStatus = RunStatus.COMPLETED) -> Contender:
    return a_run(run.run_key, run.concurrency_key, status=status)


def test_runs_without_a_key_begin_at_once() -> None:
    door = Admission()
    assert [door.enter(a_run(key), NOW) for key in range(3)] == [None, None, None]


def test_one_run_at_a_time_has_a_key_and_the_others_follow_in_their_order() -> None:
    door, runs = Admission(), [a_run(key, "k") for key in range(4)]
    assert [door.enter(run, NOW) for run in runs] == [None, *[Reason.CONCURRENCY_KEY] * 3]
    assert door.enter(a_run(9, "other"), NOW) is None
    assert [door.moved(over(run)).begin for run in runs] == [[1], [2], [3], []]


@pytest.mark.parametrize("status", [RunStatus.INTERRUPTED, RunStatus.RUNNING])
def test_a_run_that_waits_keeps_its_key(status: RunStatus) -> None:
    door, first = Admission(), a_run(1, "k")
    door.enter(first, NOW)
    door.enter(a_run(2, "k"), NOW)
    assert door.moved(over(first, status)) == Moves()
    assert door.moved(over(first, RunStatus.FAILED)).begin == [2]


def test_higher_priority_goes_first_and_equals_in_the_order_in_which_they_came() -> None:
    door = Admission(max_runs=1)
    door.enter(a_run(0), NOW)
    for key, priority in ((1, 0), (2, 5), (3, 0), (4, 5), (5, -1)):
        assert door.enter(a_run(key, priority=priority), NOW) is Reason.MAX_RUNS
    begun = [door.moved(over(a_run(key))).begin for key in (0, 2, 4, 1, 3)]
    assert begun == [[2], [4], [1], [3], [5]]


def test_a_run_of_low_priority_is_not_passed_for_ever() -> None:
    door = Admission(max_runs=1)
    door.enter(a_run(0), NOW)
    door.enter(a_run(1), NOW)
    running, passed = 0, 0
    for key in range(2, 200):
        door.enter(a_run(key, priority=10, created_at=NOW + key * HEAD_START_MS), NOW)
        (running,) = door.moved(over(a_run(running))).begin
        if running == 1:
            break
        passed += 1
    assert (running, passed) == (1, 9)


def test_no_more_than_so_many_run_at_once_and_those_that_wait_for_people_do_not_count() -> None:
    door = Admission(max_runs=2)
    assert [door.enter(a_run(key), NOW) for key in range(4)] == [None, None, Reason.MAX_RUNS, Reason.MAX_RUNS]
    assert door.moved(a_run(0, status=RunStatus.INTERRUPTED)).begin == [2]
    assert door.moved(a_run(0, status=RunStatus.RUNNING)).begin == []
    assert door.moved(a_run(2, status=RunStatus.FAILED)).begin == []
    assert door.moved(a_run(1, status=RunStatus.CANCELLED)).begin == [3]


def test_a_key_is_taken_when_a_run_begins_and_not_before() -> None:
    door = Admission(max_runs=1)
    door.enter(a_run(0), NOW)
    assert door.enter(a_run(1, "k"), NOW) is Reason.MAX_RUNS
    assert door.enter(a_run(2, "k", priority=1), NOW) is Reason.MAX_RUNS
    assert door.moved(over(a_run(0))).begin == [2]
    assert door.moved(over(a_run(2, "k"))).begin == [1]


def test_who_gets_the_key_and_no_room_is_told_so() -> None:
    door = Admission(max_runs=1)
    door.enter(a_run(0, "k"), NOW)
    door.enter(a_run(1, "k"), NOW)
    door.enter(a_run(2, priority=1), NOW)
    moves = door.moved(over(a_run(0, "k")))
    assert (moves.begin, moves.wait) == ([2], [(1, Reason.MAX_RUNS)])


def test_a_run_waits_for_its_time_and_then_for_the_others() -> None:
    door, early = Admission(), a_run(1, "k", start_at=NOW + 500)
    assert door.enter(early, NOW) is Reason.START_AT
    assert door.enter(a_run(2, "k"), NOW) is None
    assert door.come(1, NOW + 500) == Moves(wait=[(1, Reason.CONCURRENCY_KEY)])
    assert door.moved(over(a_run(2, "k"))).begin == [1]
    assert door.come(1, NOW + 501) == Moves()


def test_a_run_comes_when_its_time_comes() -> None:
    door = Admission()
    door.enter(a_run(1, start_at=NOW + 500), NOW)
    assert door.come(1, NOW + 499) == Moves()
    assert door.come(1, NOW + 500).begin == [1]


@pytest.mark.parametrize("key", [None, "k"])
def test_who_leaves_is_not_waited_for(key: str | None) -> None:
    door, runs = Admission(max_runs=1), [a_run(number, key) for number in range(4)]
    for run in runs:
        door.enter(run, NOW)
    door.enter(a_run(5, key, start_at=NOW + 9), NOW)
    assert [door.moved(over(runs[number], RunStatus.CANCELLED)).begin for number in (1, 0)] == [[], [2]]
    door.leave(a_run(5, key))
    assert door.come(5, NOW + 9) == Moves()
    assert door.leave(runs[2]).begin == [3]


def test_a_run_that_goes_on_again_has_to_have_its_key() -> None:
    door, first, second = Admission(), a_run(1, "k"), a_run(2, "k")
    door.enter(first, NOW)
    door.moved(over(first))
    door.claim(over(first, RunStatus.FAILED))
    assert door.enter(second, NOW) is Reason.CONCURRENCY_KEY
    with pytest.raises(Conflict) as refused:
        door.claim(second)
    assert refused.value.conflict == "run.key_taken"
    assert door.moved(over(first)).begin == [2]


def test_what_was_before_a_restart_is_in_line_again() -> None:
    door = Admission(max_runs=2)
    runs = [
        a_run(1, "k", status=RunStatus.INTERRUPTED),
        a_run(2, "k", reason=Reason.CONCURRENCY_KEY),
        a_run(3, reason=Reason.MAX_RUNS),
        a_run(4, reason=Reason.MAX_RUNS, priority=1),
        a_run(5, "k", reason=Reason.START_AT, start_at=NOW),
        a_run(6, reason=Reason.START_AT, start_at=NOW + 900),
        a_run(7, reason="something else"),
    ]
    moves = door.restore([8], runs, NOW + 10)
    assert (moves.begin, moves.wait) == ([4], [(5, Reason.CONCURRENCY_KEY)])
    assert door.moved(over(a_run(8))).begin == [3]
    assert door.moved(over(a_run(1, "k"))).begin == []
    assert door.moved(over(a_run(4))).begin == [2]


def test_nobody_begins_while_it_is_closed() -> None:
    door = Admission()
    door.close(True)
    door.enter(a_run(1), NOW)
    door.enter(a_run(2, "k"), NOW)
    assert door.close(False).begin == [1, 2]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_the_limits_hold_and_everybody_begins(seed: int) -> None:
    chance, numbers = Random(seed), count()
    door, most = Admission(chance.choice([None, 1, 2, 3])), 0
    active: dict[int, Contender] = {}
    waiting: dict[int, Contender] = {}

    def begin(keys: list[int]) -> None:
        for key in keys:
            active[key] = waiting.pop(key)

    for _ in range(300):
        if chance.random() < 0.5 or not active:
            run = a_run(next(numbers), chance.choice([None, "a", "b"]), priority=chance.randrange(3))
            waiting[run.run_key] = run
            begin([run.run_key] if door.enter(run, NOW) is None else [])
        elif chance.random() < 0.2 and waiting:
            gone = waiting.pop(chance.choice(list(waiting)))
            begin(door.moved(over(gone, RunStatus.CANCELLED)).begin)
        else:
            begin(door.moved(over(active.pop(chance.choice(list(active))))).begin)
        held = [run.concurrency_key for run in active.values() if run.concurrency_key]
        most = max(most, len(active))
        assert len(held) == len(set(held))
        assert door.max_runs is None or len(active) <= door.max_runs
    while active:
        begin(door.moved(over(active.pop(next(iter(active))))).begin)
    assert not waiting
    assert most > 1 or door.max_runs == 1


# ---- runs of one session that have a key together


def test_a_run_does_not_wait_for_the_key_of_the_one_that_was_set_aside_for_it() -> None:
    door, first, stranger, second = Admission(), a_run(1, "k"), a_run(2, "k"), a_run(3, "k")
    door.enter(first, NOW)
    door.enter(stranger, NOW)
    assert door.enter(second, NOW, shares=True) is None
    assert [door.moved(over(run)).begin for run in (second, first)] == [[], [2]]


def test_a_run_that_was_set_aside_does_not_go_on_beside_the_other_one() -> None:
    door, first, second = Admission(), a_run(1, "k"), a_run(2, "k")
    door.enter(first, NOW)
    door.moved(over(first, RunStatus.INTERRUPTED))
    door.enter(second, NOW, shares=True)
    with pytest.raises(Conflict):
        door.claim(over(first, RunStatus.INTERRUPTED))
    door.moved(over(second))
    door.claim(over(first, RunStatus.INTERRUPTED))


def test_it_waits_for_room_as_any_other_run() -> None:
    door, first, second = Admission(max_runs=1), a_run(1, "k"), a_run(3, "k")
    door.enter(first, NOW)
    door.enter(a_run(2), NOW)
    assert door.enter(second, NOW, shares=True) is Reason.MAX_RUNS
    assert door.moved(over(first, RunStatus.INTERRUPTED)).begin == [2]
    assert door.moved(over(a_run(2))).begin == [3]


def test_a_run_that_may_begin_and_does_not_want_to_leaves_its_key_and_its_room_to_others() -> None:
    door, first, second = Admission(max_runs=1), a_run(1, "k"), a_run(2, "k")
    assert [door.enter(run, NOW) for run in (first, first, second)] == [None, None, Reason.CONCURRENCY_KEY]
    assert door.leave(first).begin == [2]


def test_where_a_run_stands_changes_when_there_is_nobody_to_share_with_any_more() -> None:
    door, first, second = Admission(), a_run(1, "k"), a_run(2, "k")
    door.enter(first, NOW)
    door.enter(second, NOW)
    assert door.stands_well(second, shares=False)
    assert not door.stands_well(second, shares=True)
    door.leave(second)
    assert door.enter(second, NOW, shares=True) is None
    assert not door.stands_well(second, shares=False)
    door.leave(first)
    assert door.stands_well(second, shares=False)
