"""Workflows over HTTP: versions, conditions, archives, inline documents, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.unit.api.serving import Server, a_server, asking, broken, straight, working


async def test_a_new_workflow_is_version_one(server: Server) -> None:
    response = await server.http.post("/workflows", json=straight(name="Straight", tags=["x"]))
    made = response.json()
    assert (response.status_code, response.headers["etag"]) == (201, '"1"')
    assert response.headers["location"] == "/v1/workflows/straight"
    assert (made["version"], made["status"], made["source"], made["name"]) == (1, "active", "api", "Straight")
    assert made["definition"] == straight(name="Straight", tags=["x"])
    assert await server.get("/workflows/straight") == made


async def test_a_taken_id_is_a_conflict(server: Server) -> None:
    await server.post("/workflows", straight(), 201)
    assert (await server.refused("POST", "/workflows", 409, json=straight()))["code"] == "workflow.exists"


async def test_a_document_with_errors_is_not_saved(server: Server) -> None:
    problem = await server.refused("POST", "/workflows", 422, json=broken())
    assert problem["code"] == "workflow.invalid"
    assert [(fault["code"], fault["severity"]) for fault in problem["errors"]] == [("edge.node", "error")]
    await server.refused("GET", "/workflows/broken", 404)


async def test_a_document_without_an_id_is_refused_with_all_its_problems(server: Server) -> None:
    document = broken()
    del document["id"]
    problem = await server.refused("POST", "/workflows", 422, json=document)
    assert [fault["code"] for fault in problem["errors"]] == ["document.field", "edge.node"]


@pytest.mark.parametrize("document", [None, [1], "text", 7])
async def test_a_document_that_is_no_object_is_refused(server: Server, document: object) -> None:
    problem = await server.refused("POST", "/workflows", 422, content=orjson.dumps(document))
    assert problem["code"] == "workflow.invalid"


async def test_every_change_makes_a_version_and_the_same_document_none(server: Server) -> None:
    await server.post("/workflows", straight(), 201)
    assert (await server.call("PUT", "/workflows/straight", json=straight()))["version"] == 1
    assert (await server.call("PUT", "/workflows/straight", json=straight(name="new")))["version"] == 2
    listed = await server.get("/workflows/straight/versions?limit=1")
    assert [row["version"] for row in listed["items"]] == [2]
    rest = await server.get(f"/workflows/straight/versions?cursor={listed['next_cursor']}")
    assert ([row["version"] for row in rest["items"]], rest["next_cursor"]) == ([1], None)
    assert (await server.get("/workflows/straight/versions/1"))["name"] is None


async def test_a_document_whose_nodes_stand_in_another_order_is_another_one(server: Server) -> None:
    two = straight(
        nodes={"a": {"type": "transform", "updates": {"n": 1}}, "b": {"type": "transform", "updates": {"n": 2}}},
        edges=[["__start__", "a"], ["a", "b"], ["b", "__end__"]],
    )
    await server.post("/workflows", two, 201)
    turned = {**two, "nodes": dict(reversed(two["nodes"].items()))}
    assert (await server.call("PUT", "/workflows/straight", json=turned))["version"] == 2


async def test_a_change_of_a_version_that_is_not_the_newest_is_refused(server: Server) -> None:
    await server.post("/workflows", straight(), 201)
    await server.call("PUT", "/workflows/straight", json=straight(name="2"), headers={"If-Match": '"1"'})
    changed = {"json": straight(name="3"), "headers": {"If-Match": '"1"'}}
    assert (await server.refused("PUT", "/workflows/straight", 412, **changed))["code"] == "workflow.changed"
    assert (await server.get("/workflows/straight"))["version"] == 2
    await server.call("PUT", "/workflows/straight", json=straight(name="3"), headers={"If-Match": 'W/"2", "9"'})


async def test_the_id_of_a_change_is_that_of_the_path(server: Server) -> None:
    await server.post("/workflows", straight(), 201)
    problem = await server.refused("PUT", "/workflows/straight", 422, json=straight("other"))
    assert problem["errors"][0]["path"] == "/id"
    document = straight(name="no id")
    del document["id"]
    assert (await server.call("PUT", "/workflows/straight", json=document))["definition"]["id"] == "straight"
    await server.refused("PUT", "/workflows/unknown", 404, json=straight("unknown"))


async def test_a_deleted_workflow_is_gone_and_its_runs_stay(server: Server) -> None:
    await server.post("/workflows", straight(), 201)
    run = await server.post("/workflows/straight/runs?wait=5", {}, 201)
    await server.call("DELETE", "/workflows/straight", 204)
    for path in ("", "/versions", "/versions/1", "/mermaid"):
        await server.refused("GET", f"/workflows/straight{path}", 404)
    await server.refused("DELETE", "/workflows/straight", 404)
    await server.refused("POST", "/workflows/straight/runs", 404, json={})
    assert (await server.get(f"/runs/{run['id']}"))["state"] == {"n": 1}
    assert (await server.get("/workflows"))["items"] == []
    assert [row["id"] for row in (await server.get("/workflows?status=archived"))["items"]] == ["straight"]


async def test_an_id_that_was_deleted_goes_on_with_its_versions(server: Server) -> None:
    await server.post("/workflows", straight(), 201)
    await server.call("DELETE", "/workflows/straight", 204)
    again = await server.post("/workflows", straight(), 201)
    assert (again["version"], again["status"]) == (2, "active")


async def test_lists_are_filtered(server: Server) -> None:
    for name, tags in (("one", ["x"]), ("two", ["x", "y"]), ("three", [])):
        await server.post("/workflows", straight(name, tags=tags, name=f"The {name}"), 201)

    async def ids(query: str) -> list[str]:
        return sorted(row["id"] for row in (await server.get(f"/workflows?{query}"))["items"])

    assert await ids("tag=x") == ["one", "two"]
    assert await ids("q=thr") == ["three"]
    assert await ids("q=the+two") == ["two"]
    assert await ids("status=draft") == []
    await server.refused("GET", "/workflows?status=lost", 422)


@pytest.mark.parametrize("version", ["0", "2", "-1", "x", "1.0", "9" * 30, "¹"])
async def test_a_version_that_is_none_is_not_found(server: Server, version: str) -> None:
    await server.post("/workflows", straight(), 201)
    await server.refused("GET", f"/workflows/straight/versions/{version}", 404)


async def test_validation_tells_errors_and_draws_what_is_valid(server: Server) -> None:
    good = await server.post("/workflows/validate", straight())
    assert (good["valid"], good["errors"], good["warnings"]) == (True, [], [])
    assert "a" in good["mermaid"]
    bad = await server.post("/workflows/validate", broken())
    assert (bad["valid"], bad["mermaid"], [fault["code"] for fault in bad["errors"]]) == (False, None, ["edge.node"])
    for document in ("null", "1", "[]"):
        response = await server.http.post("/workflows/validate", content=document)
        assert (response.status_code, response.json()["valid"]) == (200, False)


async def test_a_node_whose_worker_is_missing_is_warned_of(server: Server) -> None:
    document = working()
    inner = {name: document[name] for name in ("state_schema", "nodes", "edges")}
    document["nodes"] = {**document["nodes"], "part": {"type": "subgraph", "subgraph": "inner"}}
    document["edges"] = [*document["edges"], ["__start__", "part"], ["part", "__end__"]]
    await server.post("/workflows", {**document, "subgraphs": {"inner": inner}}, 201)
    report = await server.post("/workflows/working/validate")
    assert (report["valid"], [(found["code"], found["path"]) for found in report["warnings"]]) == (
        True, [("worker.missing", "/nodes/job"), ("worker.missing", "/subgraphs/inner/nodes/job")],
    )  # fmt: skip
    worker = {"id": "w1", "url": "http://127.0.0.1:9/w", "protocol": "webhook", "tags": ["w", "x"]}
    await server.post("/workers", worker, 201)
    assert (await server.post("/workflows/working/validate"))["warnings"] == []


async def test_a_stored_workflow_is_validated_and_drawn(server: Server) -> None:
    await server.post("/workflows", straight(), 201)
    assert (await server.post("/workflows/straight/validate"))["valid"] is True
    drawing = await server.http.get("/workflows/straight/mermaid")
    assert drawing.headers["content-type"] == "text/plain; charset=utf-8"
    assert "a" in drawing.text


async def test_an_inline_document_is_kept_under_an_id_of_its_own(server: Server) -> None:
    document: dict[str, Any] = straight()
    del document["id"]
    first = await server.post("/runs?wait=5", {"workflow": document}, 201)
    second = await server.post("/runs?wait=5", {"workflow": document, "input": {"n": 2}}, 201)
    assert (first["status"], first["state"], second["state"]) == ("completed", {"n": 1}, {"n": 3})
    assert (first["workflow_id"], first["workflow_version"]) == (second["workflow_id"], second["workflow_version"])
    assert (await server.get(f"/workflows/{first['workflow_id']}"))["version"] == 1


async def test_an_inline_document_with_an_id_is_the_workflow_of_that_id(server: Server) -> None:
    await server.post("/workflows", straight(), 201)
    run = await server.post("/runs", {"workflow": straight()}, 201)
    assert (run["workflow_id"], run["workflow_version"]) == ("straight", 1)
    other = {"workflow": straight(name="other")}
    assert (await server.refused("POST", "/runs", 409, json=other))["code"] == "workflow.exists"
    await server.refused("POST", "/runs", 422, json={"workflow": broken()})
    await server.refused("GET", "/workflows/broken", 404)


@pytest.mark.parametrize(
    "body", [{}, {"workflow_id": "a", "workflow": {}}, {"workflow": {}, "version": 1}, {"workflow_id": ""}, []]
)
async def test_a_start_names_one_workflow(server: Server, body: object) -> None:
    await server.refused("POST", "/runs", 422, json=body)


# ---- files


def written(folder: Path, name: str, document: object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(orjson.dumps(document))


async def test_files_are_loaded_and_belong_to_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    written(folder, "one.json", straight("one"))
    no_id = asking()
    del no_id["id"]
    written(folder, "two.json", no_id)
    written(folder, "bad.json", broken("bad"))
    (folder / "torn.json").write_text("{")
    async with a_server(tmp_path, workflows=folder) as server:
        assert sorted(row["id"] for row in (await server.get("/workflows"))["items"]) == ["one", "two"]
        assert (await server.get("/workflows/one"))["source"] == "file"
        change = {"json": straight("one", name="x")}
        assert (await server.refused("PUT", "/workflows/one", 409, **change))["code"] == "workflow.file_owned"
        assert (await server.refused("DELETE", "/workflows/two", 409))["code"] == "workflow.file_owned"


async def test_a_changed_file_is_a_new_version_and_the_same_one_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    written(folder, "one.json", straight("one"))
    async with a_server(tmp_path, workflows=folder):
        pass
    async with a_server(tmp_path, workflows=folder) as server:
        assert (await server.get("/workflows/one"))["version"] == 1
    written(folder, "one.json", straight("one", name="changed"))
    async with a_server(tmp_path, workflows=folder) as server:
        assert (await server.get("/workflows/one"))["version"] == 2
        assert (await server.get("/workflows/one/versions/1"))["name"] is None


async def test_a_workflow_whose_file_is_gone_can_be_changed_again(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    written(folder, "one.json", straight("one"))
    async with a_server(tmp_path, workflows=folder):
        pass
    async with a_server(tmp_path) as server:
        assert (await server.call("PUT", "/workflows/one", json=straight("one", name="x")))["source"] == "api"


async def test_of_two_files_with_one_id_the_first_counts(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    written(folder, "a.json", straight("one", name="first"))
    written(folder, "b.json", straight("one", name="second"))
    async with a_server(tmp_path, workflows=folder) as server:
        row = await server.get("/workflows/one")
        assert (row["name"], row["version"]) == ("first", 1)


# ---- how its runs fare


async def test_statistics_count_the_runs_of_all_versions_by_their_status(server: Server) -> None:
    await server.post("/workflows", asking(), 201)
    for _ in range(3):
        run = await server.post("/workflows/asking/runs?wait=10", {}, 201)
        await server.post(f"/runs/{run['id']}/resume", {"resume": 1})
        await server.settled(run["id"])
    await server.call("PUT", "/workflows/asking", json={**asking(), "name": "Second"})
    waits, left = [await server.post("/workflows/asking/runs?wait=10", {}, 201) for _ in range(2)]
    await server.post(f"/runs/{left['id']}/cancel", {})
    found = await server.get("/workflows/asking/statistics")
    counts = {"queued": 0, "running": 0, "interrupted": 1, "completed": 3, "failed": 0, "cancelled": 1}
    assert (found["workflow_id"], found["runs"], found["by_status"]) == ("asking", 5, counts)
    assert found["last_run_at"] == max(waits["created_at"], left["created_at"])


async def test_statistics_tell_how_the_last_runs_went(server: Server) -> None:
    document = straight("halves", state_schema={"n": {"type": "integer"}, "half": {"type": "integer"}})
    document["nodes"]["a"]["updates"] = {"half": {"$expr": "10 / state.n"}}
    await server.post("/workflows", document, 201)
    made = [await server.post("/workflows/halves/runs?wait=10", {"input": {"n": n}}, 201) for n in (0, 1, 2, 5)]
    recent = (await server.get("/workflows/halves/statistics"))["recent"]
    assert (recent["runs"], recent["success_rate"]) == (4, 0.75)
    assert recent["since"] == min(run["finished_at"] for run in made)
    assert 0 <= recent["duration_ms"]["p50"] <= recent["duration_ms"]["p95"] <= recent["duration_ms"]["max"]


async def test_statistics_of_a_workflow_without_runs_say_so(server: Server) -> None:
    await server.post("/workflows", straight(), 201)
    found = await server.get("/workflows/straight/statistics")
    assert (found["runs"], found["last_run_at"]) == (0, None)
    assert found["recent"] == {"runs": 0, "since": None, "success_rate": None, "duration_ms": None}
    await server.refused("GET", "/workflows/ghost/statistics", 404)
