"""Excerpts: what matters first, as much as fits, and a mark on the rest."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codec import write
from engine.excerpt import MOST_BYTES, MOST_NAMED, MOST_TEXT, excerpt, excerpt_of
from tests.builders import chain, task, writes
from tests.simulation.world import World
from tests.unit.engine.worlds import begun


def asked(world: World) -> Any:
    """The excerpt for the only open task."""
    (open_task,) = world.run.open_tasks()
    return excerpt_of(world.run, open_task)


# ---- what fits


def test_a_small_state_is_shown_whole() -> None:
    state = {"n": 1, "s": "ä", "list": [1, {"a": None}], "empty": {}}
    found = excerpt(state)
    assert (found.values, found.cut) == (state, ())


def test_long_texts_are_shown_by_their_beginning() -> None:
    found = excerpt({"long": "x" * 5000, "short": "y"})
    assert found.values == {"long": "x" * (MOST_TEXT - 1) + "…", "short": "y"}
    assert found.cut == ("long",)


@pytest.mark.parametrize("large", [["x" * 100] * 100, {f"k{i}": i for i in range(500)}, [[1] * 3000], ["x" * 5000]])
def test_what_is_too_large_in_another_way_is_left_out(large: Any) -> None:
    found = excerpt({"large": large, "n": 1})
    assert (found.values, found.cut) == ({"n": 1}, ("large",))


def test_nothing_large_is_looked_at_to_its_end() -> None:
    unread = object()  # no part of JSON: to write it would raise
    assert excerpt({"large": ["x" * 3000, unread], "deep": {"a": ["y" * 3000], "b": unread}}).cut == ("large", "deep")


def test_the_keys_that_matter_come_first_and_the_others_as_long_as_there_is_room() -> None:
    state = {f"k{i}": "x" * 250 for i in range(12)}
    found = excerpt(state, ["k9", "gone", "k9", "k11"])
    assert list(found.values)[:3] == ["k9", "k11", "k0"]
    assert set(found.values) | set(found.cut) == set(state)
    assert len(found.values) == 7


def test_no_excerpt_is_longer_than_it_may_be() -> None:
    for size in range(1, 300, 7):
        state = {f"ключ{i}": "ü" * size for i in range(50)}
        assert len(write(excerpt(state).values)) <= MOST_BYTES


def test_what_just_fits_is_shown() -> None:
    room = MOST_BYTES - len(b'{"a":[""]}') - 1
    assert excerpt({"a": ["x" * room]}).cut == ()
    assert excerpt({"a": ["x" * (room + 1)]}).cut == ("a",)


def test_not_all_keys_that_were_cut_are_named() -> None:
    found = excerpt({f"k{i}": ["x" * 3000] for i in range(100)})
    assert (found.values, len(found.cut)) == ({}, MOST_NAMED)


# ---- what matters


def test_what_was_written_last_comes_first() -> None:
    nodes = {"a": writes(log="x"), "b": writes(last="z"), "ask": {"type": "interrupt", "message": "?"}}
    world = begun(nodes, chain("a", "b", "ask"))
    assert list(asked(world).values) == ["last", *(key for key in world.state if key != "last")]


def test_what_a_node_reads_comes_before_that() -> None:
    world = begun({"b": writes(last="z"), "t": task(reads=["log"])}, chain("b", "t"))
    world.answer("t", {"interrupt": {"message": "?"}})
    assert list(asked(world).values)[:2] == ["log", "last"]


def test_a_task_shows_what_it_sees_and_not_what_is_beside_it() -> None:
    nodes = {"a": writes(n=7), "ask": {"type": "interrupt", "message": "?"}}
    edges = [("__start__", "a"), ("a", "__end__"), ("__start__", "ask"), ("ask", "__end__")]
    world = begun(nodes, edges)
    assert (world.state["n"], asked(world).values["n"]) == (7, 0)
