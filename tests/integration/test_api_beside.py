"""What is asked of a run while it goes on, and of forks that have a long way to go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model import RunId, seq_of
from tests.unit.api.serving import Server, a_server

COUNT = 1000
COUNTING = {
    "id": "counting",
    "state_schema": {"n": {"type": "integer", "reducer": "add"}},
    "nodes": {
        "add": {"type": "transform", "updates": {"n": 1}},
        "enough": {
            "type": "route",
            "rules": [{"when": f"state.n % {COUNT} == 0", "to": "yes"}, {"when": "state.n < 0", "to": "end"}],
            "default": "no",
        },
        "ask": {"type": "interrupt", "message": "?"},
    },
    "edges": [
        ["__start__", "add"],
        ["add", "enough"],
        ["enough:no", "add"],
        ["enough:yes", "ask"],
        ["ask", "add"],
        ["enough:end", "__end__"],
    ],
    "config": {"max_steps": 10 * COUNT},
}
"""A loop that asks somebody after each thousand rounds: commits 2, 4, 6 and so on add one."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with a_server(tmp_path) as found:
        await found.post("/workflows", COUNTING, 201)
        yield found


@pytest.mark.parametrize("few", [50, -1], ids=["from its rows", "between two steps"])
async def test_a_run_that_goes_on_is_shown_as_it_was_at_one_moment_and_durably(
    server: Server, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.driver.reader.FEW_ROWS", few)
    shown = [await server.post("/workflows/counting/runs", {}, 201)]
    while shown[-1]["status"] == "running":
        await asyncio.sleep(0)  # as a socket would
        shown.append(await server.get(f"/runs/{shown[0]['id']}"))
        head = await server.wired.store.run(RunId(shown[0]["id"]))
        assert head is not None and seq_of(head.head) >= shown[-1]["checkpoint_count"]

    assert len(shown) > 2
    assert [run["state"]["n"] for run in shown] == [min(run["checkpoint_count"] // 2, COUNT) for run in shown]
    assert [run["latest_checkpoint_id"] for run in shown] == [f"{run['id']}.{run['checkpoint_count']}" for run in shown]
    assert shown[-1]["state"]["n"] == COUNT


async def test_a_run_that_is_asked_again_and_again_goes_on_all_the_same(server: Server) -> None:
    run = await server.post("/workflows/counting/runs", {}, 201)
    other = await server.post("/workflows/counting/runs", {}, 201)

    while run["status"] == "running":
        await asyncio.sleep(0)  # as a socket would
        run = await server.get(f"/runs/{run['id']}")

    assert run["status"] == "interrupted"
    assert (await server.settled(other["id"]))["status"] == "interrupted"


@pytest.mark.parametrize("way", ["fork", "replay", "resume"])
async def test_what_has_a_long_way_to_go_is_answered_before_it_goes_on(server: Server, way: str) -> None:
    run = await server.post("/workflows/counting/runs?wait=60", {}, 201)
    loop = server.wired.engine.loop
    loop.options = replace(loop.options, answer_ms=0.0)
    before = run["checkpoint_count"]
    paths = {
        "fork": ("/runs/fork", {"checkpoint_id": f"{run['id']}.2"}, 201, 2, 1),
        "replay": (f"/runs/{run['id']}/replay", {"checkpoint_id": f"{run['id']}.2"}, 200, before + 2, 1),
        "resume": (f"/runs/{run['id']}/resume", {"resume": 1}, 200, before + 3, COUNT + 1),
    }
    path, body, status, count, n = paths[way]

    begun = await server.post(path, body, status)

    assert (begun["status"], begun["checkpoint_count"], begun["state"]["n"]) == ("running", count, n)
    assert (await server.settled(begun["id"]))["status"] == "interrupted"


async def test_the_planner_takes_short_turns_while_somebody_is_answered(server: Server) -> None:
    loop = server.wired.engine.loop
    loop.options = replace(loop.options, turn_ms=60_000.0, guest_ms=0.0, answer_ms=0.0)

    begun = await server.post("/workflows/counting/runs", {}, 201)

    assert (begun["status"], begun["checkpoint_count"] < COUNT) == ("running", True)
    assert loop.guests.count == 0
