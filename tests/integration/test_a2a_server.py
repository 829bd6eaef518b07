"""Workflows as Agent2Agent agents: cards, messages, tasks and streams, in both versions."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
import pytest

from dispatch._a2a.model import State
from dispatch._a2a.read import read_event, read_task
from tests.unit.api.serving import ORIGIN, Server, a_server, asking, straight, working
from tests.unit.dispatch.builders import HttpWorker, answer

SAYING = {
    "id": "saying",
    "state_schema": {"input": {"type": "string"}, "said": {"type": "string"}},
    "nodes": {"say": {"type": "transform", "updates": {"said": "You said: {{ state.input }}"}}},
    "edges": [["__start__", "say"], ["say", "__end__"]],
}
DOCUMENTS = [straight(), asking(), working(), SAYING]
V1, V03 = {"A2A-Version": "1.0"}, dict[str, str]()


async def rpc(server: Server, name: str, method: str, params: Any, headers: Any = V1, path: str = "/a2a") -> Any:
    """The response to a request; its id is checked to come back."""
    body = {"jsonrpc": "2.0", "id": "r1", "method": method, "params": params}
    response = await server.http.post(f"{ORIGIN}{path}/{name}".rstrip("/"), json=body, headers=headers)
    assert response.status_code == 200
    found = orjson.loads(response.content)
    assert (found["jsonrpc"], found["id"]) == ("2.0", "r1")
    return found


def message(part: Any, **fields: Any) -> Any:
    role = "user" if "kind" in part else "ROLE_USER"
    return {"message": {"messageId": "m1", "role": role, "parts": [part], **fields}}


async def sent(server: Server, name: str, part: Any, **fields: Any) -> Any:
    found = await rpc(server, name, "SendMessage", message(part, **fields))
    return read_task(found["result"])


async def events(server: Server, name: str, method: str, params: Any, headers: Any = V1) -> list[Any]:
    """What a stream tells until it ends."""
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    response = await server.http.post(f"{ORIGIN}/a2a/{name}", json=body, headers=headers)
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return [read_event(orjson.loads(line)["result"]) for line in lines]


# ---- messages and tasks


async def test_a_message_of_data_is_the_input_of_a_run(server: Server) -> None:
    task = await sent(server, "straight", {"data": {"n": 4}})

    assert task.status.state is State.COMPLETED
    assert task.artifacts[0].parts[0].data == {"n": 5}
    assert task.history[0].message_id == "m1"
    run = await server.get(f"/runs/{task.id}")
    assert (run["session_id"], run["input"]) == (task.context_id, {"n": 4})
    assert (await server.get(f"/runs/{task.id}/checkpoints"))["items"][-1]["actor"] == "a2a"


async def test_a_message_of_text_goes_to_the_key_for_it(server: Server) -> None:
    task = await sent(server, "saying", {"text": "thread"})
    assert task.artifacts[0].parts[0].data["said"] == "You said: thread"


async def test_a_text_that_has_no_place_is_refused_with_what_has_one(server: Server) -> None:
    found = await rpc(server, "straight", "SendMessage", message({"text": "thread"}))
    assert found["error"]["code"] == -32602
    assert "n" in found["error"]["message"]


async def test_a_question_is_answered_in_the_same_task(server: Server) -> None:
    task = await sent(server, "asking", {"data": {}})
    assert task.status.state is State.INPUT_REQUIRED
    asked = task.status.message.parts[1].data["interrupts"]
    assert (task.status.message.parts[0].text, len(asked)) == ("how many?", 1)

    done = await sent(server, "asking", {"data": {"resume": {asked[0]["id"]: 7}}}, taskId=task.id, messageId="m2")
    assert (done.id, done.status.state) == (task.id, State.COMPLETED)
    assert done.artifacts[0].parts[0].data == {"answer": 7}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"taskId": "nothing"}, -32001),
        ({"contextId": "another"}, -32602),
        ({"contextId": "a b"}, -32602),
        ({"role": "ROLE_JUDGE"}, -32602),
        ({"messageId": ""}, -32602),
        ({"parts": []}, -32602),
        ({"parts": [{"url": "http://x/y"}]}, -32005),
    ],
)
async def test_messages_that_make_no_sense_are_refused(server: Server, fields: Any, code: int) -> None:
    task = await sent(server, "asking", {"data": {}})
    place = {"taskId": task.id} if "another" in fields.values() else {}
    given = message({"data": {"resume": 7}}, messageId="m2", **place)
    given["message"] |= fields
    found = await rpc(server, "asking", "SendMessage", given)

    assert found["error"]["code"] == code
    assert found["error"]["data"][0]["domain"] == "a2a-protocol.org"


async def test_a_task_that_is_over_takes_no_more_messages_and_cannot_be_cancelled(server: Server) -> None:
    task = await sent(server, "straight", {"data": {}})
    again = await rpc(server, "straight", "SendMessage", message({"data": {}}, taskId=task.id, messageId="m2"))
    cancel = await rpc(server, "straight", "CancelTask", {"id": task.id})

    assert (again["error"]["code"], cancel["error"]["code"]) == (-32004, -32002)


async def test_the_same_message_again_is_the_same_task_and_another_one_with_its_id_is_not(server: Server) -> None:
    one, same = [await sent(server, "straight", {"data": {"n": 1}}) for _ in range(2)]
    other = await sent(server, "straight", {"data": {"n": 2}})

    assert one.id == same.id != other.id


async def test_the_same_message_at_the_same_time_is_one_task_and_so_is_the_same_fork(server: Server) -> None:
    first, second = await asyncio.gather(*(sent(server, "straight", {"data": {"n": 1}}) for _ in range(2)))
    checkpoint = {"checkpointId": f"{first.id}.1"}
    forks = [await sent(server, "straight", {"data": {}}, messageId="m2", metadata=checkpoint) for _ in range(2)]

    assert first.id == second.id
    assert forks[0].id == forks[1].id != first.id


async def test_a_run_that_is_not_taken_is_rejected(server: Server, worker: HttpWorker) -> None:
    await server.post("/workers", {"id": "w", "protocol": "webhook", "url": worker.url, "tags": ["w"]}, 201)
    worker.script = [answer({"error": {"code": "rejected", "message": "not this one", "retryable": False}})]
    task = await sent(server, "working", {"data": {}})

    assert task.status.state is State.REJECTED
    assert task.status.message.parts[0].text == "not this one"


async def test_a_message_that_does_not_block_gets_a_task_that_is_at_work(server: Server) -> None:
    given = message({"data": {}}) | {"configuration": {"returnImmediately": True}}
    task = read_task((await rpc(server, "working", "SendMessage", given))["result"])
    assert task.status.state in (State.SUBMITTED, State.WORKING)

    cancelled = await rpc(server, "working", "CancelTask", {"id": task.id})
    assert read_task(cancelled["result"]).status.state is State.CANCELED


async def test_a_checkpoint_is_forked_into_a_task_of_its_own(server: Server) -> None:
    task = await sent(server, "asking", {"data": {}})
    fork = await sent(server, "asking", {"data": {}}, messageId="m2", metadata={"checkpointId": f"{task.id}.1"})

    assert fork.id != task.id
    assert fork.metadata["forkedFrom"] == f"{task.id}.1"
    assert (await server.get(f"/runs/{fork.id}"))["forked_from"]["run_id"] == task.id


async def test_a_fork_has_a_context_of_its_own_and_takes_no_other(server: Server) -> None:
    task = await sent(server, "asking", {"data": {}})
    wanted = message({"data": {}}, messageId="m2", contextId=task.context_id, metadata={"checkpointId": f"{task.id}.1"})
    found = await rpc(server, "asking", "SendMessage", wanted)
    assert found["error"]["code"] == -32602


async def test_a_context_in_which_a_task_asks_takes_no_other_message(server: Server) -> None:
    task = await sent(server, "asking", {"data": {}})
    other = message({"data": {}}, messageId="m2", contextId=task.context_id)
    assert (await rpc(server, "asking", "SendMessage", other))["error"]["code"] == -32004


async def test_what_is_not_known_of_a_request_is_left_out_of_account(server: Server) -> None:
    params = message({"data": {"n": 1}, "mystery": 1}, mystery={}) | {"mystery": [], "tenant": "x"}
    assert "result" in await rpc(server, "straight", "SendMessage", params)


async def test_the_version_can_be_told_in_the_address(server: Server) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "x"}}
    response = await server.http.post(f"{ORIGIN}/a2a/straight?A2A-Version=1.0", json=body)
    assert response.json()["error"]["code"] == -32001


async def test_members_have_the_names_and_times_the_form_that_the_protocol_wants(server: Server) -> None:
    task = (await rpc(server, "asking", "SendMessage", message({"data": {}})))["result"]["task"]

    assert not [name for name in names_in(task) if "_" in name]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", task["status"]["timestamp"])


def names_in(value: Any) -> set[str]:
    """The names of all members, however deep."""
    if isinstance(value, dict):
        return set(value).union(*map(names_in, value.values()))
    return set().union(*map(names_in, value)) if isinstance(value, list) else set()


async def test_the_agent_of_all_wants_to_know_which_skill(server: Server) -> None:
    missing = await rpc(server, "", "SendMessage", message({"data": {}}))
    named = await rpc(server, "", "SendMessage", message({"data": {"n": 1}}, metadata={"skillId": "straight"}))

    assert missing["error"]["code"] == -32602
    assert read_task(named["result"]).artifacts[0].parts[0].data == {"n": 2}


async def test_tasks_of_other_agents_are_not_found(server: Server) -> None:
    task = await sent(server, "straight", {"data": {}})
    found = await rpc(server, "asking", "GetTask", {"id": task.id})
    assert found["error"]["code"] == -32001


async def test_tasks_are_listed_in_pages_without_what_was_not_asked_for(server: Server) -> None:
    made = [(await sent(server, "straight", {"data": {}}, messageId=f"m{n}")).id for n in range(3)]
    first = (await rpc(server, "straight", "ListTasks", {"pageSize": 2}))["result"]
    rest = (await rpc(server, "straight", "ListTasks", {"pageSize": 2, "pageToken": first["nextPageToken"]}))["result"]

    tasks = [*first["tasks"], *rest["tasks"]]
    assert {task["id"] for task in tasks} == set(made)
    assert rest["nextPageToken"] == ""
    assert (first["totalSize"], rest["totalSize"]) == (3, 3)
    assert not any("artifacts" in task for task in tasks)


NO_SENSE = [
    {"contextId": {}}, {"pageToken": 7}, {"pageToken": "x"}, {"pageSize": 0}, {"pageSize": 101}, {"status": []},
    {"status": "TASK_STATE_DREAMING"}, {"includeArtifacts": "yes"}, {"historyLength": -1},
    {"statusTimestampAfter": "yesterday"}, {"statusTimestampAfter": "2026-01-01T00:00:00"},
]  # fmt: skip


@pytest.mark.parametrize("params", NO_SENSE)
async def test_a_list_with_parameters_of_no_sense_is_refused(server: Server, params: Any) -> None:
    assert (await rpc(server, "straight", "ListTasks", params))["error"]["code"] == -32602


# ---- 0.3


async def test_0_3_speaks_of_kinds(server: Server) -> None:
    found = (await rpc(server, "asking", "message/send", message({"kind": "data", "data": {}}), V03))["result"]
    assert (found["kind"], found["status"]["state"]) == ("task", "input-required")

    again = {"kind": "data", "data": {"resume": 7}}
    done = await rpc(server, "asking", "message/send", message(again, taskId=found["id"], messageId="m2"), V03)
    assert done["result"]["artifacts"][0]["parts"] == [{"kind": "data", "data": {"answer": 7}}]


@pytest.mark.parametrize(
    ("method", "headers", "path", "code"),
    [
        ("SendMessage", {}, "/a2a", -32009),
        ("SendMessage", {"A2A-Version": "2.0"}, "/a2a", -32009),
        ("SendMessage", {"A2A-Version": "99.0"}, "/a2a/v1", -32009),
        ("SendMessage", {"A2A-Version": ""}, "/a2a/v1", -32009),
        ("tasks/get", {"A2A-Version": "2.0"}, "/a2a/v0.3", -32603),
        ("message/send", V1, "/a2a", -32603),
        ("message/send", {}, "/a2a/v1", -32601),
        ("SendMessage", V1, "/a2a/v0.3", -32601),
        ("Dream", V1, "/a2a", -32601),
        ("tasks/dream", {}, "/a2a", -32601),
        ("CreateTaskPushNotificationConfig", V1, "/a2a", -32602),
        ("agent/getAuthenticatedExtendedCard", {}, "/a2a", -32007),
    ],
)
async def test_versions_and_methods_that_are_not_there(
    server: Server, method: str, headers: Any, path: str, code: int
) -> None:
    assert (await rpc(server, "straight", method, {}, headers, path))["error"]["code"] == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b'{"jsonrpc":"2.0","method":"GetTask"}', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"GetTask"}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"GetTask"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"GetTask","params":[]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":7}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":"x","historyLength":-1}}', -32001),
    ],
)
async def test_what_is_no_request_gets_a_specified_error(server: Server, body: bytes, code: int) -> None:
    response = await server.http.post(f"{ORIGIN}/a2a/straight", content=body, headers=V1)
    found = response.json()
    assert (response.status_code, found["error"]["code"]) == (200, code)
    assert "Traceback" not in response.text


# ---- streams


async def test_a_stream_begins_with_the_task_and_ends_with_its_last_status(server: Server) -> None:
    found = await events(server, "straight", "SendStreamingMessage", message({"data": {"n": 1}}))

    kinds = [type(event).__name__ for event in found]
    assert kinds[0] == "Task"
    assert kinds[-2:] == ["ArtifactUpdate", "StatusUpdate"]
    assert found[-1].status.state is State.COMPLETED
    assert found[-2].artifact.parts[0].data == {"n": 2}
    assert all(event.metadata["seq"] for event in found[1:])


async def test_a_stream_ends_at_a_question_and_one_of_its_answer_goes_on_from_there(server: Server) -> None:
    asked = await events(server, "asking", "message/stream", message({"kind": "data", "data": {}}), V03)
    assert (asked[-1].status.state, asked[-1].final) == (State.INPUT_REQUIRED, True)

    params = message({"kind": "data", "data": {"resume": 7}}, taskId=asked[0].id, messageId="m2")
    done = await events(server, "asking", "message/stream", params, V03)
    assert State.INPUT_REQUIRED not in [event.status.state for event in done if hasattr(event, "status")]
    last = done[-1]
    assert last.status.state is State.COMPLETED


async def test_a_stream_of_an_answer_ends_where_the_run_does_and_not_at_the_question(server: Server) -> None:
    document = asking("slow")
    nodes = {**document["nodes"], "rest": {"type": "wait", "seconds": 0.3}}
    edges = [["__start__", "ask"], ["ask", "rest"], ["rest", "__end__"]]
    await server.post("/workflows", {**document, "nodes": nodes, "edges": edges}, 201)
    task = await sent(server, "slow", {"data": {}})
    answered = message({"data": {"resume": 7}}, taskId=task.id, messageId="m2")
    told = await events(server, "slow", "SendStreamingMessage", answered)

    assert told[0].status.state is State.WORKING
    assert told[-1].status.state is State.COMPLETED


async def test_nobody_subscribes_to_what_is_over(server: Server) -> None:
    task = await sent(server, "straight", {"data": {}})
    found = await rpc(server, "straight", "SubscribeToTask", {"id": task.id})
    assert found["error"]["code"] == -32004


# ---- who may ask


async def test_asking_wants_the_token_and_looking_does_not(tmp_path: Any) -> None:
    async with a_server(tmp_path, token="secret") as server:
        bearer = {"Authorization": "Bearer secret"}
        await server.post("/workflows", straight(), 201, headers=bearer)
        url, body = f"{ORIGIN}/a2a/straight", {"jsonrpc": "2.0", "id": "r1", "method": "GetTask", "params": {"id": "x"}}

        found = await server.http.get(f"{url}/.well-known/agent-card.json")
        refused = await server.http.post(url, json=body, headers=V1)
        wrong = await server.http.post(url, json=body, headers={**V1, "X-API-Key": "wrong"})
        right = [
            await server.http.post(url, json=body, headers={**V1, **key}) for key in (bearer, {"X-API-Key": "secret"})
        ]

    assert {"bearer", "apiKey"} == found.json()["securitySchemes"].keys()
    assert (refused.status_code, wrong.status_code) == (401, 401)
    assert [response.json()["error"]["code"] for response in right] == [-32001, -32001]
