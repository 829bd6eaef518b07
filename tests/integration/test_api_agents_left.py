"""Agents whose questions nobody answers any more: their tasks are cancelled, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_api_agents import DOCUMENTS, VERSIONS, asking, asks, begun, ended, methods, registered
from tests.unit.api.serving import Server, a_server
from tests.unit.dispatch.agents import AgentPeer, agent_peer, done, never, status

TALK = {"type": "agent", "max_turns": 5, "continuation_prompt": "go on"}


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


async def asked(server: Server, agent: AgentPeer, workflow_id: str = "once", **fields: Any) -> str:
    """A run that waits for the answer to a question of the agent."""
    agent.script = [asks]
    await registered(server, agent)
    run = await ended(server, workflow_id, **fields)
    assert run["status"] == "interrupted"
    return str(run["id"])


async def cancelled(agent: AgentPeer, number: int = 0) -> None:
    """Return when the agent was told that one of its tasks is not wanted any more."""
    await agent.until(lambda: list(agent.tasks.values())[number].state == "canceled")


def cancels(agent: AgentPeer) -> int:
    return sum(method in ("CancelTask", "tasks/cancel") for method in methods(agent))


async def test_a_run_that_is_cancelled_while_it_is_asked_cancels_the_task(server: Server, agent: AgentPeer) -> None:
    run_id = await asked(server, agent)
    await server.post(f"/runs/{run_id}/cancel")
    await cancelled(agent)
    assert (len(agent.tasks), cancels(agent)) == (1, 1)


async def test_what_the_agent_cannot_cancel_any_more_changes_nothing(server: Server, peer: AgentPeer) -> None:
    run_id = await asked(server, peer)
    await peer.happens(peer.tasks["task-1"], status("completed"))
    await server.post(f"/runs/{run_id}/cancel")
    await peer.until(lambda: cancels(peer) == 1)
    assert (await server.settled(run_id))["status"] == "cancelled"


async def test_a_question_for_a_right_is_left_as_well(server: Server, peer: AgentPeer) -> None:
    async def wants_a_right(said: Any) -> AsyncIterator[Any]:
        yield status("auth-required", "sign in")

    peer.script = [wants_a_right]
    await registered(server, peer)
    run = await ended(server, "once")
    await server.post(f"/runs/{run['id']}/cancel")
    await cancelled(peer)


async def test_a_question_from_before_a_restart_is_left_too(tmp_path: Path, peer: AgentPeer) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", DOCUMENTS[0], 201)
        run_id = await asked(server, peer)
    async with a_server(tmp_path) as server:
        await server.post(f"/runs/{run_id}/cancel")
        await cancelled(peer)


async def test_an_answer_that_was_not_sent_yet_leaves_the_question(server: Server, peer: AgentPeer) -> None:
    run_id = await asked(server, peer)
    await server.post("/admin/drain")
    await server.post(f"/runs/{run_id}/resume", {"resume": "Rome"})
    await server.post(f"/runs/{run_id}/cancel")
    await cancelled(peer)
    assert len(peer.said) == 1


async def test_a_turn_that_was_not_sent_yet_leaves_the_question(server: Server, peer: AgentPeer) -> None:
    async def script(said: Any) -> AsyncIterator[Any]:
        await server.post("/admin/drain")
        yield status("input-required", "more?")

    peer.script = [script]
    await registered(server, peer)
    run_id = await begun(server, "agent")
    async for _ in told_of(server, run_id, "turn"):
        break
    await server.post(f"/runs/{run_id}/cancel")
    await cancelled(peer)
    assert len(peer.said) == 1


async def told_of(server: Server, run_id: str, stage: str) -> AsyncIterator[None]:
    told = server.wired.streams.stream(run_id, modes=frozenset({"custom"}), after=None, from_now=False, until=None)
    async for events in told:
        for event in events:
            if event.data.get("stage") == stage:
                yield


async def test_a_line_that_is_left_cancels_its_task_and_asks_anew(server: Server, agent: AgentPeer) -> None:
    run_id = await asked(server, agent)
    first = (await server.get(f"/runs/{run_id}/checkpoints"))["items"][-1]["id"]
    await server.post(f"/runs/{run_id}/replay", {"checkpoint_id": first})
    await cancelled(agent)
    await server.settled(run_id)
    await server.post(f"/runs/{run_id}/branches/main/checkout")
    await cancelled(agent, 1)
    await server.settled(run_id)
    await server.post(f"/runs/{run_id}/resume", {"resume": "Rome"})
    assert (await server.settled(run_id))["status"] == "completed"
    assert [task.state for task in agent.tasks.values()] == ["canceled", "canceled", "completed"]


async def test_a_fork_leaves_the_question_of_its_parent_open(server: Server, peer: AgentPeer) -> None:
    run_id = await asked(server, peer)
    newest = (await server.get(f"/runs/{run_id}/checkpoints"))["items"][0]["id"]
    fork = await server.post(f"/runs/{run_id}/fork", {"checkpoint_id": newest}, 201)
    await server.settled(fork["id"])
    await server.post(f"/runs/{fork['id']}/cancel")
    await cancelled(peer, 1)
    await server.post(f"/runs/{run_id}/resume", {"resume": "Rome"})
    assert (await server.settled(run_id))["status"] == "completed"


async def test_who_is_answered_is_told_of_no_cancel(server: Server, agent: AgentPeer) -> None:
    run_id = await asked(server, agent)
    await server.post(f"/runs/{run_id}/resume", {"resume": "Rome"})
    assert (await server.settled(run_id))["status"] == "completed"
    other = await ended(server, "once")
    await server.post(f"/runs/{other['id']}/cancel")
    await cancelled(agent, 1)
    assert cancels(agent) == 1


async def test_who_answers_at_once_is_told_of_no_cancel(server: Server, peer: AgentPeer) -> None:
    send = peer._send

    async def waits(params: Any) -> Any:
        return await send({**params, "configuration": {}})

    peer.streaming, peer._send = False, waits  # type: ignore[method-assign]
    run_id = await asked(server, peer)
    await server.post(f"/runs/{run_id}/resume", {"resume": "Rome"})
    assert (await server.settled(run_id))["status"] == "completed"
    other = await ended(server, "once")
    await server.post(f"/runs/{other['id']}/cancel")
    await cancelled(peer, 1)
    assert cancels(peer) == 1


# ---- agents that end by themselves


async def offers(said: Any) -> AsyncIterator[Any]:
    """A script: it offers something in every turn, and always has another one to offer."""
    yield status("input-required", "the second" if said["parts"][0]["text"] == "go on" else "the first")


async def test_an_agent_that_has_had_enough_leaves_no_task_that_asks(server: Server, agent: AgentPeer) -> None:
    agent.script = [offers]
    await registered(server, agent)
    await server.post("/workflows", asking("choosy", **TALK, stop_when="output == 'the second'"), 201)
    run = await ended(server, "choosy")
    assert (run["status"], run["state"]["out"]) == ("completed", "the second")
    await cancelled(agent)
    assert (len(agent.tasks), len(agent.said), cancels(agent)) == (1, 2, 1)


async def test_an_agent_that_has_had_enough_of_a_task_that_is_over_is_told_of_no_cancel(
    server: Server, peer: AgentPeer
) -> None:
    peer.script = [done, offers]
    await registered(server, peer)
    await server.post("/workflows", asking("pleased", **TALK, stop_when="output == 'done'"), 201)
    assert (await ended(server, "pleased"))["status"] == "completed"
    await server.post("/workflows", asking("choosy", **TALK, stop_when="output == 'the second'"), 201)
    assert (await ended(server, "choosy"))["status"] == "completed"
    await cancelled(peer, -1)
    assert cancels(peer) == 1


@pytest.mark.parametrize("was_taken", [True, False])
async def test_a_turn_that_takes_too_long_leaves_no_task_that_asks(
    server: Server, peer: AgentPeer, was_taken: bool
) -> None:
    async def stalls(said: Any) -> AsyncIterator[Any]:
        yield status("working")
        async for change in never(said):
            yield change

    peer.script = [offers, stalls]
    if not was_taken:
        peer.streaming = False
        begin = peer._send

        async def send(params: Any) -> Any:
            return await (begin(params) if not peer.tasks else asyncio.Event().wait())

        peer._send = send  # type: ignore[method-assign]
    await registered(server, peer)
    await server.post("/workflows", asking("hasty_agent", **TALK, turn_timeout_ms=700), 201)
    run = await ended(server, "hasty_agent")
    assert (run["status"], run["state"]["out"]) == ("completed", "the first")
    await cancelled(peer)
    assert (len(peer.tasks), cancels(peer)) == (1, 1)


async def test_an_agent_that_fails_for_good_keeps_its_task_for_a_retry_alone(server: Server, peer: AgentPeer) -> None:
    peer.script = [offers]
    peer.streaming = False
    await registered(server, peer)
    await server.post("/workflows", asking("talks", **TALK), 201)
    begin = peer._send

    async def send(params: Any) -> Any:
        if peer.tasks:
            return peer.error(-32602, "that is no city")
        return await begin(params)

    peer._send = send  # type: ignore[method-assign]
    run = await ended(server, "talks")
    assert (run["status"], run["error"]["code"], cancels(peer)) == ("failed", "agent.error", 0)


# ---- beside others

PAIR = {
    "id": "pair",
    "state_schema": {"out": {}, "go": {}, "other": {}},
    "nodes": {
        "ask": asking("x")["nodes"]["ask"],
        "gate": {"type": "interrupt", "message": "go?", "output_key": "go"},
        "other": {"worker_tags": ["other"], "prompt_template": "hi", "output_key": "other"},
        "end": {"type": "transform", "updates": {}, "join": "first"},
    },
    "edges": [
        ["__start__", "ask"], ["__start__", "gate"], ["gate", "other"], ["other", "end"], ["ask", "end"],
        ["end", "__end__"],
    ],
}  # fmt: skip


async def rejects(said: Any) -> AsyncIterator[Any]:
    yield status("rejected", "no")


async def gone_on(server: Server, run_id: str) -> Any:
    """The run, after its own question was answered."""
    opened = (await server.get(f"/interrupts?run_id={run_id}"))["items"]
    [gate] = [one["id"] for one in opened if one["node"] == "gate"]
    await server.post(f"/runs/{run_id}/resume", {"resume": {gate: True}})
    return await server.settled(run_id)


@pytest.fixture
async def other(server: Server) -> AsyncIterator[AgentPeer]:
    """An agent that the other node asks."""
    await server.post("/workflows", PAIR, 201)
    async with agent_peer() as found:
        await registered(server, found, id="other", tags=["other"])
        yield found


async def test_a_question_whose_answer_a_join_needs_no_more_is_left(
    server: Server, peer: AgentPeer, other: AgentPeer
) -> None:
    run = await gone_on(server, await asked(server, peer, "pair"))
    assert run["status"] == "completed"
    await cancelled(peer)
    assert cancels(other) == 0


async def test_a_run_that_has_failed_keeps_its_question_for_a_retry(
    server: Server, peer: AgentPeer, other: AgentPeer
) -> None:
    other.script = [rejects, done]
    run = await gone_on(server, await asked(server, peer, "pair"))
    assert run["status"] == "failed"
    assert cancels(peer) == 0

    await server.post(f"/runs/{run['id']}/retry")
    await cancelled(peer)  # the join needs it no more
    assert (await server.settled(run["id"]))["status"] == "completed"


@pytest.mark.parametrize("session", [None, "talk-1"])
async def test_a_failed_run_that_is_deleted_cancels_the_task(
    server: Server, peer: AgentPeer, other: AgentPeer, session: str | None
) -> None:
    other.script = [rejects]
    run_id = await asked(server, peer, "pair", **({} if session is None else {"session_id": session}))
    assert (await gone_on(server, run_id))["status"] == "failed"
    await server.call("DELETE", f"/runs/{run_id}" if session is None else f"/sessions/{session}", status=204)
    await cancelled(peer)


async def test_a_failed_line_keeps_its_question_when_it_is_left_and_comes_back_with_it(
    server: Server, peer: AgentPeer, other: AgentPeer
) -> None:
    other.script = [rejects]
    run_id = await asked(server, peer, "pair")
    assert (await gone_on(server, run_id))["status"] == "failed"
    first = (await server.get(f"/runs/{run_id}/checkpoints"))["items"][-1]["id"]
    await server.post(f"/runs/{run_id}/replay", {"checkpoint_id": first})
    await server.settled(run_id)
    await server.post(f"/runs/{run_id}/branches/main/checkout")
    await cancelled(peer, 1)
    assert peer.tasks["task-1"].state == "input-required"
    await server.call("DELETE", f"/runs/{run_id}", status=204)
    await cancelled(peer)
