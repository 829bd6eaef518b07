"""What workflows say to agents beyond their output: artifacts of all kinds, messages, refusals, pieces as they come."""

from __future__ import annotations

from typing import Any

import pytest

from dispatch._a2a.model import Artifact, ArtifactUpdate, Message, Part, Role, State, StatusUpdate
from dispatch._a2a.read import read_event, read_task
from tests.integration.test_a2a_server import V03, V1, events, message, rpc, sent
from tests.unit.api.serving import Server, straight, working
from tests.unit.dispatch.builders import HttpWorker, answer

REPLYING = straight("replying", state_schema={"a2a_reply": {}}, nodes={"a": {"type": "transform", "updates": {}}})
JUST = {"data": {}}


def replying(reply: Any) -> Any:
    """A first message to a workflow that replies with what it is given."""
    return message({"data": {"a2a_reply": reply}})


DOCUMENTS = [REPLYING, working()]
FILE = {"raw": "dGNr", "filename": "a.txt", "mediaType": "text/plain"}


async def test_artifacts_are_told_as_the_reply_has_them_and_the_output_is_not(server: Server) -> None:
    reply = {"status": "ready", "artifacts": [{"artifactId": "x", "name": "X", "parts": [FILE, {"data": [1]}, "t"]}]}
    task = read_task((await rpc(server, "replying", "SendMessage", replying(reply)))["result"])

    assert (task.status.state, task.status.message.parts) == (State.COMPLETED, (Part(text="ready"),))
    file = Part(raw="dGNr", filename="a.txt", media_type="text/plain")
    assert task.artifacts == (Artifact(artifact_id="x", name="X", parts=(file, Part(data=[1]), Part(text="t"))),)
    old = (await rpc(server, "replying", "tasks/get", {"id": task.id}, V03))["result"]["artifacts"][0]["parts"]
    assert [part["kind"] for part in old] == ["file", "data", "text"]
    assert old[0]["file"] == {"bytes": "dGNr", "name": "a.txt", "mimeType": "text/plain"}


@pytest.mark.parametrize("method", ["SendMessage", "message/send"])
async def test_a_message_comes_instead_of_the_task_to_who_waits_for_it(server: Server, method: str) -> None:
    old = "/" in method
    params = replying({"message": "hi"})
    if old:
        params["message"] |= {"role": "user", "parts": [{"kind": "data", "data": {"a2a_reply": {"message": "hi"}}}]}
    headers = V03 if old else V1
    found = read_event((await rpc(server, "replying", method, params, headers))["result"])

    assert isinstance(found, Message)
    assert (found.role, found.parts, found.task_id) == (Role.AGENT, (Part(text="hi"),), None)
    [run] = (await server.get("/runs"))["items"]
    assert found.context_id == run["session_id"]


async def test_who_follows_the_task_finds_the_message_in_its_status(server: Server) -> None:
    told = await events(server, "replying", "SendStreamingMessage", replying({"message": "hi"}))
    assert told[-1].status.message.parts == (Part(text="hi"),)
    assert not [one for one in told if isinstance(one, ArtifactUpdate)]


async def test_a_reply_that_is_none_is_told_as_an_output_with_what_is_wrong(server: Server) -> None:
    task = read_task((await rpc(server, "replying", "SendMessage", replying({"message": 7})))["result"])

    assert (task.status.state, task.artifacts[0].artifact_id) == (State.COMPLETED, "output")
    assert "a2a_reply.message" in task.status.message.parts[0].text


# ---- while a worker is at it


async def told_by(server: Server, worker: HttpWorker, *reports: Any, **fields: Any) -> list[Any]:
    """What a stream tells while a worker reports, without the first status."""
    await server.post("/workers", {"id": "w", "protocol": "webhook", "url": worker.url, "tags": ["w"]}, 201)
    worker.script = [answer({"output": "done", "events": list(reports), **fields})]
    return await events(server, "working", "SendStreamingMessage", message(JUST))


def pieces(told: list[Any]) -> list[Any]:
    return [
        (one.artifact.artifact_id, one.artifact.parts[0].text, one.append, one.last_chunk)
        for one in told
        if isinstance(one, ArtifactUpdate)
    ]


async def test_an_artifact_comes_in_pieces(server: Server, worker: HttpWorker) -> None:
    first = {"artifactId": "log", "parts": "chunk-1 "}
    told = await told_by(
        server, worker, {"data": {"a2a_artifact": first}},
        {"data": {"a2a_artifact": {**first, "parts": "chunk-2", "append": True, "lastChunk": True}}},
    )  # fmt: skip

    assert pieces(told)[:2] == [("log", "chunk-1 ", False, False), ("log", "chunk-2", True, True)]
    assert isinstance(told[-1], StatusUpdate) and told[-1].status.state is State.COMPLETED


async def test_the_channels_of_a_worker_end_with_its_task(server: Server, worker: HttpWorker) -> None:
    chunks = [{"channel": "out", "text": "a"}, {"channel": "out", "text": "b"}]
    told = await told_by(server, worker, {"chunks": chunks[:1]}, {"chunks": chunks[1:]})

    found = pieces([one for one in told if isinstance(one, ArtifactUpdate) and one.artifact.name == "out"])
    assert [each[1:] for each in found] == [("a", False, False), ("b", True, False), ("", True, True)]


@pytest.mark.parametrize(
    ("whole", "again"),
    [([{"text": "chunk-1 "}, {"text": "chunk-2"}], []), ("chunk-1 chunk-2", []), ("other", ["other"])],
)
async def test_what_came_in_pieces_is_not_told_again_unless_it_is_something_else(
    server: Server, worker: HttpWorker, whole: Any, again: list[str]
) -> None:
    document = {**working(), "state_schema": {"out": {}, "a2a_reply": {}}}
    await server.call("PUT", "/workflows/working", json=document)
    piece = {"artifactId": "log", "parts": "chunk-1 "}
    told = await told_by(
        server, worker, {"data": {"a2a_artifact": piece}},
        {"data": {"a2a_artifact": {**piece, "parts": "chunk-2", "append": True, "lastChunk": True}}},
        updates={"a2a_reply": {"artifacts": [{"artifactId": "log", "parts": whole}]}},
    )  # fmt: skip

    assert [text for _, text, append, _ in pieces(told)[2:] if not append] == again


async def test_the_first_piece_that_is_told_goes_on_with_nothing(server: Server, worker: HttpWorker) -> None:
    told = await told_by(server, worker, {"data": {"a2a_artifact": {"artifactId": "x", "parts": "b", "append": True}}})
    assert pieces(told)[0] == ("x", "b", False, False)


# ---- what is taken


@pytest.mark.parametrize(
    "part",
    [
        {"raw": "dGNr", "mediaType": "application/x-unsupported"},
        {"url": "https://example.com/a", "mediaType": "text/plain"},
        {"text": "x", "mediaType": "application/x-unsupported"},
        {"data": {}, "mediaType": "image/png"},
    ],
)
async def test_content_that_is_neither_text_nor_json_is_refused_wherever_it_stands(server: Server, part: Any) -> None:
    params = message(JUST)
    params["message"]["parts"].append(part)
    found = await rpc(server, "replying", "SendMessage", params)

    assert found["error"]["code"] == -32005
    assert found["error"]["data"][1]["fieldViolations"][0]["field"] == "message.parts[1]"
    assert (await server.get("/runs"))["items"] == []


@pytest.mark.parametrize("kind", ["text/markdown", "text/plain; charset=utf-8", "text", "application/ld+json"])
async def test_types_of_text_and_json_are_taken(server: Server, kind: str) -> None:
    assert (await sent(server, "replying", {"data": {}, "mediaType": kind})).status.state is State.COMPLETED


async def test_data_that_are_no_input_go_where_a_text_does(server: Server) -> None:
    taking = straight("taking", state_schema={"input": {}}, nodes={"a": {"type": "transform", "updates": {}}})
    await server.post("/workflows", taking, 201)
    for number, (data, given) in enumerate([([1], [1]), ({"x": 1}, {"x": 1}), ({"input": 2}, 2)]):
        task = await sent(server, "taking", {"data": data}, messageId=f"m{number}")
        assert task.artifacts[0].parts[0].data == {"input": given}
