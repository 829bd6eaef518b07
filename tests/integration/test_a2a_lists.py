"""Lists of tasks: their order, their pages, and what they are narrowed down to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.test_a2a_server import rpc, sent
from tests.unit.api.serving import Server, asking, straight, working
from tests.unit.dispatch.builders import HttpWorker, answer

DOCUMENTS = [straight(), asking(), working()]
STATE = "TASK_STATE_"


async def listed(server: Server, name: str = "", **params: Any) -> Any:
    return (await rpc(server, name, "ListTasks", params))["result"]


def ids(found: Any) -> list[str]:
    return [task["id"] for task in found["tasks"]]


async def each_kind(server: Server, worker: HttpWorker) -> dict[str, str]:
    """A task in each state that one can rest in: their ids by the state."""
    await server.post("/workers", {"id": "w", "protocol": "webhook", "url": worker.url, "tags": ["w"]}, 201)
    errors = [{"code": code, "message": "no", "retryable": False} for code in ("rejected", "other")]
    worker.script = [answer({"error": error}) for error in errors]
    data = {"data": {}}
    made = {
        "COMPLETED": await sent(server, "straight", data),
        "REJECTED": await sent(server, "working", data),
        "FAILED": await sent(server, "working", data, messageId="m2"),
        "CANCELED": await sent(server, "asking", data),
        "INPUT_REQUIRED": await sent(server, "asking", data, messageId="m2"),
    }
    await rpc(server, "asking", "CancelTask", {"id": made["CANCELED"].id})
    return {state: task.id for state, task in made.items()}


async def test_those_come_first_whose_status_changed_last(server: Server) -> None:
    made = [(await sent(server, "asking", {"data": {}}, messageId=f"m{n}")).id for n in range(4)]
    for place in (1, 0):
        await sent(server, "asking", {"data": {"resume": 7}}, taskId=made[place], messageId="answer")
    found = await listed(server, "asking")

    assert ids(found) == [made[0], made[1], made[3], made[2]]
    times = [task["status"]["timestamp"] for task in found["tasks"]]
    assert times == sorted(times, reverse=True)
    assert all(time.endswith("Z") for time in times)


async def test_pages_hold_every_task_once_and_tell_where_the_next_begins(server: Server) -> None:
    made = {(await sent(server, "straight", {"data": {}}, messageId=f"m{n}")).id for n in range(5)}
    found, token = list[str](), ""
    for size in (2, 2, 1):
        page = await listed(server, "straight", pageSize=2, pageToken=token)
        assert (len(page["tasks"]), page["pageSize"], page["totalSize"]) == (size, 2, 5)
        found, token = [*found, *ids(page)], page["nextPageToken"]

    assert token == ""
    assert set(found) == made and len(found) == 5


async def test_an_empty_list_says_so(server: Server) -> None:
    assert await listed(server) == {"tasks": [], "nextPageToken": "", "pageSize": 50, "totalSize": 0}


async def test_tasks_are_found_by_their_state(server: Server, worker: HttpWorker) -> None:
    made = await each_kind(server, worker)
    for state, task_id in made.items():
        for spelt in (f"{STATE}{state}", state.lower().replace("_", "-")):
            found = await listed(server, status=spelt)
            assert (ids(found), found["totalSize"]) == ([task_id], 1)
            assert found["tasks"][0]["status"]["state"] == f"{STATE}{state}"
    for none in ("WORKING", "SUBMITTED", "AUTH_REQUIRED"):
        assert ids(await listed(server, status=f"{STATE}{none}")) == []
    assert len(ids(await listed(server, status=f"{STATE}UNSPECIFIED"))) == len(made)


async def test_tasks_are_found_by_their_context_and_time(server: Server) -> None:
    one = await sent(server, "straight", {"data": {}}, contextId="mine")
    other = await sent(server, "straight", {"data": {}}, messageId="m2", contextId="mine")
    last = await sent(server, "straight", {"data": {}}, messageId="m3")

    assert ids(await listed(server, contextId="mine")) == [other.id, one.id]
    assert ids(await listed(server, contextId="nobody's")) == []
    assert last.id in ids(await listed(server, statusTimestampAfter=last.status.timestamp))
    assert ids(await listed(server, statusTimestampAfter="2999-01-01T00:00:00+01:00")) == []


async def test_artifacts_come_only_where_they_are_wanted(server: Server) -> None:
    await sent(server, "straight", {"data": {}})
    assert "artifacts" not in (await listed(server))["tasks"][0]
    assert "artifacts" not in (await listed(server, includeArtifacts=False))["tasks"][0]
    assert (await listed(server, includeArtifacts=True))["tasks"][0]["artifacts"][0]["artifactId"] == "output"


@pytest.mark.parametrize("name", ["straight", ""])
async def test_an_agent_lists_its_own_tasks_and_the_one_of_all_lists_all(server: Server, name: str) -> None:
    own = await sent(server, "straight", {"data": {}})
    other = await sent(server, "asking", {"data": {}})
    assert set(ids(await listed(server, name))) == ({own.id} if name else {own.id, other.id})
