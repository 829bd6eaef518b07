"""Who has promised heartbeats and is silent, and who has which resource."""

from __future__ import annotations

from typing import Any

import pytest

from dispatch._beats import Beats, promise_of
from dispatch._resources import resource_ids
from tests.unit.dispatch.builders import NOW, FakeLater, a_worker, by_id

PROMISED = a_worker(health='{"heartbeat_ms":1000}')


class Clock:
    def __init__(self) -> None:
        self.now, self.later = NOW, FakeLater()
        self.beats = Beats(lambda: self.now, self.later)
        self.heard: list[tuple[str, str | None, bool]] = []
        self.owners: list[dict[str, str]] = []
        self.beats.listen(
            lambda worker_id, why, lost: self.heard.append((worker_id, why, lost)),
            lambda owners: self.owners.append(dict(owners)),
        )

    def passes(self, ms: int) -> None:
        self.now += ms
        self.later.fire()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_three_missed_heartbeats_are_silence_and_the_next_one_ends_it(clock):
    clock.beats.set_workers(by_id(PROMISED))
    clock.passes(2999)
    assert clock.heard == []
    clock.passes(1)
    assert clock.heard == [("w1", "it has missed 3 heartbeats", True)]
    clock.beats.beat("w1", {})
    assert clock.heard[-1] == ("w1", None, False)


def test_a_heartbeat_begins_the_time_anew(clock):
    clock.beats.set_workers(by_id(PROMISED))
    for _ in range(5):
        clock.passes(2000)
        clock.beats.beat("w1", {})
    assert all(why is None for _, why, _ in clock.heard)


def test_nothing_is_expected_of_who_has_promised_nothing(clock):
    clock.beats.set_workers(by_id(a_worker(), a_worker("w2", health="http://x/health")))
    clock.passes(10**9)
    assert clock.heard == []


def test_who_takes_its_promise_back_is_there_again(clock):
    clock.beats.set_workers(by_id(PROMISED))
    clock.passes(3000)
    clock.beats.set_workers(by_id(a_worker()))
    assert clock.heard[-1] == ("w1", None, False)


def test_who_is_removed_is_not_missed(clock):
    clock.beats.set_workers(by_id(PROMISED))
    clock.beats.set_workers({})
    clock.passes(3000)
    assert not any(lost for _, _, lost in clock.heard)


def test_who_is_removed_while_away_is_there_when_it_is_registered_again(clock):
    clock.beats.set_workers(by_id(PROMISED))
    clock.passes(3000)
    clock.beats.set_workers({})
    assert clock.heard[-1] == ("w1", None, False)
    clock.beats.set_workers(by_id(a_worker()))
    assert clock.beats.away("w1") is None


def test_what_workers_have_is_known_by_its_id(clock):
    clock.beats.set_workers(by_id(PROMISED, a_worker("w2")))
    clock.beats.beat("w1", {"resources": ["a", {"resource_id": "b"}, {"resourceId": "c"}]})
    clock.beats.beat("w2", {"resources": {"cpu": 1, "items": [{"id": "d"}]}})
    assert clock.owners[-1] == {"a": "w1", "b": "w1", "c": "w1", "d": "w2"}
    clock.beats.set_workers(by_id(a_worker("w2")))
    assert clock.owners[-1] == {"d": "w2"}


@pytest.mark.parametrize("said", [None, 5, "text", {}, {"items": 3}, [None, 1, {}, {"id": ""}, {"id": 4}]])
def test_what_is_no_list_of_resources_names_none(said: Any) -> None:
    assert resource_ids(said) == ()


@pytest.mark.parametrize(("health", "promise"), [(None, None), ("http://x", None), ('{"heartbeat_ms":5}', 5)])
def test_a_promise_is_read_from_the_health(health: str | None, promise: int | None) -> None:
    assert promise_of(a_worker(health=health)) == promise
