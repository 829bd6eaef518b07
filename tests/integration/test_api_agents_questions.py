"""Questions of agents, and what may have become of their tasks when they are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_api_agents import DOCUMENTS, accepted, asks, begun, ended, methods, registered
from tests.unit.api.serving import ORIGIN, Server, a_server
from tests.unit.dispatch.agents import AgentPeer, agent_peer, artifact, never, status


@pytest.fixture
async def peer() -> AsyncIterator[AgentPeer]:
    async with agent_peer(streaming=False) as found:
        yield found


async def resumed(server: Server, run: Any, value: Any) -> Any:
    await server.post(f"/runs/{run['id']}/resume", {"resume": value})
    return await server.settled(run["id"])


async def test_an_agent_that_is_slow_to_go_on_has_not_asked_again(server: Server, peer: AgentPeer) -> None:
    async def slowly(said: Any) -> AsyncIterator[Any]:
        if said["parts"][0]["text"] != "hi":
            seen = methods(peer).count("GetTask")
            await peer.until(lambda: methods(peer).count("GetTask") > seen)
        async for change in asks(said):
            yield change

    peer.lazy, peer.script = True, [slowly]
    await registered(server, peer)
    run = await resumed(server, await ended(server, "once"), "Rome")
    assert run["status"] == "completed"


async def test_a_task_that_went_on_by_itself_counts_as_it_is(server: Server, peer: AgentPeer) -> None:
    async def wants_a_right(said: Any) -> AsyncIterator[Any]:
        yield status("auth-required", "sign in at http://x/")

    peer.script = [wants_a_right]
    await registered(server, peer)
    run = await ended(server, "agent")
    [asked] = (await server.get(f"/interrupts?run_id={run['id']}"))["items"]
    assert asked["message"] == "the agent needs to be authorised before it goes on: sign in at http://x/"

    await peer.happens(peer.tasks["task-1"], artifact("signed in"))
    await peer.happens(peer.tasks["task-1"], status("completed"))
    await peer.until(lambda: len(peer.said) == 2)
    assert peer.said[1]["parts"][0]["text"] == "go on"


async def test_an_answer_that_the_task_does_not_take_is_an_error(server: Server, peer: AgentPeer) -> None:
    peer.script = [asks]
    await registered(server, peer)
    run = await ended(server, "once")
    peer.broken["SendMessage"] = [lambda: peer.error(-32602, "that is no city")]
    run = await resumed(server, run, "x")
    assert (run["error"]["code"], run["error"]["message"]) == ("agent.error", "that is no city")


async def test_who_asked_gets_the_answer(server: Server, peer: AgentPeer) -> None:
    async with agent_peer() as other:
        peer.script = other.script = [asks]
        await registered(server, peer)
        await registered(server, other, id="a2")
        runs = [await ended(server, "once") for _ in range(4)]
        for run in runs:
            assert (await resumed(server, run, "Rome"))["status"] == "completed"
        assert len(peer.tasks) + len(other.tasks) == 4
        assert peer.tasks and other.tasks


async def test_an_agent_that_is_away_when_the_server_begins_again_is_waited_for(tmp_path: Path) -> None:
    async with agent_peer() as agent:
        agent.script = [never]
        async with a_server(tmp_path) as server:
            await server.post("/workflows", DOCUMENTS[0], 201)
            await registered(server, agent)
            run_id = await begun(server, "once")
            await accepted(server, run_id)
        agent.card_status, before = 500, agent.cards
        async with a_server(tmp_path) as server:
            await agent.until(lambda: agent.cards > before)
            agent.card_status = 200
            await agent.until(lambda: methods(agent)[-1] == "SubscribeToTask" and agent.listening == 1)
            await agent.happens(agent.tasks["task-1"], artifact("here"))
            await agent.happens(agent.tasks["task-1"], status("completed"))
            assert (await server.settled(run_id))["state"]["out"] == "here"
    assert len(agent.said) == 1


async def test_a_stream_that_falls_silent_is_left(
    server: Server, peer: AgentPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatch._a2a.sending.QUIET_S", 0.01)
    peer.streaming, peer.script = True, [never]
    await registered(server, peer)
    run_id = await begun(server, "once")
    await peer.until(lambda: "SubscribeToTask" in methods(peer) and peer.listening == 1)
    await peer.happens(peer.tasks["task-1"], status("completed"))
    assert (await server.settled(run_id))["status"] == "completed"


# ---- registering


async def test_the_card_is_shown_and_its_skills_are_tags(server: Server, peer: AgentPeer) -> None:
    row = await registered(server, peer, metadata={"team": "x"})
    assert row["tags"] == ["m", "sum", "numbers"]
    assert row["metadata"]["team"] == "x"
    card = row["metadata"]["card"]
    assert (card["name"], card["protocol_version"], card["skills"]) == ("peer", "1.0", ["sum"])

    peer.card_changes = {"skills": [{"id": "times", "tags": []}]}
    row = await server.call("PATCH", "/workers/a1", json={"metadata": {}})
    assert row["tags"] == ["m", "times"]


async def test_an_agent_that_is_not_there_is_registered_and_asked_again(server: Server, peer: AgentPeer) -> None:
    peer.card_status = 503
    row = await registered(server, peer)
    assert "503" in row["metadata"]["card"]["problem"]
    assert row["tags"] == ["m"]

    peer.card_status = 200
    await server.wired.workers.renew(False)
    row = await server.get("/workers/a1")
    assert ("problem" in row["metadata"]["card"], row["tags"]) == (False, ["m", "sum", "numbers"])

    peer.card_changes = {"skills": []}
    await server.wired.workers.renew(False)
    assert (await server.get("/workers/a1"))["tags"] == ["m", "sum", "numbers"]
    await server.wired.workers.renew(True)
    assert (await server.get("/workers/a1"))["tags"] == ["m"]


async def test_what_the_agent_wants_and_the_worker_has_not_is_said(server: Server, peer: AgentPeer) -> None:
    peer.card_changes = {"securitySchemes": {"b": {"type": "http", "scheme": "bearer"}}, "security": [{"b": []}]}
    row = await registered(server, peer)
    assert row["metadata"]["card"]["warning"] == "the agent wants to know who asks (b): give `token`, or `headers`"
    row = await server.call("PATCH", "/workers/a1", json={"token": "k"})
    assert "warning" not in row["metadata"]["card"]


async def test_an_agent_that_pushes_needs_no_token_of_the_server(tmp_path: Path) -> None:
    async with a_server(tmp_path, token="secret") as server:
        told = [
            await server.http.post(f"{ORIGIN}/a2a/{path}", json={})
            for path in ("callbacks/t1", "callbacks/t1/x", "callbacks", "straight")
        ]
    assert [response.status_code for response in told] == [403, 401, 401, 401]
    assert told[0].json()["code"] == "callback.token"
