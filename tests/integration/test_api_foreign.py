"""Documents of other systems over HTTP: taken in whole with a report, told without being saved, refused whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.foreign import convert, formats
from tests.unit.api.serving import Server, straight
from tests.unit.importers.samples import FORMATS, NAMES, container, sample

PATH = "/workflows/import"


def broken() -> dict[str, Any]:
    """A document that comes in with one part that cannot be read, and a cycle that never ends."""
    found = sample("shipsec")
    back = {"source": "page", "target": "page", "edgeType": "normal"}
    return {**found, "id": "broken", "edges": [*found["edges"], back, {"source": "page", "target": "nobody"}]}


@pytest.mark.parametrize("name", NAMES)
async def test_a_sample_is_saved_as_a_workflow(server: Server, name: str) -> None:
    response = await server.http.post(PATH, json=sample(name))
    made = response.json()
    assert response.status_code == 201, made
    assert (made["report"]["format"], made["report"]["valid"]) == (FORMATS[name], True)
    assert made["report"]["counts"]["mapped"] == len(made["report"]["mapped"]) > 0
    assert response.headers["location"] == f"/v1/workflows/{made['workflow']['id']}"
    assert response.headers["etag"] == '"1"'
    assert made["document"] == convert(sample(name)).document
    assert made["workflow"] == await server.get(f"/workflows/{made['workflow']['id']}")
    assert made["workflow"]["definition"] == made["document"]


async def test_a_dry_run_saves_nothing(server: Server) -> None:
    told = await server.post(f"{PATH}?dry_run=true", sample("astraflow"))
    assert told["workflow"] is None
    assert told["report"]["valid"]
    assert (await server.get("/workflows"))["items"] == []
    assert (await server.post(f"{PATH}?dry_run=true", broken()))["report"]["valid"] is False


async def test_what_is_not_valid_is_refused_with_the_whole_report(server: Server) -> None:
    problem = await server.refused("POST", PATH, 422, json=broken())
    assert problem["code"] == "import.invalid"
    assert [(fault["code"], fault["path"]) for fault in problem["errors"]] == [
        ("format.unreadable", "/edges/8"), ("cycle.unbounded", problem["report"]["errors"][0]["path"]),
    ]  # fmt: skip
    assert problem["report"] == (await server.post(f"{PATH}?dry_run=true", broken()))["report"]
    assert (await server.get("/workflows"))["items"] == []


async def test_a_format_can_be_named(server: Server) -> None:
    plain = {"id": "p", "nodes": [{"id": "a", "type": "go"}], "edges": []}
    assert (await server.refused("POST", PATH, 422, json=plain))["code"] == "format.unknown"
    assert (await server.refused("POST", f"{PATH}?format=visio", 422, json=plain))["code"] == "format.unknown"
    made = await server.post(f"{PATH}?format=flow_builder", plain, 201)
    assert made["document"]["nodes"]["a"]["worker_tags"] == ["go"]


async def test_a_server_says_which_formats_it_reads(server: Server) -> None:
    assert (await server.get("/admin/info"))["import_formats"] == list(formats())


async def test_an_id_can_be_given_and_a_taken_one_is_a_conflict(server: Server) -> None:
    await server.post(PATH, sample("shipsec"), 201)
    assert (await server.refused("POST", PATH, 409, json=sample("shipsec")))["code"] == "workflow.exists"
    made = await server.post(f"{PATH}?id=other", sample("shipsec"), 201)
    assert (made["workflow"]["id"], made["document"]["id"]) == ("other", "other")
    assert (await server.refused("POST", f"{PATH}?id=a/b", 422, json=sample("shipsec")))["code"] == "import.invalid"


async def test_workflows_that_it_runs_are_copied_into_it(server: Server) -> None:
    node = container("c", "")
    node["parameters"]["__container"] = {"workflowId": "straight"}
    document = {"id": "w", "schemaVersion": "2025-10", "nodes": [node], "edges": []}
    assert (await server.refused("POST", PATH, 422, json=document))["errors"][0]["code"] == "subgraph.unknown"
    await server.post("/workflows", straight(), 201)
    made = await server.post(PATH, document, 201)
    assert list(made["workflow"]["definition"]["subgraphs"]) == ["straight@1"]


async def test_the_same_key_makes_one_workflow(server: Server) -> None:
    options = {"json": sample("shipsec"), "headers": {"Idempotency-Key": "k"}}
    first = await server.call("POST", PATH, 201, **options)
    assert await server.call("POST", PATH, 201, **options) == first


@pytest.mark.parametrize("body", [b"null", b"[]", b"3", b'"text"'])
async def test_what_is_no_document_is_refused(server: Server, body: bytes) -> None:
    assert (await server.refused("POST", PATH, 422, content=body))["code"] == "format.unreadable"


async def test_a_large_document_comes_in_whole(server: Server) -> None:
    nodes = [{"id": f"n{place}", "componentId": "c"} for place in range(1000)]
    edges = [{"source": f"n{n}", "target": f"n{n + 1}", "edgeType": "normal"} for n in range(999)]
    made = await server.post(PATH, {"id": "large", "nodes": nodes, "edges": edges}, 201)
    assert made["report"]["counts"]["mapped"] == 1999
    assert len(made["report"]["mapped"]) == 500


async def test_a_large_document_keeps_nobody_waiting(server: Server) -> None:
    nodes = [{"id": f"n{place}", "componentId": "c"} for place in range(1000)]
    asked = asyncio.create_task(server.post(f"{PATH}?dry_run=true&format=shipsec", {"nodes": nodes}))
    answered = 0
    while not asked.done():
        await asyncio.sleep(0)  # as a socket would
        await server.get("/workflows")
        answered += 1
    assert answered > 2


async def test_an_imported_workflow_is_run_by_workers_with_the_tags_of_its_types(server: Server, worker: Any) -> None:
    document = {"id": "p", "nodes": [{"id": "a", "componentId": "core.a"}, {"id": "b", "componentId": "core.b"}],
                "edges": [{"source": "a", "target": "b", "edgeType": "normal", "targetHandle": "x"}]}  # fmt: skip
    await server.post(PATH, document, 201)
    body = {"id": "w", "protocol": "webhook", "url": worker.url, "tags": ["core.a", "core.b"]}
    await server.post("/workers", body, 201)
    run = await server.post("/workflows/p/runs?wait=5", {"input": {"inputs": {"n": 1}}}, 201)
    assert run["status"] == "completed"
    assert run["state"] == {"inputs": {"n": 1}, "a": "done", "b": "done"}


async def test_a_stored_workflow_is_drawn_for_graphviz(server: Server) -> None:
    await server.post(PATH, sample("astraflow") | {"id": "w"}, 201)
    response = await server.http.get("/workflows/w/dot")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert response.text.startswith("digraph workflow {")
    assert response.text.count("subgraph cluster_") == 2
    await server.refused("GET", "/workflows/nobody/dot", 404)
