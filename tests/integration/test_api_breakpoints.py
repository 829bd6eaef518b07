"""Breakpoints over HTTP: set per run, listed in the inbox, passed by a resume."""

from __future__ import annotations

from typing import Any

from tests.unit.api.serving import Server, straight

DOCUMENTS = (straight(interrupt_before=["a"]),)


async def started(server: Server, status: int = 201, **body: Any) -> Any:
    return await server.post("/workflows/straight/runs?wait=10", body, status)


async def test_a_run_stops_at_the_breakpoint_of_its_workflow_and_goes_on(server: Server) -> None:
    run = await started(server)
    (found,) = (await server.get("/interrupts", params={"status": "open"}))["items"]

    await server.post(f"/interrupts/{found['id']}/resume", {"resume": None})
    after = await server.settled(run["id"])

    assert (run["status"], run["state"], run["tasks"]) == ("interrupted", {"n": 0}, [])
    assert (found["kind"], found["node"], found["run_id"]) == ("breakpoint", "a", run["id"])
    assert (after["status"], after["state"], after["interrupts"]) == ("completed", {"n": 1}, [])


async def test_a_run_may_have_breakpoints_of_its_own(server: Server) -> None:
    run = await started(server, interrupt_before=[], interrupt_after=["a"])

    fork = await server.post(f"/runs/{run['id']}/fork", {"checkpoint_id": f"{run['id']}.1"}, 201)
    forked = await server.settled(fork["id"])

    assert (run["status"], run["state"]) == ("interrupted", {"n": 1})
    assert (forked["status"], forked["state"]) == ("interrupted", {"n": 1})


async def test_a_breakpoint_at_no_node_is_refused(server: Server) -> None:
    problem = await server.refused("POST", "/workflows/straight/runs", 422, json={"interrupt_after": ["ghost"]})
    document = straight("other", interrupt_before=["ghost"])
    saved = await server.refused("POST", "/workflows", 422, json=document)

    assert problem["code"] == "breakpoint.unknown_node"
    assert [(found["code"], found["path"]) for found in saved["errors"]] == [("reference.name", "/interrupt_before/0")]


INSIDE = {
    "id": "inside",
    "state_schema": {"n": {"type": "integer", "default": 0}},
    "nodes": {
        "part": {
            "type": "subgraph",
            "definition": {"nodes": straight()["nodes"], "edges": straight()["edges"], "state_schema": {"n": {}}},
            "output_mapping": {"n": "n"},
        }
    },
    "edges": [["__start__", "part"], ["part", "__end__"]],
}


async def test_a_run_may_stop_at_a_node_of_a_graph_inside(server: Server) -> None:
    await server.post("/workflows", INSIDE, 201)
    run = await server.post("/workflows/inside/runs?wait=10", {"interrupt_before": ["part/a"]}, 201)
    (found,) = (await server.get("/interrupts", params={"status": "open"}))["items"]
    await server.post(f"/interrupts/{found['id']}/resume", {"resume": None})
    after = await server.settled(run["id"])

    assert (run["status"], found["kind"], found["node"]) == ("interrupted", "breakpoint", "a")
    assert (after["status"], after["state"]) == ("completed", {"n": 1})
    traced = (await server.get(f"/runs/{run['id']}/trace"))["items"]
    assert [one["kind"] for item in traced for one in item["interrupts"]] == ["breakpoint"]


async def test_a_path_to_no_node_is_refused(server: Server) -> None:
    await server.post("/workflows", INSIDE, 201)
    body = {"interrupt_after": ["part/ghost"]}
    problem = await server.refused("POST", "/workflows/inside/runs", 422, json=body)

    assert (problem["code"], "part/ghost" in problem["detail"]) == ("breakpoint.unknown_node", True)
