"""Files in messages to agents: they become artifacts that stay as long as the run, and inputs refer to them."""

from __future__ import annotations

import asyncio
import sqlite3
from base64 import b64encode
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from api.wiring import clock
from dispatch._a2a.model import State
from dispatch._a2a.read import read_task
from tests.integration.pushing import config, heard, sent_03
from tests.integration.test_a2a_cards import card
from tests.integration.test_a2a_server import V03, V1, events, message, rpc, sent
from tests.unit.api.serving import ORIGIN, Server, a_server, asking, straight
from tests.unit.dispatch.builders import HttpWorker

LATER_MS = 400 * 24 * 3600 * 1000
PICTURE = bytes(range(256)) * 40
LARGE = b"0123456789abcdef" * 80_000
"""More than is kept in a row of the database."""
FILE = {"raw": b64encode(PICTURE).decode(), "filename": "cat.png", "mediaType": "image/png"}
OLD_FILE = {"kind": "file", "file": {"bytes": FILE["raw"], "name": "cat.png", "mimeType": "image/png"}}
LINK = {"url": "https://example.com/a.pdf", "filename": "a.pdf", "mediaType": "application/pdf"}
OLD_LINK = {"kind": "file", "file": {"uri": LINK["url"], "name": "a.pdf", "mimeType": "application/pdf"}}
LINKED = {"url": LINK["url"], "name": "a.pdf", "media_type": "application/pdf"}


def reference_to(content: bytes, media_type: str, **named: str) -> dict[str, Any]:
    name = sha256(content).hexdigest()
    return {"ref": f"artifact:sha256:{name}", "media_type": media_type, "size": len(content), "sha256": name, **named}


REF = reference_to(PICTURE, "image/png", name="cat.png")
ADDRESS = f"{ORIGIN}/v1/artifacts/{REF['sha256']}"
COUNT = {"count": {"type": "transform", "updates": {"n": 1}}}
ALONE = [["__start__", "count"], ["count", "__end__"]]
FILING: dict[str, Any] = {
    "id": "filing",
    "state_schema": {
        "input": {}, "n": {"type": "integer", "reducer": "add"}, "files": {"type": "array", "reducer": "append"},
    },
    "nodes": COUNT,
    "edges": ALONE,
}  # fmt: skip
PICTURES: dict[str, Any] = {
    "id": "pictures",
    "state_schema": {"n": {"type": "integer", "reducer": "add"}},
    "input_schema": {
        "properties": {
            "files": {"type": "array", "items": {"properties": {"media_type": {"enum": ["image/png"]}}}, "maxItems": 2}
        }
    },
    "nodes": COUNT,
    "edges": ALONE,
}
SHOWING: dict[str, Any] = {
    "id": "showing",
    "state_schema": {"input": {}, "answer": {}, "second": {}},
    "nodes": {
        "ask": {"type": "interrupt", "message": "show me", "output_key": "answer"},
        "again": {
            "type": "interrupt", "message": "once more", "output_key": "second",
            "schema": {"type": "object", "properties": {"files": {"type": "array", "maxItems": 1}}},
        },
    },
    "edges": [["__start__", "ask"], ["ask", "again"], ["again", "__end__"]],
}  # fmt: skip
TWO: dict[str, Any] = {
    "id": "two",
    "state_schema": {"a": {}, "b": {}},
    "nodes": {name: {"type": "interrupt", "message": name, "output_key": name} for name in "ab"},
    "edges": [["__start__", "a"], ["__start__", "b"], ["a", "__end__"], ["b", "__end__"]],
}
DOCUMENTS = [FILING, PICTURES, SHOWING, TWO, asking(), straight()]


def of(*parts: Any, **fields: Any) -> Any:
    """A message of several parts."""
    return message(parts[0], parts=list(parts), **fields)


async def given(server: Server, name: str, *parts: Any, **fields: Any) -> Any:
    found = await rpc(server, name, "SendMessage", of(*parts, **fields))
    assert "result" in found, found
    return read_task(found["result"])


async def refused(server: Server, name: str, *parts: Any, **fields: Any) -> Any:
    found = await rpc(server, name, "SendMessage", of(*parts, **fields))
    assert "error" in found, found
    return found["error"]


async def run_of(server: Server, task: Any) -> Any:
    return await server.get(f"/runs/{task.id}")


async def artifacts(server: Server) -> list[str]:
    return [one["sha256"] for one in (await server.get("/artifacts"))["items"]]


async def bytes_of(server: Server, ref: Any) -> bytes:
    found = await server.http.get(f"/artifacts/{ref['sha256']}")
    assert found.status_code == 200, found.text
    return found.content


async def collect(server: Server) -> int:
    return await server.wired.store.collect_artifacts(clock() + LATER_MS)


# ---- first messages


@pytest.mark.parametrize(
    ("method", "part", "headers"), [("SendMessage", FILE, V1), ("message/send", OLD_FILE, V03)], ids=["1.0", "0.3"]
)
async def test_bytes_become_an_artifact_that_the_input_refers_to(
    server: Server, method: str, part: Any, headers: Any
) -> None:
    task = read_task((await rpc(server, "filing", method, of(part), headers))["result"])

    assert task.status.state is State.COMPLETED
    run = await run_of(server, task)
    assert (run["input"], run["state"]["files"]) == ({"files": [REF]}, [REF])
    assert (run["artifacts"]["count"], run["artifacts"]["size"]) == (1, len(PICTURE))
    assert await bytes_of(server, REF) == PICTURE


@pytest.mark.parametrize(
    ("method", "part", "headers"), [("SendMessage", LINK, V1), ("message/send", OLD_LINK, V03)], ids=["1.0", "0.3"]
)
async def test_an_address_is_given_as_it_is_and_not_fetched(
    server: Server, method: str, part: Any, headers: Any
) -> None:
    task = read_task((await rpc(server, "filing", method, of(part), headers))["result"])

    assert (await run_of(server, task))["input"] == {"files": [LINKED]}
    assert await artifacts(server) == []


@pytest.mark.parametrize(
    ("beside", "kept"),
    [({"text": "look"}, {"input": "look"}), ({"data": {"n": 4}}, {"n": 4}), ({"data": [7]}, {"input": [7]})],
)
async def test_several_files_come_in_their_order_beside_what_is_said(server: Server, beside: Any, kept: Any) -> None:
    task = await given(server, "filing", FILE, beside, LINK, {"raw": "", "mediaType": "text/plain"})

    empty = reference_to(b"", "text/plain")
    assert (await run_of(server, task))["input"] == {**kept, "files": [REF, LINKED, empty]}
    assert await bytes_of(server, empty) == b""


async def test_a_large_file_comes_as_it_is(server: Server) -> None:
    task = await given(server, "filing", {"raw": b64encode(LARGE).decode()})
    [ref] = (await run_of(server, task))["input"]["files"]

    assert ref == reference_to(LARGE, "application/octet-stream")
    assert await bytes_of(server, ref) == LARGE


async def test_an_input_schema_says_of_which_types_files_are(server: Server) -> None:
    task = await given(server, "pictures", FILE)
    other = await refused(server, "pictures", FILE, {**FILE, "raw": "dGNr", "mediaType": "text/plain"})

    assert (await run_of(server, task))["input"] == {"files": [REF]}
    assert (other["code"], other["data"][1]["fieldViolations"][0]["field"]) == (-32602, "/files/1/media_type")


@pytest.mark.parametrize(
    ("name", "part", "code", "says"),
    [
        ("asking", FILE, -32005, "message.parts[0]: the workflow takes no files: it would declare `files`"),
        ("asking", LINK, -32005, "`files`"),
        ("filing", {**FILE, "raw": "no base64"}, -32602, "message.parts[0]: bytes as base64"),
        ("filing", {**FILE, "mediaType": "image"}, -32005, "'image' is no media type"),
        ("filing", {"url": ""}, -32602, "message.parts[0]"),
        ("pictures", {**FILE, "mediaType": "text/plain"}, -32602, "/files/0/media_type"),
    ],
)
async def test_a_file_that_is_not_taken_is_refused_and_leaves_nothing(
    server: Server, tmp_path: Path, name: str, part: Any, code: int, says: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "clew.db")) as database:
        [(before,)] = database.execute("PRAGMA data_version")
        error = await refused(server, name, part)
        [(after,)] = database.execute("PRAGMA data_version")

    assert (error["code"], before) == (code, after)
    assert says in error["message"]


async def test_0_3_tells_where_base64_is_wrong_too(server: Server) -> None:
    part = {"kind": "file", "file": {"bytes": "no base64"}}
    error = (await rpc(server, "filing", "message/send", of(part), V03))["error"]
    assert (error["code"], error["data"]["fieldViolations"][0]["field"]) == (-32602, "message.parts[0]")


async def test_files_in_the_data_and_as_parts_are_refused_and_alone_are_taken(server: Server) -> None:
    error = await refused(server, "filing", {"data": {"files": [LINKED]}}, FILE)
    task = await given(server, "filing", {"data": {"files": [LINKED]}})

    assert (error["code"], error["data"][1]["fieldViolations"][0]["field"]) == (-32602, "files")
    assert (await run_of(server, task))["input"] == {"files": [LINKED]}
    assert await artifacts(server) == []


async def test_a_file_is_no_larger_than_an_artifact_may_be(tmp_path: Path) -> None:
    async with a_server(tmp_path, max_artifact_bytes=1024) as server:
        await server.post("/workflows", FILING, 201)
        error = await refused(server, "filing", {"raw": b64encode(b"x" * 1025).decode()})
        await given(server, "filing", {"raw": b64encode(b"x" * 1024).decode()})

    assert error["code"] == -32602
    assert "message.parts[0]: the file is too large" in error["message"]


async def test_a_stream_takes_files_and_a_refused_one_is_an_error(server: Server) -> None:
    told = await events(server, "filing", "SendStreamingMessage", of(FILE))
    assert told[0].history[0].parts[0].url == ADDRESS
    assert told[-1].status.state is State.COMPLETED
    assert (await rpc(server, "asking", "SendStreamingMessage", of(FILE)))["error"]["code"] == -32005


# ---- how long they stay


async def test_a_file_stays_as_long_as_the_run(server: Server) -> None:
    task = await given(server, "pictures", FILE)  # it is in the input alone, for no state key has it

    assert await collect(server) == 0
    assert await bytes_of(server, REF) == PICTURE
    await server.call("DELETE", f"/runs/{task.id}", 204)
    assert await collect(server) == 1


async def test_a_file_that_comes_stays_until_its_run_has_begun_and_goes_where_none_does(tmp_path: Path) -> None:
    async with a_server(tmp_path, artifact_ttl_s=1) as server:
        found = await server.wired.artifacts.keep(PICTURE, "image/png")
        assert await server.wired.store.collect_artifacts(found.expires_at + 1) == 0
        assert await collect(server) == 1


async def test_a_file_outlives_the_server(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", SHOWING, 201)
        task = await given(server, "showing", {"data": {}})
        await given(server, "showing", FILE, taskId=task.id, messageId="m2")
    async with a_server(tmp_path) as server:
        assert await collect(server) == 0
        assert await bytes_of(server, REF) == PICTURE


async def test_the_same_message_again_is_the_same_task_and_keeps_nothing_again(server: Server) -> None:
    one = await given(server, "filing", FILE)
    [before] = (await server.get("/artifacts"))["items"]
    again = await asyncio.gather(*(given(server, "filing", FILE) for _ in range(2)))
    other = await given(server, "filing", {**FILE, "raw": "dGNr"})

    assert {task.id for task in again} == {one.id} != {other.id}
    [_, after] = (await server.get("/artifacts"))["items"]
    assert after == before


async def test_the_same_bytes_are_one_artifact_of_the_type_that_each_message_says(server: Server) -> None:
    task = await given(server, "filing", FILE, {**FILE, "mediaType": "image/x-cat"})

    files = (await run_of(server, task))["input"]["files"]
    assert files == [REF, {**REF, "media_type": "image/x-cat"}]
    assert await artifacts(server) == [REF["sha256"]]


# ---- what is told of them


async def test_the_history_has_addresses_and_no_bytes(server: Server) -> None:
    task = await given(server, "filing", {"text": "look"}, FILE, LINK)
    new = (await rpc(server, "filing", "GetTask", {"id": task.id}))["result"]
    old = (await rpc(server, "filing", "tasks/get", {"id": task.id}, V03))["result"]

    assert new["history"][0]["parts"] == [
        {"text": "look"}, {"url": ADDRESS, "filename": "cat.png", "mediaType": "image/png"}, LINK,
    ]  # fmt: skip
    file = {"uri": ADDRESS, "name": "cat.png", "mimeType": "image/png"}
    assert old["history"][0]["parts"][1] == {"kind": "file", "file": file}
    fetched = await server.http.get(ADDRESS)
    assert (fetched.content, fetched.headers["content-type"]) == (PICTURE, "image/png")
    assert FILE["raw"] not in (await server.http.get(f"/runs/{task.id}")).text
    kept = (await run_of(server, task))["metadata"]["a2a"]["message"]["parts"][1]
    assert kept == {"url": REF["ref"], "filename": "cat.png", "mediaType": "image/png"}


async def test_who_is_told_by_push_gets_addresses_too(tmp_path: Path, receiver: HttpWorker) -> None:
    async with a_server(tmp_path, private_pushes=True) as server:
        await server.post("/workflows", FILING, 201)
        await sent_03(server, "filing", config(receiver), parts=[OLD_FILE])
        [body, *_] = await heard(receiver, 2)
    assert body["history"][0]["parts"][0]["file"]["uri"] == ADDRESS


@pytest.mark.parametrize("alias", ["", "/v1", "/v0.3"])
async def test_cards_say_which_skills_take_files(server: Server, alias: str) -> None:
    modes = {}
    for name in ("filing", "pictures", "showing", "straight"):
        found = (await card(server, f"/a2a{alias}/{name}/.well-known/agent-card.json")).json()
        modes[name] = found["skills"][0]["inputModes"]
        assert found["defaultInputModes"] == ["application/json", "text/plain"]

    usual = ["application/json", "text/plain"]
    assert modes == {
        "filing": [*usual, "*/*"], "pictures": [*usual, "*/*"], "showing": usual, "straight": usual,
    }  # fmt: skip


# ---- answers and forks


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        ([FILE], {"files": [REF]}),
        ([{"text": "this"}, FILE, LINK], {"text": "this", "files": [REF, LINKED]}),
        ([{"data": {"ok": True}}, FILE], {"ok": True, "files": [REF]}),
        ([{"data": {"resume": "this"}}, FILE], {"text": "this", "files": [REF]}),
    ],
)
async def test_an_answer_has_the_files_that_come_with_it(server: Server, parts: Any, answer: Any) -> None:
    task = await sent(server, "showing", {"data": {}})
    first, again = [await given(server, "showing", *parts, taskId=task.id, messageId="m2") for _ in range(2)]

    assert first.status.message.parts[0].text == "once more"
    assert (first.status, first.history) == (again.status, again.history)
    assert (await run_of(server, task))["state"]["answer"] == answer
    assert await collect(server) == 0
    assert ADDRESS in [part.url for part in first.history[-1].parts]
    assert FILE["raw"] not in str(await server.get(f"/runs/{task.id}/checkpoints?limit=100"))


async def test_an_answer_with_a_file_is_taken_in_0_3(server: Server) -> None:
    task = await sent(server, "showing", {"data": {}})
    found = await rpc(server, "showing", "message/send", of(OLD_FILE, taskId=task.id, messageId="m2"), V03)

    assert found["result"]["status"]["state"] == "input-required"
    assert (await run_of(server, task))["state"]["answer"] == {"files": [REF]}


async def test_an_answer_says_which_question_its_files_are_for(server: Server) -> None:
    task = await sent(server, "two", {"data": {}})
    one, other = [each["id"] for each in task.status.message.parts[1].data["interrupts"]]
    both = {"data": {"resume": {one: 1, other: 2}}}
    errors = [await refused(server, "two", *parts, taskId=task.id, messageId="m2") for parts in ([both, FILE], [FILE])]
    await given(server, "two", {"data": {"resume": {other: "b"}}}, FILE, taskId=task.id, messageId="m3")

    assert [error["code"] for error in errors] == [-32602, -32602]
    answered = (await run_of(server, task))["state"]
    assert [value for value in answered.values() if value] == [{"text": "b", "files": [REF]}]


@pytest.mark.parametrize("parts", [[FILE, LINK], [{"data": 7}, FILE], [{"data": {"files": []}}, FILE]])
async def test_an_answer_that_does_not_fit_the_question_is_refused(server: Server, parts: Any) -> None:
    task = await sent(server, "showing", {"data": {}})
    await sent(server, "showing", {"text": "this"}, taskId=task.id, messageId="m2")
    error = await refused(server, "showing", *parts, taskId=task.id, messageId="m3")
    done = await given(server, "showing", FILE, taskId=task.id, messageId="m4")

    assert (error["code"], done.status.state) == (-32602, State.COMPLETED)


async def test_a_question_for_a_number_takes_no_file(server: Server) -> None:
    task = await sent(server, "asking", {"data": {}})
    assert (await refused(server, "asking", FILE, taskId=task.id, messageId="m2"))["code"] == -32602


async def test_a_fork_takes_files_where_the_state_has_a_key_for_them(server: Server) -> None:
    task = await given(server, "filing", LINK)
    wanted = {"metadata": {"checkpointId": f"{task.id}.1"}, "messageId": "m2"}
    fork, again = [await given(server, "filing", {"data": {"n": 3}}, FILE, **wanted) for _ in range(2)]
    other = await given(server, "pictures", FILE)
    error = await refused(server, "pictures", FILE, messageId="m2", metadata={"checkpointId": f"{other.id}.1"})

    assert fork.id == again.id
    assert (await run_of(server, fork))["state"]["files"] == [LINKED, REF]
    assert fork.history[-1].parts[1].url == ADDRESS
    assert error["code"] == -32005
