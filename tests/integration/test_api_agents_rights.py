"""Agents that need a right: who is asked for it, and how the run goes on where it is given elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dispatch._a2a.model import State
from engine.errors import StoreUnavailable
from tests.integration.test_a2a_server import events, rpc, sent
from tests.integration.test_api_agents import DOCUMENTS, asking, begun, ended, methods, registered
from tests.unit.api.serving import PATIENCE_S, Server, a_server
from tests.unit.dispatch.agents import AgentPeer, agent_peer, artifact, done, status
from tests.unit.dispatch.builders import HttpWorker, answer

VERSIONS = ("1.0", "0.3")
BESIDE = asking("beside")
BESIDE["nodes"]["other"] = {"type": "task", "worker_tags": ["w"], "prompt_template": "hi"}
BESIDE["edges"] += [["__start__", "other"], ["other", "__end__"]]


async def wants_a_right(said: Any) -> AsyncIterator[Any]:
    """A script: it needs somebody to sign in."""
    yield status("auth-required", "sign in")


@pytest.fixture(params=VERSIONS)
async def agent(request: pytest.FixtureRequest) -> AsyncIterator[AgentPeer]:
    """An agent of each version that knows of this, and needs it."""
    async with agent_peer(request.param) as found:
        found.script = [wants_a_right]
        yield found


async def until(server: Server, run_id: str, wanted: str) -> Any:
    """The run, once it has come to a status."""
    told = server.wired.streams.stream(run_id, modes=frozenset({"tasks"}), after=None, from_now=False, until=wanted)
    async with asyncio.timeout(PATIENCE_S):
        async for page in told:
            if any(event.event == "run" and event.data["status"] == wanted for event in page):
                return await server.get(f"/runs/{run_id}")
    raise AssertionError(f"the run never was {wanted}")


def looks(agent: AgentPeer) -> int:
    """How often the agent was asked how its task is."""
    return sum(method in ("GetTask", "tasks/get") for method in methods(agent))


async def signed_in(agent: AgentPeer, name: str = "task-1") -> None:
    """Somebody has signed in, and the agent does what it was asked to."""
    await agent.happens(agent.tasks[name], status("working"))
    await agent.happens(agent.tasks[name], artifact("here"))
    await agent.happens(agent.tasks[name], status("completed"))


async def test_a_run_goes_on_by_itself_once_the_right_was_given_elsewhere(server: Server, agent: AgentPeer) -> None:
    await registered(server, agent)
    run = await ended(server, "once")
    [asked] = run["interrupts"]
    assert (run["status"], asked["kind"], asked["node"]) == ("interrupted", "auth", "ask")
    assert [one["id"] for one in (await server.get("/interrupts?kind=auth"))["items"]] == [asked["id"]]

    await signed_in(agent)
    run = await until(server, run["id"], "completed")
    assert (run["state"]["out"], len(agent.said)) == ("here", 1)
    found = await server.get(f"/interrupts/{asked['id']}")
    assert found["status"] == "resolved"


async def test_so_it_does_after_a_restart(tmp_path: Path, agent: AgentPeer) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", DOCUMENTS[0], 201)
        await registered(server, agent)
        run = await ended(server, "once")
    async with a_server(tmp_path) as server:
        await signed_in(agent)
        assert (await until(server, run["id"], "completed"))["state"]["out"] == "here"
    assert len(agent.said) == 1


async def test_and_after_a_retry_of_what_failed_beside_it(tmp_path: Path, agent: AgentPeer, worker: HttpWorker) -> None:
    no = {"error": {"code": "no", "message": "no", "retryable": False}}
    worker.script = [answer(no), answer({"output": 1})]
    async with a_server(tmp_path) as server:
        await server.post("/workflows", BESIDE, 201)
        await registered(server, agent)
        run_id = await begun(server, "beside")
        await agent.until(lambda: looks(agent) > 0)
        await server.post("/workers", {"id": "w", "protocol": "webhook", "url": worker.url, "tags": ["w"]}, 201)
        await until(server, run_id, "failed")
        seen = looks(agent)
        await server.post(f"/runs/{run_id}/retry")
        await agent.until(lambda: looks(agent) > seen)
        await signed_in(agent)
        assert (await until(server, run_id, "completed"))["state"]["out"] == "here"


async def test_and_where_the_store_fails_now_and_then(
    server: Server, agent: AgentPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, left = server.wired.store.run_by_key, [1, 2]

    async def fails_at_first(key: int) -> Any:
        if left:
            raise StoreUnavailable(f"it fails {left.pop()} times more")
        return await known(key)

    monkeypatch.setattr("engine.driver.rights.AGAIN_S", 0.01)
    monkeypatch.setattr(server.wired.store, "run_by_key", fails_at_first)
    await registered(server, agent)
    run = await ended(server, "once")
    await agent.until(lambda: looks(agent) > 0)
    await signed_in(agent)
    assert (await until(server, run["id"], "completed"))["state"]["out"] == "here"
    assert left == []


async def test_who_says_that_it_was_given_has_the_agent_asked_whether_it_goes_on(
    server: Server, agent: AgentPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatch.a2a.FIRST_S", 3600.0)  # nothing is found out in between
    await registered(server, agent)
    run = await ended(server, "once")
    await agent.until(lambda: looks(agent) > 0)
    await agent.happens(agent.tasks["task-1"], status("working"))
    before = looks(agent)
    await server.post(f"/runs/{run['id']}/resume", {"resume": None})
    await agent.until(lambda: looks(agent) > before)
    await signed_in(agent)
    assert (await server.settled(run["id"]))["state"]["out"] == "here"
    assert len([method for method in methods(agent) if "send" in method.lower() or "message/" in method]) == 1


async def test_an_agent_that_still_needs_it_is_told_so(server: Server, agent: AgentPeer) -> None:
    agent.script = [wants_a_right, done]
    await registered(server, agent)
    run = await ended(server, "once")
    await server.post(f"/runs/{run['id']}/resume", {"resume": None})
    assert (await server.settled(run["id"]))["status"] == "completed"
    assert len(agent.said) == 2


async def test_nobody_asks_about_a_task_any_more_whose_run_was_cancelled(server: Server, agent: AgentPeer) -> None:
    await registered(server, agent)
    run = await ended(server, "once")
    [watching] = server.wired.engine.rights._watching.values()
    await server.post(f"/runs/{run['id']}/cancel")
    await asyncio.wait({watching}, timeout=PATIENCE_S)
    assert watching.cancelled()


# ---- outward


async def test_who_asked_for_the_run_is_told_that_a_right_is_needed(server: Server, agent: AgentPeer) -> None:
    await registered(server, agent)
    task = await sent(server, "once", {"data": {}})
    assert task.status.state is State.AUTH_REQUIRED
    assert "sign in" in task.status.message.parts[0].text
    listed = {
        state: [one["id"] for one in (await rpc(server, "once", "ListTasks", {"status": state}))["result"]["tasks"]]
        for state in ("auth-required", "input-required")
    }
    assert listed == {"auth-required": [task.id], "input-required": []}

    await signed_in(agent)
    await until(server, task.id, "completed")
    assert (await rpc(server, "once", "GetTask", {"id": task.id}))["result"]["status"]["state"] == (
        "TASK_STATE_COMPLETED"
    )


async def test_a_stream_stays_open_until_the_right_is_given(server: Server, agent: AgentPeer) -> None:
    await registered(server, agent)
    data = {"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"data": {}}]}}
    told = asyncio.create_task(events(server, "once", "SendStreamingMessage", data))
    await agent.until(lambda: "task-1" in agent.tasks and agent.tasks["task-1"].state == "auth-required")
    [run] = (await server.get("/runs"))["items"]
    await until(server, run["id"], "interrupted")
    await signed_in(agent)

    states = [event.status.state for event in await told if hasattr(event, "status")]
    assert State.AUTH_REQUIRED in states
    assert states[-1] is State.COMPLETED
