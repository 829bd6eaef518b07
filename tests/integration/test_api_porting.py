"""Runs moved from one server to another: the same file, the same run, and nothing that acts by itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.model import RunId
from engine.ports import CommitRow, RunFilter
from tests.integration.moving import (
    GIVES,
    OPEN,
    PLAYS,
    Play,
    answered,
    begun,
    documents_at,
    employed,
    exported,
    forked,
    forked_from_a_fork,
    imported,
    name,
    problems,
    shown,
    that_failed,
    that_waits_for_somebody,
    with_branches,
)
from tests.unit.api.serving import PATIENCE_S, Server, a_server, straight
from tests.unit.dispatch.builders import HttpWorker, http_worker

DEBUG = frozenset({"debug"})
GENERATION = re.compile(rb'"two",0,0,"([0-9a-f]{16})"')


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Server]:
    """Where runs come from."""
    async with a_server(tmp_path / "here") as found:
        await documents_at(found)
        yield found


@pytest.fixture(params=["sqlite", "memory"])
async def there(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    """Where they go: a server with runs of its own, so that nothing has the same number."""
    given = {"db": "memory://"} if request.param == "memory" else {}
    async with a_server(tmp_path / "there", **given) as found:
        for _ in range(3):
            await found.post("/runs?wait=10", {"workflow": straight("other")}, 201)
        yield found


@pytest.fixture
async def worker() -> AsyncIterator[HttpWorker]:
    async with http_worker() as found:
        yield found


@pytest.mark.parametrize("play", PLAYS, ids=name)
async def test_a_run_is_the_same_elsewhere(here: Server, there: Server, worker: HttpWorker, play: Play) -> None:
    run = await play(here, worker)
    text = await exported(here, run)
    taken = await imported(there, text)
    assert await exported(there, run) == text
    assert taken["hold"] == ("imported" if play in OPEN else None)
    before, after = await shown(here, run), await shown(there, run)
    assert before.keys() == after.keys()
    for part in before:
        assert after[part] == before[part], part
    assert await problems(there, run) == []


async def test_a_run_is_written_as_it_was_when_its_export_began(here: Server, worker: HttpWorker) -> None:
    run = await that_waits_for_somebody(here, worker)
    before = await exported(here, run)
    lines = here.wired.porting.export(run)
    first = await anext(lines)
    await answered(here, run)
    assert b"".join([first, *[line async for line in lines]]) == before
    assert await exported(here, run) != before


async def test_who_follows_all_runs_is_told_of_one_that_comes_in(
    here: Server, there: Server, worker: HttpWorker
) -> None:
    fork = await forked_from_a_fork(here, worker)
    text = await exported(here, fork)
    everything, count = there.wired.everything, (await here.get(f"/runs/{fork}"))["checkpoint_count"]
    told = everything.stream(RunFilter(), modes=DEBUG, at=await everything.place(None, from_now=True))
    first = asyncio.ensure_future(anext(told))
    await asyncio.sleep(0)
    await imported(there, text)
    async with asyncio.timeout(PATIENCE_S):
        events = await first
    assert {event.data["run_id"] for event in events} == {fork}
    points = [event.data["seq"] for event in events if event.event == "checkpoint"]
    assert points == list(range(1, count + 1))


async def test_whom_a_server_tells_stays_with_it(here: Server, there: Server) -> None:
    hook = {"url": "http://127.0.0.1:9/told", "secret": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="}
    run = await begun(here, "asks", webhook=hook)
    text = await exported(here, run)
    assert b"whsec" not in text and b"/told" not in text
    assert (await imported(there, text, query="?start=true"))["webhook"] is None


async def test_a_run_that_is_not_there_is_not_written(here: Server) -> None:
    await here.refused("GET", "/runs/ghost/export", 404)


# ---- what can be done with a run that was moved


async def test_a_run_that_was_moved_is_forked_replayed_and_retried(
    here: Server, there: Server, worker: HttpWorker
) -> None:
    run, failed = await with_branches(here, worker), await that_failed(here, worker)
    for moved in (run, failed):
        await imported(there, await exported(here, moved))
    fork = await forked(there, f"{run}.2", updates={"n": 30})
    await answered(there, fork)
    assert (await there.get(f"/runs/{fork}"))["state"] == {"n": 30, "said": "yes", "last": 300}
    await there.post(f"/runs/{run}/replay", {"checkpoint_id": f"{run}.2", "updates": {"n": 8}})
    await answered(there, run, "no")
    assert (await there.get(f"/runs/{run}"))["state"] == {"n": 8, "said": "no", "last": 80}
    await employed(there, worker, GIVES)
    await there.post(f"/runs/{failed}/retry")
    assert (await there.settled(failed))["state"] == {"n": 1, "out": "done"}
    for found in (run, fork, failed):
        assert await problems(there, found) == []


async def test_a_fork_is_compared_with_what_came_along(here: Server, there: Server, worker: HttpWorker) -> None:
    fork = await forked_from_a_fork(here, worker)
    await imported(there, await exported(here, fork))
    above = (await there.get(f"/runs/{fork}"))["parent_id"]
    for path in (f"/diff?from={above}.1&to={fork}.1", f"/compare?a={above}.2&b={fork}"):
        assert await there.get(path) == await here.get(path)
    assert (await there.get(f"/runs/{above}/checkpoints/{above}.2")) == (
        await here.get(f"/runs/{above}/checkpoints/{above}.2")
    )


async def test_a_fork_that_goes_to_nodes_has_the_addresses_that_it_has_at_home(
    here: Server, there: Server, worker: HttpWorker
) -> None:
    run = await answered(here, await begun(here, "asks"))
    await imported(there, await exported(here, run))
    forks = [await forked(server, f"{run}.2", goto=["two"]) for server in (here, there)]
    waves = [
        row.body for server, fork in zip((here, there), forks, strict=True) for row in await first_rows(server, fork)
    ]
    assert GENERATION.findall(waves[0]) == GENERATION.findall(waves[1]) != []


async def first_rows(server: Server, run_id: str) -> list[CommitRow]:
    head = await server.wired.store.run(RunId(run_id))
    assert head is not None
    return await server.wired.store.commits(head.key, 1, 1)
