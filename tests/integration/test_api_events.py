"""The stream of all runs: everything once, in order, and only of the runs that are meant."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.driver.log import StreamEvent
from engine.driver.watched import ALL
from engine.ports import RunFilter
from tests.integration.test_streams_shared import listened
from tests.unit.api.serving import PATIENCE_S, Server, asking, straight

MODES = "values,updates,tasks,custom,debug"


DOCUMENTS = (straight(), asking())


async def told(
    server: Server, count: int, where: RunFilter | None = None, *, modes: str = MODES, after: str | None = None
) -> list[StreamEvent]:
    """The first so many events."""
    everything = server.wired.everything
    at = await everything.place(after, from_now=False)
    found: list[StreamEvent] = []
    stream = everything.stream(where or RunFilter(), modes=frozenset(modes.split(",")), at=at)
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            found += await anext(stream)
    return found


async def two_runs(server: Server) -> tuple[str, str]:
    first = await server.post("/workflows/asking/runs?wait=10", {}, 201)
    second = await server.post("/workflows/straight/runs?wait=10", {}, 201)
    await server.post(f"/runs/{first['id']}/resume", {"resume": 7})
    await server.settled(first["id"])
    return first["id"], second["id"]


def without_ids(events: list[StreamEvent]) -> list[tuple[str, dict[str, Any]]]:
    return [(event.event, {**event.data, "run_id": None, "workflow_id": None}) for event in events]


async def test_each_run_is_told_as_in_its_own_stream(server: Server) -> None:
    runs = await two_runs(server)
    own = {run_id: (await listened(server, run_id, MODES))[:-1] for run_id in runs}
    found = await told(server, sum(map(len, own.values())))
    for run_id, events in own.items():
        assert without_ids([event for event in found if event.data["run_id"] == run_id]) == without_ids(events)
    assert len({event.id for event in found}) == len(found)


async def test_it_goes_on_after_any_event(server: Server) -> None:
    await two_runs(server)
    count = len(await told(server, 1))
    found = await told(server, count)
    for place, event in enumerate(found[:-1]):
        rest = await told(server, 1, after=event.id)
        assert [other.id for other in rest] == [other.id for other in found[place + 1 :]]


async def test_only_runs_that_match_are_told(server: Server) -> None:
    _, second = await two_runs(server)
    found = await told(server, 1, RunFilter(workflow_id="straight"))
    assert {event.data["run_id"] for event in found} == {second}
    assert {event.data["workflow_id"] for event in found} == {"straight"}


async def test_who_waits_is_told_what_happens_in_any_run(server: Server) -> None:
    await two_runs(server)
    place = await server.wired.everything.place(None, from_now=True)
    stream = server.wired.everything.stream(RunFilter(), modes=frozenset({"updates"}), at=place)
    waiting = asyncio.create_task(anext(stream))
    while ALL not in server.wired.engine.loop.watchers:  # noqa: ASYNC110 - until it waits
        await asyncio.sleep(0)
    run = await server.post("/workflows/straight/runs", {}, 201)
    async with asyncio.timeout(PATIENCE_S):
        first = (await waiting)[0]
    assert (first.event, first.data["run_id"]) == ("run", run["id"])
    await stream.aclose()


async def test_a_deleted_run_takes_nothing_from_those_that_follow(server: Server) -> None:
    _, second = await two_runs(server)
    last = (await told(server, 1))[-1].id
    await server.call("DELETE", f"/runs/{second}", 204)
    run = await server.post("/workflows/straight/runs?wait=10", {}, 201)
    assert {event.data["run_id"] for event in await told(server, 1, after=last)} == {run["id"]}


@pytest.mark.parametrize("after", ["1.0.0", "all-", "all-x", "nothing"])
async def test_an_event_id_of_another_stream_is_refused(server: Server, after: str) -> None:
    assert (await server.refused("GET", f"/events?after={after}", 422))["code"] == "stream.event_id"


@pytest.mark.parametrize("query", ["colour=red", "status=happy", "limit=1", "cursor=%ff", "mode=,", "from=then", "a=b"])
async def test_a_query_that_means_nothing_is_refused(server: Server, query: str) -> None:
    await server.refused("GET", f"/events?{query}", 422)


async def test_it_says_farewell_when_the_server_closes(server: Server) -> None:
    server.wired.closing.set()
    response = await server.http.get("/events", params={"metadata.team": "a"})
    assert response.status_code == 200
    assert ": the server is closing" in response.text
