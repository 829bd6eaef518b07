"""What is lost on the way: calls are made once, streams go on where they were."""

from __future__ import annotations

import asyncio

import pytest

from clew import Client, NotNow
from clew.models import EndEvent, Event, RunEvent, ValuesEvent
from tests.e2e.processes import Server
from tests.sdk.proxy import proxying
from tests.unit.api.serving import asking, straight


async def test_a_start_whose_answer_is_lost_starts_one_run(clew: Client) -> None:
    async with proxying(clew.url) as proxy, Client(proxy.url) as client:
        proxy.cuts = [0, 10]
        run = await client.runs.start(straight(), wait=10, tags=["lost"])
    assert (proxy.connections, run.status) == (3, "completed")
    assert [found.id async for found in clew.runs.list(tag="lost")] == [run.id]


async def test_what_could_be_done_twice_is_not_asked_again(clew: Client) -> None:
    run = await clew.runs.start(asking(), wait=10)
    async with proxying(clew.url) as proxy, Client(proxy.url) as client:
        proxy.cuts = [0]
        with pytest.raises(Exception, match="does not answer"):
            await client.runs.cancel(run.id)
    assert proxy.connections == 1


async def test_a_server_that_takes_no_work_is_asked_until_it_does(own: Client, server: Server) -> None:
    await own._http.call("POST", "/admin/drain", body={})
    async with Client(server.url, patience_s=0) as hasty:
        with pytest.raises(NotNow) as refusal:
            await hasty.runs.start(straight())
    assert refusal.value.retry_after_s == 5
    waiting = asyncio.create_task(own.runs.start(straight(), wait=10))
    await own._http.call("POST", "/admin/drain", body={"draining": False})
    assert (await waiting).status == "completed"


async def all_of(client: Client, run_id: str) -> list[Event]:
    modes = ("values", "updates", "tasks", "custom")
    return [event async for event in client.runs.stream(run_id, modes)]


async def test_a_stream_that_is_cut_anywhere_loses_nothing(clew: Client) -> None:
    run = await clew.runs.start(straight(), wait=10)
    told = await all_of(clew, run.id)
    assert isinstance(told[-1], EndEvent)
    async with proxying(clew.url) as proxy, Client(proxy.url) as client:
        proxy.cuts = list(range(150, 1800, 150))
        assert await all_of(client, run.id) == told
    assert proxy.connections > 5


async def test_a_stream_goes_on_over_a_server_that_is_killed(own: Client, server: Server) -> None:
    run = await own.runs.start(asking(), wait=10)
    seen: list[Event] = []
    async for event in own.runs.stream(run.id):
        seen.append(event)
        if isinstance(event, RunEvent) and event.data.status == "interrupted":
            server.kill()
            await server.start()
            await own.runs.resume(run.id, 5)
    ids = [event.id for event in seen]
    assert [event.event for event in seen] == ["run", "run", "run", "updates", "run", "end"]
    assert ids == [event.id async for event in own.runs.stream(run.id)]


async def test_a_stream_that_begins_after_the_end_is_empty(clew: Client) -> None:
    run = await clew.runs.start(straight(), wait=10)
    *_, end = [event async for event in clew.runs.stream(run.id)]
    assert [event async for event in clew.runs.stream(run.id, after=end.id)] == []


async def test_a_stream_may_end_at_an_interrupt(clew: Client) -> None:
    run = await clew.runs.start(asking())
    told = [event async for event in clew.runs.stream(run.id, until="interrupted")]
    assert isinstance(told[-1], RunEvent)
    assert told[-1].data.status == "interrupted"


async def test_the_events_of_all_runs_are_told(clew: Client) -> None:
    run = await clew.runs.start(straight(), wait=10)
    async for event in clew.events(("values",)):
        if isinstance(event, ValuesEvent) and event.data.run_id == run.id:
            break
    assert event.data.workflow_id == run.workflow_id
