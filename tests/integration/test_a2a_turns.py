"""What is said to an agent, turn by turn: the history of tasks, what workflows are told, messages that come twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.a2a.following import follow, here
from dispatch._a2a.model import Role, State
from dispatch._a2a.read import read_task
from engine.model import RunId
from tests.integration.test_a2a_server import V03, V1, events, message, rpc, sent
from tests.unit.api.serving import Server, a_server, asking, straight

TWICE = {
    "id": "twice",
    "state_schema": {
        "input": {"type": "string"}, "a2a": {"type": "array", "reducer": "append"}, "one": {}, "two": {},
    },
    "nodes": {
        "first": {"type": "interrupt", "message": "what first?", "output_key": "one"},
        "second": {"type": "interrupt", "message": "and then?", "output_key": "two"},
    },
    "edges": [["__start__", "first"], ["first", "second"], ["second", "__end__"]],
}  # fmt: skip
DOCUMENTS = [TWICE, asking(), straight()]


async def begun(server: Server, **fields: Any) -> Any:
    return await sent(server, "twice", {"text": "begin"}, **fields)


async def said(server: Server, task: Any, text: str, message_id: str, **fields: Any) -> Any:
    return await sent(server, "twice", {"text": text}, taskId=task.id, messageId=message_id, **fields)


async def gone_through(server: Server) -> Any:
    """A task of three messages."""
    task = await begun(server)
    await said(server, task, "this", "m2")
    return await said(server, task, "that", "m3")


async def test_the_history_has_every_message_and_the_questions_between_them(server: Server) -> None:
    done = await gone_through(server)
    found = read_task((await rpc(server, "twice", "GetTask", {"id": done.id}))["result"])

    assert [(one.role, one.parts[0].text) for one in found.history] == [
        (Role.USER, "begin"), (Role.AGENT, "what first?"), (Role.USER, "this"), (Role.AGENT, "and then?"),
        (Role.USER, "that"),
    ]  # fmt: skip
    assert [one.message_id for one in found.history if one.role is Role.USER] == ["m1", "m2", "m3"]
    assert {(one.task_id, one.context_id) for one in found.history} == {(done.id, done.context_id)}
    assert found.history == done.history


@pytest.mark.parametrize(("length", "kept"), [(None, 5), (0, 0), (2, 2), (99, 5)])
async def test_every_method_keeps_to_the_length_of_the_history_that_is_wanted(
    server: Server, length: int | None, kept: int
) -> None:
    wanted = {} if length is None else {"historyLength": length}
    task = await begun(server)
    await said(server, task, "this", "m2")
    params = {**message({"text": "that"}, taskId=task.id, messageId="m3"), "configuration": wanted}
    answers = [
        (await rpc(server, "twice", "SendMessage", params))["result"]["task"],
        (await rpc(server, "twice", "GetTask", {"id": task.id, **wanted}))["result"],
        (await rpc(server, "twice", "ListTasks", wanted))["result"]["tasks"][0],
        (await rpc(server, "twice", "tasks/get", {"id": task.id, **wanted}, V03))["result"],
    ]

    assert [len(one.get("history", [])) for one in answers] == [kept] * 4
    if kept:
        assert {one["history"][-1]["messageId"] for one in answers} == {"m3"}
    else:
        assert not any("history" in one for one in answers)


async def test_the_first_event_of_a_stream_keeps_to_the_length_of_the_history_too(server: Server) -> None:
    params = {**message({"text": "begin"}), "configuration": {"historyLength": 0}}
    told = await events(server, "twice", "SendStreamingMessage", params)
    assert told[0].history == ()


async def test_a_workflow_is_told_of_each_message_what_it_is(server: Server) -> None:
    task = await begun(server, metadata={"lang": "en"})
    await said(server, task, "this", "m2", contextId=task.context_id)
    done = await said(server, task, "that", "m3", metadata={"lang": "de"})

    state = (await server.get(f"/runs/{done.id}"))["state"]
    place = {"context_id": task.context_id}
    assert state["a2a"] == [
        {"message_id": "m1", **place, "task_id": None, "metadata": {"lang": "en"}},
        {"message_id": "m2", **place, "task_id": task.id, "metadata": {}},
        {"message_id": "m3", **place, "task_id": task.id, "metadata": {"lang": "de"}},
    ]
    assert (state["one"], state["two"]) == ("this", "that")


async def test_a_fork_is_told_of_the_message_that_asked_for_it_and_has_it_in_its_history(server: Server) -> None:
    task = await begun(server)
    wanted = {"checkpointId": f"{task.id}.1"}
    fork = await sent(server, "twice", {"data": {"input": "other"}}, messageId="m2", metadata=wanted)

    assert [one.message_id for one in fork.history] == ["m1", "m2"]
    told = (await server.get(f"/runs/{fork.id}"))["state"]["a2a"]
    assert [one["message_id"] for one in told] == ["m1", "m2"]


# ---- messages that come twice


async def test_an_answer_that_comes_twice_is_taken_once(server: Server) -> None:
    task = await begun(server)
    first, again = [await said(server, task, "this", "m2") for _ in range(2)]

    assert (first.status, len(first.history)) == (again.status, len(again.history))
    done = await said(server, task, "that", "m3")
    late = await said(server, task, "that", "m3")
    assert (done.status.state, late.status.state) == (State.COMPLETED, State.COMPLETED)
    assert (await server.get(f"/runs/{task.id}"))["state"]["two"] == "that"


async def test_an_answer_that_comes_twice_at_the_same_time_is_taken_once(server: Server) -> None:
    task = await begun(server)
    found = await asyncio.gather(*(said(server, task, "this", "m2") for _ in range(3)))

    assert {one.status.message.parts[0].text for one in found} == {"and then?"}
    assert [len(one.history) for one in found] == [3, 3, 3]


async def test_an_answer_with_the_id_of_another_and_other_words_is_another_answer(server: Server) -> None:
    task = await begun(server)
    await said(server, task, "this", "m2")
    done = await said(server, task, "that", "m2")

    assert done.status.state is State.COMPLETED
    assert [one.parts[0].text for one in done.history if one.role is Role.USER] == ["begin", "this", "that"]
    refused = await rpc(server, "twice", "SendMessage", message({"text": "more"}, taskId=task.id, messageId="m2"))
    assert refused["error"]["code"] == -32004


@pytest.mark.parametrize(
    "other",
    [
        {"messageId": "m2"},
        {"parts": [{"text": "begin", "mediaType": "text/markdown"}]},
        {"parts": [{"text": "begin"}, {"text": "now"}]},
        {"metadata": {"lang": "en"}},
        {"contextId": "mine"},
        {"referenceTaskIds": ["another"]},
    ],
)
async def test_a_message_is_the_same_only_with_all_that_it_says(server: Server, other: Any) -> None:
    one, same = [await begun(server) for _ in range(2)]
    different = await begun(server, **other)
    assert one.id == same.id != different.id


async def test_the_same_message_begins_anew_once_its_task_was_answered_or_cancelled(server: Server) -> None:
    answered = await begun(server)
    await said(server, answered, "this", "m2")
    cancelled = await begun(server)
    await rpc(server, "twice", "CancelTask", {"id": cancelled.id})
    last, same = [await begun(server) for _ in range(2)]

    assert len({answered.id, cancelled.id, last.id}) == 3
    assert last.id == same.id
    assert last.status.state is State.INPUT_REQUIRED


async def test_what_was_said_outlives_the_server(tmp_path: Any) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", TWICE, 201)
        done = await gone_through(server)
    async with a_server(tmp_path) as server:
        found = read_task((await rpc(server, "twice", "GetTask", {"id": done.id}))["result"])
        again = await said(server, done, "that", "m3")

    assert found.history == done.history == again.history


# ---- streams


async def test_a_stream_begins_with_the_task_as_it_began_however_far_it_is(server: Server) -> None:
    params = message({"data": {"n": 1}})
    done = await sent(server, "straight", {"data": {"n": 1}})
    told = await events(server, "straight", "SendStreamingMessage", params)

    assert (told[0].id, told[0].status.state, told[0].artifacts) == (done.id, State.SUBMITTED, ())
    assert told[-1].status == done.status
    times = [one.status.timestamp for one in told if hasattr(one, "status")]
    assert times == sorted(times)


async def test_who_subscribes_to_a_task_that_asks_hears_how_it_goes_on(server: Server) -> None:
    task = await begun(server)
    place = await here(server.wired, task.id)
    told = follow(server.wired, RunId(task.id), place, snapshot=True, waits=True)
    first = (await anext(told)).event
    await said(server, task, "this", "m2")
    rest = [one.event async for one in told]

    assert first.status.state is State.INPUT_REQUIRED
    assert rest[-1].status.state is State.INPUT_REQUIRED
    assert rest[-1].status.message.parts[0].text == "and then?"


async def test_a_place_that_no_stream_gave_out_is_refused(server: Server) -> None:
    task = await sent(server, "asking", {"data": {}})
    found = await rpc(server, "asking", "SubscribeToTask", {"id": task.id}, {**V1, "Last-Event-ID": "somewhere"})
    assert found["error"]["code"] == -32602
