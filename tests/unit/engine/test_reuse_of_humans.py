"""What people said on another line is taken over where they are to be asked again, and only there."""

from __future__ import annotations

from typing import Any

import pytest

from engine.driver.travel import Asked
from engine.model import Kind, RunStatus
from engine.outbox import Work
from tests.builders import chain, document, graph_of, task
from tests.simulation.travels import replay
from tests.simulation.world import World

NODE: dict[str, Any] = {"type": "interrupt", "message": "who?", "output_key": "log"}
WORKER = task(output_key="log")
WITH, WITHOUT = Asked(reuse=True, reuse_interrupts=True), Asked(reuse=True)


def answered(node: dict[str, Any]) -> World:
    """A run in which a person was asked, by a node or by a worker, and has answered `me`."""
    world = World(graph_of(document({"a": node, "b": task(output_key="log")}, chain("a", "b"))))
    world.start()
    if node is WORKER:
        world.answer("a", {"interrupt": {"message": "who?"}})
    (opened,) = world.run.interrupts
    world.resume(opened, "me")
    if node is WORKER:
        world.answer("a", "me")
    world.answer("b", "done")
    assert world.status is RunStatus.COMPLETED
    return world


def place_of(world: World, kind: Kind) -> int:
    """The first commit of a kind on the line."""
    return next(commit.seq for commit in world.commits() if commit.kind is kind)


def asks_again(world: World) -> list[str]:
    """Who is asked now: people by their nodes, workers by theirs."""
    works: list[Work] = list(world.outbox.works.values())
    return [*(f"? {opened.node}" for opened in world.run.interrupts.values()), *(work.node for work in works)]


@pytest.mark.parametrize("node", [NODE, WORKER], ids=["node", "worker"])
@pytest.mark.parametrize("kind", [Kind.START, Kind.INTERRUPT, Kind.RESUME])
def test_they_are_asked_again_from_wherever_the_line_begins(node: dict[str, Any], kind: Kind) -> None:
    world = answered(node)
    replay(world, place_of(world, kind), WITHOUT)
    assert asks_again(world) == (["a"] if node is WORKER else ["? a"])


@pytest.mark.parametrize("node", [NODE, WORKER], ids=["node", "worker"])
@pytest.mark.parametrize("kind", [Kind.START, Kind.INTERRUPT, Kind.RESUME])
def test_their_answers_are_taken_over_from_wherever_the_line_begins(node: dict[str, Any], kind: Kind) -> None:
    world = answered(node)
    replay(world, place_of(world, kind), WITH)
    assert (asks_again(world), world.state["log"]) == ([], ["me", "done"])


@pytest.mark.parametrize("node", [NODE, WORKER], ids=["node", "worker"])
def test_what_was_taken_over_is_taken_over_again_and_again(node: dict[str, Any]) -> None:
    world = answered(node)
    for _ in range(3):
        replay(world, 1, WITH)
        assert (asks_again(world), world.state["log"]) == ([], ["me", "done"])


@pytest.mark.parametrize("node", [NODE, WORKER], ids=["node", "worker"])
def test_what_was_taken_over_is_still_what_people_said(node: dict[str, Any]) -> None:
    world = answered(node)
    replay(world, 1, WITH)
    replay(world, 1, WITHOUT)
    assert asks_again(world) == (["a"] if node is WORKER else ["? a"])
