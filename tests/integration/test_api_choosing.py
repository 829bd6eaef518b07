"""Which worker gets a task, over HTTP: who has its resource, who served its session, and why nobody can take it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.pulling import P, answered, begun, leased, until, waits
from tests.unit.api.serving import Server, working

NOTHING: Any = {"items": []}


def referring(reference: Any, name: str = "resource_ref") -> dict[str, Any]:
    """A workflow whose job refers to a resource."""
    document = working("referring")
    document["nodes"]["job"]["parameters"] = {name: reference}
    return document


async def workers(server: Server, *names: str) -> None:
    for name in names:
        await server.post("/workers", {**P, "id": name, "max_concurrent": 5}, 201)


DOCUMENTS = (working(),)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("resource_ref", "tab-1"),
        ("resourceRef", "tab-1"),
        ("resource_ref", {"resource_id": "tab-1", "worker_id": "p2"}),
        ("resourceRef", {"resourceId": "tab-1", "workerId": "p2", "type": "browser"}),
        ("resource_ref", {"resource_id": "tab-1"}),
    ],
)
async def test_a_task_goes_to_the_worker_that_has_its_resource(server: Server, name: str, reference: Any) -> None:
    await workers(server, "p1", "p2")
    await server.post("/workers/p2/heartbeat", {"resources": [{"resource_id": "tab-1", "type": "browser"}]})
    await server.post("/workflows", referring(reference, name), 201)
    run_id = await begun(server, "referring")
    assert await server.post("/tasks/lease", {"worker_id": "p1"}) == NOTHING
    task = await until(server, run_id, waits)
    assert (task["status"], task["reason"]) == ("waiting", "resource")
    assert [item["task"]["run_id"] for item in await leased(server, worker_id="p2")] == [run_id]


async def test_a_task_waits_until_somebody_says_that_he_has_its_resource(server: Server) -> None:
    await workers(server, "p1")
    await server.post("/workflows", referring("tab-1"), 201)
    run_id = await begun(server, "referring")
    assert await server.post("/tasks/lease", {"worker_id": "p1"}) == NOTHING
    task_id = (await until(server, run_id, waits))["id"]
    found = await server.get(f"/runs/{run_id}/tasks/{task_id}")
    assert found["workers"] == {"p1": "it does not have the resource 'tab-1'"}
    await server.post("/workers/p1/heartbeat", {"resources": ["tab-1"]})
    assert len(await leased(server, worker_id="p1")) == 1


async def test_why_the_workers_cannot_take_a_task_is_told_in_words(server: Server) -> None:
    await workers(server, "asks", "drained", "gone")
    await server.post("/workers", {**P, "id": "other", "tags": ["x"]}, 201)
    await server.post("/workers", {**P, "id": "busy"}, 201)
    await begun(server)
    await leased(server, worker_id="busy")
    await server.post("/workers/drained/drain")
    await server.post("/workers/gone/heartbeat", {"status": "draining"})
    run_id = await begun(server)
    task_id = (await until(server, run_id, waits))["id"]
    found = await server.get(f"/runs/{run_id}/tasks/{task_id}")
    assert found["workers"] == {
        "asks": "it asks for its tasks, and does not now",
        "busy": "all of its slots are taken",
        "drained": "it is draining",
        "gone": "it says that it is draining",
        "other": "it lacks the tags w",
    }
    (item,) = await leased(server)
    await answered(server, item, {"output": 1})
    await server.settled(run_id)
    assert (await server.get(f"/runs/{run_id}/tasks/{task_id}"))["workers"] == {}
