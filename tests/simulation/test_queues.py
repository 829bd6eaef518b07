"""Sessions with everybody in them at once: nobody overtakes, nobody is forgotten, and crashes change nothing."""

from __future__ import annotations

import pytest

from engine.driver import company, loop, pace, turn
from tests.simulation import timeless
from tests.simulation.queues import Story

SEEDS = 40


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long planning goes on, and for how long a batch waits for others, decides which of several runs that move on
    by themselves comes to the door first. Two plays can be compared where turns of the event loop alone decide it."""
    for module in (company, loop, pace, turn):
        monkeypatch.setattr(module, "perf_counter", lambda: 0.0)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_crash_changes_nothing_in_a_session(seed: int) -> None:
    calm, crashed = Story(seed), Story(seed, crashes=0.3)

    ends = [timeless.run(calm.play()), timeless.run(crashed.play())]

    assert ends[0] == ends[1], "\n".join(
        f"{one} | {other}" for one, other in zip(calm.told, crashed.told, strict=False)
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_lost_at_any_moment_leaves_every_session_in_order(seed: int) -> None:
    timeless.run(Story(seed, losses=0.2, abrupt=0.2).play())


@pytest.mark.parametrize("max_runs", [None, 1, 2])
@pytest.mark.parametrize("seed", range(SEEDS // 2))
def test_sessions_keys_and_room_never_keep_each_other_waiting(seed: int, max_runs: int | None) -> None:
    calm = Story(seed, turns=True, max_runs=max_runs)
    crashed = Story(seed, turns=True, max_runs=max_runs, crashes=0.3)

    ends = [timeless.run(calm.play()), timeless.run(crashed.play())]

    assert ends[0] == ends[1], "\n".join(
        f"{one} | {other}" for one, other in zip(calm.told, crashed.told, strict=False)
    )


@pytest.mark.parametrize("seed", range(SEEDS // 2))
def test_what_is_lost_leaves_keys_and_room_to_others(seed: int) -> None:
    timeless.run(Story(seed, turns=True, max_runs=1, losses=0.2, abrupt=0.2).play())


@pytest.mark.parametrize("max_runs", [None, 2])
@pytest.mark.parametrize("seed", range(SEEDS // 2))
def test_graphs_that_take_turns_have_their_place_over_crashes(seed: int, max_runs: int | None) -> None:
    calm = Story(seed, turns=True, rooms=True, max_runs=max_runs)
    crashed = Story(seed, turns=True, rooms=True, max_runs=max_runs, crashes=0.3)

    ends = [timeless.run(calm.play()), timeless.run(crashed.play())]

    assert ends[0] == ends[1], "\n".join(
        f"{one} | {other}" for one, other in zip(calm.told, crashed.told, strict=False)
    )


@pytest.mark.parametrize("seed", range(SEEDS // 2))
def test_what_is_lost_leaves_their_places_to_others(seed: int) -> None:
    timeless.run(Story(seed, turns=True, rooms=True, losses=0.2, abrupt=0.2).play())


def test_the_stories_have_all_that_can_happen_in_a_session() -> None:
    stories = [Story(seed) for seed in range(SEEDS)]
    for story in stories:
        timeless.run(story.play())
    told = "\n".join(line for story in stories for line in story.told)

    for word in ("enqueue", "cancel", "interrupt", "session.busy", "run.has_forks", "resume run", "is held"):
        assert word in told
