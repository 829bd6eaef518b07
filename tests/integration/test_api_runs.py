"""Runs over HTTP: started, waited for, listed, answered, forked, cancelled, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.serving import Server, asking, straight, working

DOCUMENTS = (straight(), asking(), working())


async def started(server: Server, workflow: str = "straight", **body: Any) -> Any:
    return await server.post(f"/workflows/{workflow}/runs?wait=10", body, 201)


# ---- start


async def test_a_run_is_created_and_found(server: Server) -> None:
    response = await server.http.post("/workflows/straight/runs", json={"input": {"n": 4}, "config": {"k": 1}})
    run = response.json()
    assert (response.status_code, response.headers["location"]) == (201, f"/v1/runs/{run['id']}")
    run = await server.settled(run["id"])
    assert (run["status"], run["state"], run["input"], run["config"]) == ("completed", {"n": 5}, {"n": 4}, {"k": 1})


async def test_a_start_needs_no_body(server: Server) -> None:
    assert (await server.call("POST", "/workflows/straight/runs?wait=10", 201))["status"] == "completed"


async def test_waiting_ends_at_an_interrupt(server: Server) -> None:
    run = await started(server, "asking")
    assert (run["status"], run["interrupts"][0]["message"]) == ("interrupted", "how many?")


async def test_waiting_ends_with_the_time(server: Server) -> None:
    run = await server.post("/workflows/working/runs?wait=0.05", {}, 201)
    assert (run["status"], run["tasks"][0]["status"]) == ("running", "waiting")


@pytest.mark.parametrize("wait", ["-1", "301", "nan", "inf", "x", ""])
async def test_a_wait_that_is_no_number_of_seconds_is_refused(server: Server, wait: str) -> None:
    await server.refused("POST", f"/workflows/straight/runs?wait={wait}", 422, json={})


async def test_a_version_can_be_named(server: Server) -> None:
    await server.call("PUT", "/workflows/straight", json=straight(name="two"))
    assert (await started(server, version=1))["workflow_version"] == 1
    assert (await started(server))["workflow_version"] == 2
    await server.refused("POST", "/workflows/straight/runs", 404, json={"version": 3})
    by_id = {"workflow_id": "straight", "version": 1}
    assert (await server.post("/runs?wait=10", by_id, 201))["workflow_version"] == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"inputs": {}}, "/inputs"),
        ({"input": []}, "/input"),
        ({"config": "x"}, "/config"),
        ({"version": "1"}, "/version"),
        ({"version": 0}, "/version"),
        ({"version": 1.0}, "/version"),
        ({"tags": [1]}, "/tags/0"),
        ({"tags": "x"}, "/tags"),
        ({"metadata": 1}, "/metadata"),
    ],
)
async def test_a_body_that_does_not_fit_is_refused_with_its_places(server: Server, body: Any, path: str) -> None:
    problem = await server.refused("POST", "/workflows/straight/runs", 422, json=body)
    assert [fault["path"] for fault in problem["errors"]] == [path]


async def test_an_input_that_breaks_the_state_schema_starts_nothing(server: Server) -> None:
    wrong = await server.refused("POST", "/workflows/straight/runs", 422, json={"input": {"n": "x"}})
    assert (wrong["code"], [one["path"] for one in wrong["errors"]]) == ("state.invalid", ["/n"])
    unknown = await server.refused("POST", "/workflows/straight/runs", 422, json={"input": {"m": 1}})
    assert (unknown["code"], [one["path"] for one in unknown["errors"]]) == ("state.unknown_key", ["/m"])
    assert (await server.get("/runs"))["items"] == []


# ---- lists


async def listed(server: Server, query: str = "") -> list[str]:
    return [run["id"] for run in (await server.get(f"/runs?{query}"))["items"]]


async def test_lists_come_newest_first_without_what_is_large(server: Server) -> None:
    runs = [await started(server) for _ in range(3)]
    page = await server.get("/runs?limit=2")
    assert [run["id"] for run in page["items"]] == [runs[2]["id"], runs[1]["id"]]
    assert not {"state", "input", "output"} & page["items"][0].keys()
    rest = await server.get("/runs", params={"limit": 2, "cursor": page["next_cursor"]})
    assert ([run["id"] for run in rest["items"]], rest["next_cursor"]) == ([runs[0]["id"]], None)


async def test_lists_are_filtered(server: Server) -> None:
    done = await started(server, metadata={"who": "me", "n": 1}, tags=["x", "y"])
    asked = await started(server, "asking", metadata={"who": "you"}, tags=["x"])
    assert await listed(server, "status=completed") == [done["id"]]
    assert await listed(server, "status=completed,interrupted") == [asked["id"], done["id"]]
    assert await listed(server, "workflow_id=asking") == [asked["id"]]
    assert await listed(server, "tag=y") == [done["id"]]
    assert await listed(server, "metadata.who=you") == [asked["id"]]
    assert await listed(server, "metadata.who=me&metadata.n=1") == [done["id"]]
    assert await listed(server, "metadata.who=nobody") == []
    assert await listed(server, f"q={asked['id'][4:30]}") == [asked["id"]]
    assert await listed(server, "created_after=2020-01-01T00:00:00Z") == [asked["id"], done["id"]]
    assert await listed(server, "created_after=2999-01-01T00:00:00%2B02:00") == []


async def test_forks_are_found_by_their_parent(server: Server) -> None:
    parent = await started(server)
    fork = await server.post("/runs/fork", {"checkpoint_id": f"{parent['id']}.1"}, 201)
    assert await listed(server, f"parent_id={parent['id']}") == [fork["id"]]
    assert fork["forked_from"] == {"run_id": parent["id"], "checkpoint_id": f"{parent['id']}.1"}


@pytest.mark.parametrize(
    "query",
    [
        "sttus=failed", "status=lost", "status=", "limit=0", "limit=1001", "limit=x", "limit=1e9", "cursor=x",
        "cursor=%C3%A4", "created_after=yesterday", "created_after=2026-01-01", "created_after=1700000000",
        "created_after=2026-02-30T00:00:00Z", "created_after=2026-01-01T00:00:00", "metadata=x", "limit=" + "9" * 5000,
    ],
)  # fmt: skip
async def test_filters_that_mean_nothing_are_refused(server: Server, query: str) -> None:
    await server.refused("GET", f"/runs?{query}", 422)


# ---- one run


async def test_tasks_and_checkpoints_are_listed_in_pages(server: Server) -> None:
    run = await started(server)
    tasks = await server.get(f"/runs/{run['id']}/tasks")
    assert [task["node"] for task in tasks["items"]] == ["a"]
    task = await server.get(f"/runs/{run['id']}/tasks/{tasks['items'][0]['id']}")
    assert (task["node"], task["status"]) == ("a", "completed")
    first = await server.get(f"/runs/{run['id']}/checkpoints?limit=2")
    rest = await server.get(f"/runs/{run['id']}/checkpoints?limit=2&cursor={first['next_cursor']}&state=true")
    assert [found["kind"] for found in first["items"] + rest["items"]] == ["end", "node", "start"]
    assert (rest["next_cursor"], rest["items"][0]["state"]) == (None, {"n": 0})
    assert "state" not in first["items"][0]
    assert [found["kind"] for found in (await server.get(f"/runs/{run['id']}/checkpoints?node=a"))["items"]] == ["node"]
    one = await server.get(f"/runs/{run['id']}/checkpoints/{run['id']}.2")
    assert (one["node"], one["state"]) == ("a", {"n": 1})
    assert await server.get(f"/runs/{run['id']}/checkpoints/{run['id']}.1/state") == {"n": 0}


async def test_ids_that_name_nothing_are_not_found(server: Server) -> None:
    run, other = await started(server), await started(server)
    for path in (
        "/tasks/nothing", f"/checkpoints/{other['id']}.1", f"/checkpoints/{run['id']}.99", "/checkpoints/x",
        f"/checkpoints/{run['id']}.01/state", "/checkpoints?branch=nowhere",
    ):  # fmt: skip
        await server.refused("GET", f"/runs/{run['id']}{path}", 404)
    for path in ("", "/tasks", "/checkpoints", "/stream", "/tasks/x", "/checkpoints/x", "/checkpoints/x/state"):
        await server.refused("GET", f"/runs/nothing{path}", 404)


# ---- interrupts


async def test_a_resume_answers_the_interrupt(server: Server) -> None:
    run = await started(server, "asking")
    await server.refused("POST", f"/runs/{run['id']}/resume", 422, json={"resume": "many"})
    await server.post(f"/runs/{run['id']}/resume", {"resume": 3})
    assert (await server.settled(run["id"]))["state"] == {"answer": 3}
    await server.refused("POST", f"/runs/{run['id']}/resume", 409, json={"resume": 3})


async def test_the_inbox_shows_what_is_open_and_takes_answers(server: Server) -> None:
    run = await started(server, "asking")
    [asked] = (await server.get("/interrupts?status=open"))["items"]
    assert (asked["run_id"], asked["node"], asked["kind"]) == (run["id"], "ask", "node")
    assert (await server.get(f"/interrupts/{asked['id']}"))["message"] == "how many?"
    await server.post(f"/interrupts/{asked['id']}/resume", {"resume": 5})
    assert (await server.settled(run["id"]))["state"] == {"answer": 5}
    assert (await server.get("/interrupts?status=open"))["items"] == []
    assert [found["status"] for found in (await server.get("/interrupts"))["items"]] == ["resolved"]
    closed = {"json": {"resume": 5}}
    assert (await server.refused("POST", f"/interrupts/{asked['id']}/resume", 409, **closed))["code"] == (
        "interrupt.closed"
    )
    await server.refused("GET", "/interrupts/nothing", 404)
    await server.refused("POST", "/interrupts/nothing/resume", 404, json={})
    await server.refused("GET", "/interrupts?status=lost", 422)


async def test_somebody_looks_after_an_interrupt_until_it_is_released(server: Server) -> None:
    run = await started(server, "asking")
    path = f"/interrupts/{run['interrupts'][0]['id']}"

    claimed = await server.post(f"{path}/claim", {"assignee": "ann"})
    taken = await server.refused("POST", f"{path}/claim", 409, json={"assignee": "bob"})
    hers = await server.get("/interrupts?status=open&assignee=ann")
    nobodys = await server.get(f"/interrupts?claimed=false&run_id={run['id']}")
    released = await server.call("DELETE", f"{path}/claim")

    assert (claimed["assignee"], taken["code"]) == ("ann", "interrupt.claimed")
    assert ([found["id"] for found in hers["items"]], nobodys["items"]) == ([claimed["id"]], [])
    assert (released["assignee"], released["claimed_at"]) == (None, None)
    await server.refused("POST", "/interrupts/nothing/claim", 404, json={"assignee": "ann"})
    await server.refused("POST", f"{path}/claim", 422, json={})


# ---- forks, ends


async def test_a_fork_runs_on_from_its_checkpoint(server: Server) -> None:
    run = await started(server)
    made = await server.post(f"/runs/{run['id']}/fork", {"checkpoint_id": f"{run['id']}.1", "updates": {"n": 10}}, 201)
    assert (await server.settled(made["id"]))["state"] == {"n": 11}


async def test_a_fork_that_cannot_be_is_refused(server: Server) -> None:
    run, other = await started(server), await started(server)
    path = f"/runs/{run['id']}/fork"
    await server.refused("POST", path, 422, json={})
    for checkpoint in ("x", f"{other['id']}.1", f"{run['id']}.99", f"{run['id']}.0"):
        await server.refused("POST", path, 404, json={"checkpoint_id": checkpoint})
    await server.refused("POST", "/runs/fork", 404, json={"checkpoint_id": "nothing.1"})
    start = {"checkpoint_id": f"{run['id']}.1"}
    for field in ("reuse", "reuse_interrupts"):
        problem = await server.refused("POST", path, 422, json={**start, field: "x"})
        assert (problem["code"], problem["errors"][0]["path"]) == ("request.invalid", f"/{field}")
    assert (await server.refused("POST", path, 422, json={**start, "updates": {"m": 1}}))["code"] == "state.unknown_key"
    end = {"checkpoint_id": run["latest_checkpoint_id"]}
    assert (await server.refused("POST", path, 409, json=end))["code"] == "fork.nothing_left"


async def test_a_cancelled_run_stays_cancelled(server: Server) -> None:
    run = await started(server, "asking")
    assert (await server.post(f"/runs/{run['id']}/cancel", {}))["status"] == "cancelled"
    assert (await server.refused("POST", f"/runs/{run['id']}/cancel", 409))["code"] == "run.terminal"
    await server.refused("POST", f"/runs/{run['id']}/cancel", 422, json={"why": "x"})
    await server.refused("POST", "/runs/nothing/cancel", 404)


async def test_what_was_open_in_a_cancelled_run_is_shown_as_cancelled(server: Server) -> None:
    run = await started(server, "asking")
    cancelled = await server.post(f"/runs/{run['id']}/cancel", {})
    assert {found["status"] for found in cancelled["interrupts"]} == {"cancelled"}
    assert {found["status"] for found in cancelled["tasks"]} == {"cancelled"}


async def test_a_run_is_deleted_when_it_is_over_and_has_no_forks(server: Server) -> None:
    run = await started(server, "asking")
    assert (await server.refused("DELETE", f"/runs/{run['id']}", 409))["code"] == "run.active"
    fork = await server.post("/runs/fork", {"checkpoint_id": f"{run['id']}.2"}, 201)
    for found in (run, fork):
        await server.post(f"/runs/{found['id']}/cancel")
    assert (await server.refused("DELETE", f"/runs/{run['id']}", 409))["code"] == "run.has_forks"
    for found in (fork, run):
        await server.call("DELETE", f"/runs/{found['id']}", 204)
        await server.refused("GET", f"/runs/{found['id']}", 404)
    await server.refused("DELETE", f"/runs/{run['id']}", 404)
