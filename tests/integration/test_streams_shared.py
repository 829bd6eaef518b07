"""Streams that many listen to, and that tell everything."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

from aiohttp import web

from engine.driver.log import LIVE, Position, StreamEvent
from tests.integration.test_api_streams import streamed
from tests.unit.api.serving import PATIENCE_S, Server, asking, straight, working
from tests.unit.dispatch.builders import Seen, answer, http_worker

ALL = "values,updates,tasks,custom,debug"


async def listened(server: Server, run_id: str, modes: str, after: str | None = None) -> list[StreamEvent]:
    told = server.wired.streams.stream(
        run_id, modes=frozenset(modes.split(",")), after=after, from_now=False, until=None
    )
    async with asyncio.timeout(PATIENCE_S):
        return [event async for events in told for event in events]


async def long_run(server: Server, steps: int = 3 * LIVE) -> str:
    names = [f"n{place}" for place in range(steps)]
    document = straight(
        "long",
        nodes={name: {"type": "transform", "updates": {"n": 1}} for name in names},
        edges=[["__start__", names[0]], *map(list, pairwise(names)), [names[-1], "__end__"]],
    )
    await server.post("/workflows", document, 201)
    run = await server.post("/workflows/long/runs?wait=10", {}, 201)
    return str(run["id"])


async def test_all_listeners_get_the_same_events_made_once(server: Server) -> None:
    await server.post("/workflows", straight(), 201)
    run = await server.post("/workflows/straight/runs?wait=10", {}, 201)
    first, second = [await listened(server, run["id"], "values,updates") for _ in range(2)]
    assert [event.id for event in first] == [event.id for event in second]
    assert all(one is other for one, other in zip(first[:-1], second[:-1], strict=True))


async def test_states_of_long_pages_are_right_wherever_a_stream_begins(server: Server) -> None:
    run_id = await long_run(server)
    events = await listened(server, run_id, "values")
    states = [event.data["state"]["n"] for event in events if event.event == "values"]
    assert states == [*range(3 * LIVE + 1), 3 * LIVE]
    middle = len(events) // 2
    rest = await listened(server, run_id, "values", events[middle].id)
    assert rest == events[middle + 1 :]


async def test_many_who_wait_are_all_told_what_happens(server: Server) -> None:
    await server.post("/workflows", asking(), 201)
    run = await server.post("/workflows/asking/runs?wait=10", {}, 201)
    listening = [asyncio.create_task(listened(server, run["id"], ALL)) for _ in range(50)]
    while len(server.wired.engine.loop.watchers.get(1, ())) < 50:  # noqa: ASYNC110 - until all of them wait
        await asyncio.sleep(0)
    await server.post(f"/runs/{run['id']}/resume", {"resume": 7})
    found = await asyncio.gather(*listening)
    assert all(events == found[0] for events in found)
    assert found[0][-1].event == "end"


async def test_debug_tells_how_a_task_went_to_its_worker(server: Server) -> None:
    await server.post("/workflows", working(), 201)
    async with http_worker() as worker:
        said = {"output": "x", "events": [{"stage": "half", "progress": 0.5, "data": {"k": 1}}]}
        worker.script = [answer(said)]
        row = {"id": "w", "protocol": "webhook", "url": worker.url, "tags": ["w"]}
        await server.post("/workers", row, 201)
        run = await server.post("/workflows/working/runs?wait=10", {}, 201)
    path = f"/runs/{run['id']}/stream"
    events = await streamed(server, f"{path}?mode=debug")
    names = [event["event"] for event in events]
    expected = ["dispatch", "custom", "task", "updates", "values", "checkpoint"]
    assert names[names.index("dispatch") : names.index("dispatch") + 6] == expected
    custom: dict[str, Any] = next(event["data"] for event in events if event["event"] == "custom")
    assert (custom["stage"], custom["progress"], custom["data"], custom["node"]) == ("half", 0.5, {"k": 1}, "job")
    assert [event["event"] for event in await streamed(server, f"{path}?mode=custom")] == [
        "run",
        "custom",
        "run",
        "end",
    ]
    for place, event in enumerate(events):
        assert await streamed(server, path, params={"mode": "debug", "after": event["id"]}) == events[place + 1 :]


async def failed_between_commits(server: Server) -> str:
    """A run that fails when the worker that was last at it gives its task back."""
    nodes = {
        "slow": {"type": "task", "worker_tags": ["w"], "retry": {"max_attempts": 2}},
        "ask": {"type": "interrupt", "output_key": "n"},
        "bad": {"type": "transform", "updates": {"n": "{{ state.never }}"}},
    }
    edges = [["__start__", "slow"], ["__start__", "ask"], ["ask", "bad"], ["slow", "__end__"], ["bad", "__end__"]]
    document = straight("failing", state_schema={"n": {}, "never": {}}, nodes=nodes, edges=edges)
    await server.post("/workflows", document, 201)
    async with http_worker() as worker:
        give_back = asyncio.Event()

        async def held(seen: Seen, request: web.Request) -> web.StreamResponse:
            await give_back.wait()
            return web.Response(status=500)

        worker.script = [held]
        await server.post("/workers", {"id": "w", "protocol": "webhook", "url": worker.url, "tags": ["w"]}, 201)
        run = await server.post("/workflows/failing/runs", {}, 201)
        await worker.until(lambda: bool(worker.seen))
        await server.post(f"/runs/{run['id']}/resume", {"resume": 1})
        give_back.set()
        assert (await server.settled(run["id"]))["status"] == "failed"
    return str(run["id"])


async def test_a_failure_between_commits_ends_a_stream_wherever_it_goes_on(server: Server) -> None:
    run_id = await failed_between_commits(server)
    events = await listened(server, run_id, ALL)
    assert [event.event for event in events[-2:]] == ["run", "end"]
    assert events[-2].data["error"]["code"] == "template.undefined"
    for place, event in enumerate(events):
        assert await listened(server, run_id, ALL, event.id) == events[place + 1 :]


def test_a_place_is_read_as_it_was_written() -> None:
    for place in (Position(), Position(3, 2, 1), Position(3, 2, 0, 1)):
        assert Position.parse(str(place)) == place
