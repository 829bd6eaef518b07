"""Runs that ask agents: what they are told, what becomes of their tasks, and what is left of them after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_api_streams import streamed
from tests.unit.api.serving import PATIENCE_S, Server, a_server
from tests.unit.dispatch.agents import AgentPeer, agent_peer, artifact, done, never, status


def asking(workflow_id: str, **node: Any) -> dict[str, Any]:
    """A workflow that asks an agent."""
    fields = {"type": "task", "worker_tags": ["m"], "prompt_template": "hi", "output_key": "out", **node}
    return {
        "id": workflow_id,
        "state_schema": {"out": {}, "topic": {}},
        "nodes": {"ask": fields},
        "edges": [["__start__", "ask"], ["ask", "__end__"]],
    }


RETRY = {"max_attempts": 2, "initial_interval_ms": 1}
DOCUMENTS = (
    asking("once"),
    asking("again", retry=RETRY),
    asking("hasty", timeout_ms=500),
    asking("agent", type="agent", max_turns=3, continuation_prompt="go on", retry=RETRY),
    asking("reading", reads=["topic"], parameters={"a2a": {"skill": "sum", "metadata": {"k": 1}}}),
)
VERSIONS = ("1.0", "0.3", "0.1")


@pytest.fixture(params=VERSIONS)
async def agent(request: pytest.FixtureRequest) -> AsyncIterator[AgentPeer]:
    """An agent of each version."""
    async with agent_peer(request.param) as found:
        yield found


@pytest.fixture
async def peer() -> AsyncIterator[AgentPeer]:
    """An agent of 1.0."""
    async with agent_peer() as found:
        yield found


async def registered(server: Server, agent: AgentPeer, **fields: Any) -> Any:
    row = {"id": "a1", "protocol": "a2a", "url": agent.url, "tags": ["m"], "max_concurrent": 4, **fields}
    return await server.post("/workers", row, 201)


async def begun(server: Server, workflow_id: str, **fields: Any) -> str:
    run = await server.post(f"/workflows/{workflow_id}/runs", fields, 201)
    return str(run["id"])


async def ended(server: Server, workflow_id: str, **fields: Any) -> Any:
    return await server.settled(await begun(server, workflow_id, **fields))


async def accepted(server: Server, run_id: str) -> None:
    """Wait until it is durable that a worker has accepted something."""
    told = server.wired.streams.stream(run_id, modes=frozenset({"debug"}), after=None, from_now=False, until=None)
    async with asyncio.timeout(PATIENCE_S):
        async for events in told:
            if any(event.data.get("status") == "accepted" for event in events):
                return


def methods(agent: AgentPeer) -> list[str]:
    return [method for method, _ in agent.asked]


async def asks(said: Any) -> AsyncIterator[Any]:
    """A script: it asks which city, and says what it was told."""
    if said["parts"][0].get("text") == "hi":
        yield status("input-required", "which city?")
        return
    yield artifact({"data": {"city": said["parts"]}})
    yield status("completed")


async def test_what_an_agent_brings_forth_is_the_output(server: Server, agent: AgentPeer) -> None:
    await registered(server, agent)
    run = await ended(server, "once")
    assert (run["status"], run["state"]["out"]) == ("completed", "done")
    assert agent.said[0]["parts"][0]["text"] == "hi"


async def test_what_it_says_meanwhile_is_told_before_the_answer(server: Server, agent: AgentPeer) -> None:
    async def script(said: Any) -> AsyncIterator[Any]:
        yield status("working", "looking")
        yield artifact("Hel", last=False)
        yield artifact("lo", append=True)
        yield status("completed")

    agent.script = [script]
    await registered(server, agent)
    run = await ended(server, "once")
    assert run["state"]["out"] == "Hello"
    events = await streamed(server, f"/runs/{run['id']}/stream?mode=custom")
    custom = [event["data"] for event in events if event["event"] == "custom"]
    assert custom[0]["message"] == "looking"
    assert "".join(part["text"] for one in custom for part in one["chunks"] or ()) == "Hello"


async def test_an_agent_that_does_not_stream_is_asked_until_it_is_done(server: Server) -> None:
    async with agent_peer("0.3", streaming=False) as agent:

        async def script(said: Any) -> AsyncIterator[Any]:
            yield status("working")
            await agent.until(lambda: "tasks/get" in methods(agent))
            yield artifact({"data": [1, 2]})
            yield status("completed")

        agent.script = [script]
        await registered(server, agent)
        run = await ended(server, "once")
    assert run["state"]["out"] == [1, 2]
    assert methods(agent)[0] == "message/send"


async def test_a_question_is_an_interrupt_and_its_answer_goes_on_in_the_same_task(
    server: Server, agent: AgentPeer
) -> None:
    agent.script = [asks]
    await registered(server, agent)
    run = await ended(server, "once")
    assert run["status"] == "interrupted"
    [asked] = (await server.get(f"/interrupts?run_id={run['id']}"))["items"]
    assert (asked["kind"], asked["message"]) == ("worker", "which city?")

    await server.post(f"/runs/{run['id']}/resume", {"resume": "Rome"})
    run = await server.settled(run["id"])
    assert run["state"]["out"]["city"][0]["text"] == "Rome"
    assert len(agent.tasks) == 1
    if agent.version != "0.1":  # there a task is named beside the message
        first, second = agent.said
        assert (second["taskId"], second["contextId"]) == ("task-1", "context-1")
        assert first["messageId"] != second["messageId"]


async def test_a_question_survives_a_restart(tmp_path: Path, peer: AgentPeer) -> None:
    peer.script = [asks]
    async with a_server(tmp_path) as server:
        await server.post("/workflows", DOCUMENTS[0], 201)
        await registered(server, peer)
        run_id = await begun(server, "once")
        assert (await server.settled(run_id))["status"] == "interrupted"
    async with a_server(tmp_path) as server:
        await server.post(f"/runs/{run_id}/resume", {"resume": {"n": 1}})
        run = await server.settled(run_id)
    assert run["status"] == "completed"
    assert (peer.said[1]["taskId"], peer.said[1]["parts"]) == ("task-1", [{"data": {"n": 1}}])


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_task_that_was_taken_is_found_again_after_a_restart_and_not_sent_twice(
    tmp_path: Path, streaming: bool
) -> None:
    async with agent_peer(streaming=streaming) as agent:
        agent.script = [never]
        async with a_server(tmp_path) as server:
            await server.post("/workflows", DOCUMENTS[0], 201)
            await registered(server, agent)
            run_id = await begun(server, "once")
            await accepted(server, run_id)
        async with a_server(tmp_path) as server:
            before = len(agent.asked)
            await agent.until(lambda: len(agent.asked) > before)
            await agent.happens(agent.tasks["task-1"], artifact("late"))
            await agent.happens(agent.tasks["task-1"], status("completed"))
            run = await server.settled(run_id)
    assert run["state"]["out"] == "late"
    assert len(agent.said) == 1
    assert methods(agent)[before] == "GetTask"


async def test_a_stream_that_breaks_is_taken_up_again(server: Server, peer: AgentPeer) -> None:
    peer.script = [never]
    await registered(server, peer)
    run_id = await begun(server, "once")
    await peer.until(lambda: peer.listening == 1)
    peer.cut()
    await peer.until(lambda: "SubscribeToTask" in methods(peer) and peer.listening == 1)
    await peer.happens(peer.tasks["task-1"], artifact("here"))
    await peer.happens(peer.tasks["task-1"], status("completed"))
    assert (await server.settled(run_id))["state"]["out"] == "here"
    assert len(peer.said) == 1


async def test_the_turns_of_an_agent_are_tasks_of_one_context(server: Server, agent: AgentPeer) -> None:
    await registered(server, agent)
    run = await ended(server, "agent")
    assert run["status"] == "completed"
    assert [said["parts"][0]["text"] for said in agent.said] == ["hi", "go on", "go on"]
    assert len(agent.tasks) == 3
    if agent.version != "0.1":
        assert [said.get("contextId") for said in agent.said] == [None, "context-1", "context-1"]
        assert [said.get("referenceTaskIds") for said in agent.said[1:]] == [["task-1"], ["task-2"]]


async def test_a_turn_answers_a_question_in_the_same_task_as_long_as_there_is_one(
    server: Server, peer: AgentPeer
) -> None:
    async def script(said: Any) -> AsyncIterator[Any]:
        yield status("input-required", "more?")

    peer.script = [script]
    await registered(server, peer)
    run = await ended(server, "agent")
    assert run["status"] == "interrupted"
    assert [said.get("taskId") for said in peer.said] == [None, "task-1", "task-1"]

    peer.script = [done]
    await server.post(f"/runs/{run['id']}/resume", {"resume": "no"})
    run = await server.settled(run["id"])
    assert (run["status"], run["state"]["out"]) == ("completed", "done")
    assert [said["parts"][0]["text"] for said in peer.said] == ["hi", "go on", "go on", "no"]


async def test_a_session_is_the_context(server: Server, peer: AgentPeer) -> None:
    await registered(server, peer)
    for _ in range(2):
        await ended(server, "once", session_id="s-1")
    assert [said["contextId"] for said in peer.said] == ["s-1", "s-1"]


async def test_an_agent_may_call_a_session_otherwise(server: Server, peer: AgentPeer) -> None:
    peer.broken["SendStreamingMessage"] = [lambda: peer.error(-32602, "unknown context")]
    await registered(server, peer)
    for _ in range(2):
        run = await ended(server, "once", session_id="s-1")
        assert run["status"] == "completed"
    assert [params["message"].get("contextId") for _, params in peer.asked] == ["s-1", None, "context-1"]


async def test_a_run_that_is_cancelled_cancels_the_task(server: Server, agent: AgentPeer) -> None:
    agent.script = [never]
    await registered(server, agent)
    run_id = await begun(server, "once")
    await agent.until(lambda: agent.listening == 1)
    await server.post(f"/runs/{run_id}/cancel")
    await agent.until(lambda: next(iter(agent.tasks.values())).state == "canceled")
    assert (await server.settled(run_id))["status"] == "cancelled"


async def test_a_task_that_does_not_end_has_its_time_and_is_cancelled_then(server: Server, agent: AgentPeer) -> None:
    agent.script = [never]
    await registered(server, agent)
    run = await ended(server, "hasty")
    assert (run["status"], run["error"]["code"]) == ("failed", "timeout")
    await agent.until(lambda: next(iter(agent.tasks.values())).state == "canceled")


@pytest.mark.parametrize(
    ("state", "code", "messages"),
    [("failed", "agent.failed", 2), ("rejected", "agent.rejected", 1), ("canceled", "worker.cancelled", 1)],
)
async def test_a_task_that_ends_badly_is_an_error(
    server: Server, agent: AgentPeer, state: str, code: str, messages: int
) -> None:
    async def script(said: Any) -> AsyncIterator[Any]:
        yield status(state, "no luck")

    agent.script = [script]
    await registered(server, agent)
    run = await ended(server, "again")
    assert (run["error"]["code"], run["error"]["message"]) == (code, "no luck")
    assert len({said.get("messageId") for said in agent.said}) == 1
    assert len(agent.said) == messages


async def test_an_agent_that_gives_a_failed_task_again_is_asked_under_another_id(
    server: Server, peer: AgentPeer
) -> None:
    by_id: dict[str, Any] = {}
    begin = peer._begin

    def remembers(params: Any) -> Any:
        name = params["message"]["messageId"]
        by_id[name] = by_id.get(name) or begin(params)
        return by_id[name]

    async def fails(said: Any) -> AsyncIterator[Any]:
        yield status("failed", "no luck")

    peer.streaming, peer._begin = False, remembers  # type: ignore[method-assign]
    peer.script = [fails, done]
    await registered(server, peer)
    run = await ended(server, "again")
    assert (run["status"], run["state"]["out"]) == ("completed", "done")


async def test_a_task_that_the_agent_has_forgotten_is_asked_for_anew(server: Server, peer: AgentPeer) -> None:
    peer.streaming = False
    peer.script = [never, done]
    await registered(server, peer)
    run_id = await begun(server, "again")
    await peer.until(lambda: "GetTask" in methods(peer))
    del peer.tasks["task-1"]
    run = await server.settled(run_id)
    assert (run["status"], run["state"]["out"], len(peer.said)) == ("completed", "done", 2)


async def test_what_a_node_reads_and_says_of_the_message_goes_along(server: Server, peer: AgentPeer) -> None:
    await registered(server, peer)
    await ended(server, "reading", input={"topic": "threads"})
    assert peer.said[0]["parts"] == [{"text": "hi"}, {"data": {"state": {"topic": "threads"}}}]
    assert peer.said[0]["metadata"] == {"k": 1, "skillId": "sum"}


async def test_pushes_have_a_task_looked_at_at_once(server: Server) -> None:
    async with agent_peer(streaming=False, pushes=True) as agent:
        agent.script = [never]
        await registered(server, agent)
        run_id = await begun(server, "once")
        await agent.until(lambda: bool(agent.tasks) and agent.tasks["task-1"].push is not None)
        push = agent.tasks["task-1"].push
        assert push is not None
        agent.tasks["task-1"].push = None
        await agent.happens(agent.tasks["task-1"], artifact("pushed"))
        await agent.happens(agent.tasks["task-1"], status("completed"))
        path = push["url"]
        wrong = await server.http.post(path, json={}, headers={"X-A2A-Notification-Token": "wrong"})
        right = await server.http.post(path, json={}, headers={"X-A2A-Notification-Token": push["token"]})
        run = await server.settled(run_id)
    assert (wrong.status_code, right.status_code) == (403, 204)
    assert run["state"]["out"] == "pushed"
