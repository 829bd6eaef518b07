"""Artifacts over HTTP: sent, fetched, listed, kept for a while; and outputs that are too large for a state."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from api.inbound import Inbound
from api.wiring import clock
from engine.artifacts import HOLD_MS
from engine.model import RunId, TaskId
from engine.verify import verify_run
from tests.unit.api.serving import Server, a_server, straight, working
from tests.unit.dispatch.builders import HttpWorker, answer

DAY_MS = 24 * 3600 * 1000
MANY = ["é" * 50] * 4000
"""Some 400 KB of JSON."""
TEXT = b'["' + b'","'.join(["é".encode() * 50] * 4000) + b'"]'
NAME = hashlib.sha256(TEXT).hexdigest()
REF = {"ref": f"artifact:sha256:{NAME}", "media_type": "application/json", "size": len(TEXT), "sha256": NAME}


def of_node(workflow_id: str, **fields: Any) -> dict[str, Any]:
    document = working(workflow_id)
    document["nodes"]["job"].update(fields)
    return document


def then(workflow_id: str = "chain") -> dict[str, Any]:
    """A worker whose output goes to a second one."""
    job = {"type": "task", "worker_tags": ["w"]}
    return {
        "id": workflow_id,
        "state_schema": {"out": {}, "last": {}},
        "nodes": {
            "a": {**job, "output_key": "out", "output_schema": {"type": "array", "items": {"type": "string"}}},
            "b": {**job, "reads": ["out"], "output_key": "last"},
        },
        "edges": [["__start__", "a"], ["a", "b"], ["b", "__end__"]],
    }


def mapped() -> dict[str, Any]:
    """A workflow that takes a part of an output."""
    document = working("mapped")
    del document["nodes"]["job"]["output_key"]
    document["nodes"]["job"]["output_mapping"] = {"out": "many"}
    return document


TYPED: dict[str, Any] = {"typed": {}, "sized": {"maxItems": 10**6}}
DOCUMENTS = (
    working(),
    straight(),
    then(),
    of_node("strict", output_schema={"type": "array", "maxItems": 10}),
    mapped(),
    *({**of_node(name), "state_schema": {"out": {"type": "array", **more}}} for name, more in TYPED.items()),
    of_node("cached", cache={"ttl_ms": 60_000}),
)


async def send(server: Server, content: bytes, path: str = "/artifacts", **headers: str) -> Any:
    found = await server.http.post(path, content=content, headers={"Content-Type": "text/plain", **headers})
    assert found.status_code == 201, found.text
    return found.json()


def tasks_of(worker: HttpWorker) -> list[Any]:
    """The tasks that a worker was sent."""
    return [seen.body for seen in worker.seen if seen.method == "POST"]


async def with_worker(server: Server, worker: HttpWorker, *bodies: Any) -> None:
    worker.script = [answer(body) for body in bodies]
    await server.post("/workers", {"id": "w1", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)


async def run(server: Server, workflow: str, status: str = "completed", **given: Any) -> Any:
    found = await server.post(f"/workflows/{workflow}/runs?wait=20", given, 201)
    assert found["status"] == status, found
    return found


# ---- sending and fetching


async def test_what_is_sent_is_fetched_as_it_was(server: Server) -> None:
    made = await send(server, b"hello")

    assert made["sha256"] == hashlib.sha256(b"hello").hexdigest()
    assert (made["ref"], made["size"], made["media_type"]) == (f"artifact:sha256:{made['sha256']}", 5, "text/plain")
    found = await server.http.get(f"/artifacts/{made['sha256']}")
    assert (found.status_code, found.content) == (200, b"hello")
    head = found.headers
    assert (head["content-type"], head["etag"]) == ("text/plain", f'"{made["sha256"]}"')
    assert (head["content-length"], head["x-content-type-options"]) == ("5", "nosniff")
    assert head["content-disposition"].startswith("attachment;")
    again = await send(server, b"hello")
    assert again == {**made, "expires_at": again["expires_at"]}
    assert again["expires_at"] >= made["expires_at"]


@pytest.mark.parametrize("size", [1000, 3_000_000])
async def test_a_part_is_fetched_alone(server: Server, size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    path = f"/artifacts/{(await send(server, content))['sha256']}"

    part = await server.http.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{size}"
    rest = await server.http.get(path, headers={"Range": f"bytes={size - 5}-"})
    assert rest.content == content[-5:]
    other = await server.http.get(path, headers={"Range": "bytes=0-1", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, content)
    refused = await server.refused("GET", path, 416, headers={"Range": f"bytes={size}-"})
    assert refused["code"] == "artifact.range"


async def test_head_and_conditions(server: Server) -> None:
    made = await send(server, b"hello")
    path = f"/artifacts/{made['sha256']}"

    head = await server.http.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5")
    same = await server.http.get(path, headers={"If-None-Match": f'"x", "{made["sha256"]}"'})
    assert (same.status_code, same.content) == (304, b"")


async def test_an_empty_one_is_one_too(server: Server) -> None:
    made = await send(server, b"")
    found = await server.http.get(f"/artifacts/{made['sha256']}")
    assert (found.status_code, found.content, made["size"]) == (200, b"", 0)


async def test_what_is_wrong_is_refused(tmp_path: Path) -> None:
    async with a_server(tmp_path, max_artifact_bytes=1024) as server:
        large = await server.refused("POST", "/artifacts", 413, content=b"x" * 1025)
        assert large["code"] == "request.too_large"

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"x" * 512

        assert (await server.refused("POST", "/artifacts", 413, content=parts()))["code"] == "request.too_large"
        odd = await server.refused("POST", "/artifacts", 415, content=b"x", headers={"Content-Type": "odd"})
        assert odd["code"] == "request.media_type"
        assert (await server.refused("POST", "/artifacts?ttl=0", 422, content=b"x"))["code"] == "request.invalid"
        assert (await server.refused("GET", f"/artifacts/{NAME}", 404))["code"] == "not_found"
        assert (await server.get("/artifacts"))["items"] == []


async def test_they_are_listed_touched_and_deleted(server: Server) -> None:
    first = await send(server, b"1", "/artifacts?ttl=60")
    second = await send(server, b"2", "/artifacts?ttl=60")

    page = await server.get("/artifacts?limit=1")
    assert page["items"] == [second]
    assert (await server.get(f"/artifacts?cursor={page['next_cursor']}"))["items"] == [first]
    longer = await server.post(f"/artifacts/{first['sha256']}/touch?ttl=7200")
    assert longer["expires_at"] > first["expires_at"]
    await server.call("DELETE", f"/artifacts/{second['sha256']}", 204)
    await server.refused("DELETE", f"/artifacts/{second['sha256']}", 404)
    assert await server.wired.store.collect_artifacts(clock() + 3_600_000) == 0
    assert await server.wired.store.collect_artifacts(clock() + 7_300_000) == 1


async def test_a_hundred_megabytes_come_and_go_in_little_memory(server: Server) -> None:
    block, blocks = bytes(range(256)) * 4096, 100
    digest = hashlib.sha256()

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(blocks):
            digest.update(block)
            yield block

    tracemalloc.start()
    try:
        made = (await server.http.post("/artifacts", content=parts())).json()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (made["size"], made["sha256"]) == (blocks * len(block), digest.hexdigest())
    assert peak < 16 * len(block)
    seen = hashlib.sha256()
    async for part in server.wired.store.read_artifact(made["sha256"], 0, made["size"] - 1):
        seen.update(part)
    assert seen.hexdigest() == made["sha256"]


# ---- who may


async def test_a_worker_sends_and_fetches_with_the_token_of_its_task(tmp_path: Path, worker: HttpWorker) -> None:
    async with a_server(tmp_path, token="t0ken") as server:
        server.http.headers["Authorization"] = "Bearer t0ken"
        await server.post("/workflows", working(), 201)
        worker.script = [answer({}, status=202)]
        await server.post("/workers", {"id": "w1", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
        started = await server.post("/workflows/working/runs", {}, 201)
        await worker.until(lambda: len(tasks_of(worker)) == 1)
        task = tasks_of(worker)[0]
        token = parse_qs(urlsplit(task["reply_to"]).query)["token"][0]
        del server.http.headers["Authorization"]

        await server.refused("POST", "/artifacts", 401, content=b"x")
        await server.refused("POST", f"/artifacts?task_id=other&token={token}", 403, content=b"x")
        await server.refused("POST", f"/artifacts?token={token}", 403, content=b"x")
        made = await send(server, b"mine", f"/artifacts?task_id={task['task_id']}", **{"X-Clew-Token": token})
        path = f"/artifacts/{made['sha256']}"
        await server.refused("GET", path, 401)
        assert (await server.http.get(f"{path}?task_id={task['task_id']}&token={token}")).content == b"mine"
        for method, guarded in (("GET", "/artifacts"), ("DELETE", f"{path}?token={token}")):
            await server.refused(method, guarded, 401)
        reference = {name: made[name] for name in ("ref", "media_type", "size", "sha256")}
        reply_to = task["reply_to"].partition("/v1")[2]
        await server.post(reply_to, {"output": {"file": reference}})
        server.http.headers["Authorization"] = "Bearer t0ken"
        found = await server.settled(started["id"])
        assert found["output"] == {"out": {"file": reference}}
        assert found["artifacts"] == {"count": 1, "size": 4, "items": [reference]}


# ---- outputs that are too large


async def test_a_large_output_becomes_an_artifact(server: Server, worker: HttpWorker) -> None:
    await with_worker(server, worker, {"output": MANY, "usage": {"cost": 1}}, {"output": "done"})
    done = await run(server, "chain")

    assert done["state"] == {"out": REF, "last": "done"}
    assert done["artifacts"] == {"count": 1, "size": len(TEXT), "items": [REF]}
    assert done["usage"]["cost"] == 1
    assert tasks_of(worker)[1]["state"] == {"out": REF}
    assert (await server.http.get(f"/artifacts/{NAME}")).content == TEXT
    assert [found["sha256"] for found in (await server.get(f"/artifacts?run_id={done['id']}"))["items"]] == [NAME]
    assert (await server.refused("DELETE", f"/artifacts/{NAME}", 409))["code"] == "artifact.in_use"
    report = await verify_run(server.wired.store, RunId(done["id"]), server.wired.engine.graph)
    assert (report.tasks, report.problems) == (2, [])


async def test_a_small_output_stays_whatever_its_text(server: Server, worker: HttpWorker) -> None:
    small = "é" * 50_000  # 100 KB, which is escaped as 300 KB
    await with_worker(server, worker, {"output": small})
    done = await run(server, "working")

    assert done["state"]["out"] == small
    assert done["artifacts"] == {"count": 0, "size": 0, "items": []}
    assert (await server.get("/artifacts"))["items"] == []


async def test_an_output_that_is_taken_apart_stays(server: Server, worker: HttpWorker) -> None:
    await with_worker(server, worker, {"output": {"many": MANY}})

    assert (await run(server, "mapped"))["state"] == {"out": MANY}
    assert (await server.get("/artifacts"))["items"] == []


async def test_the_schema_is_that_of_the_output_itself(server: Server, worker: HttpWorker) -> None:
    await with_worker(server, worker, {"output": MANY})
    failed = await run(server, "strict", "failed")

    assert failed["error"]["code"] == "output.invalid"


@pytest.mark.parametrize("name", TYPED)
async def test_a_key_that_takes_no_reference_says_why_there_is_one(server: Server, worker: HttpWorker, name: str):
    await with_worker(server, worker, {"output": MANY})
    failed = await run(server, name, "failed")

    assert failed["error"]["code"] == "state.invalid"
    assert "kept as an artifact: allow for a reference here, or raise --max-inline-bytes" in failed["error"]["message"]


async def test_a_result_that_is_posted_is_treated_alike(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({}, status=202)]
    await server.post("/workers", {"id": "w1", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
    started = await server.post("/workflows/working/runs", {}, 201)
    await worker.until(lambda: len(tasks_of(worker)) == 1)
    await server.post(tasks_of(worker)[0]["reply_to"].partition("/v1")[2], MANY)

    assert (await server.settled(started["id"]))["state"] == {"out": REF}


async def test_a_fork_that_reuses_asks_nobody(server: Server, worker: HttpWorker) -> None:
    await with_worker(server, worker, {"output": MANY}, {"output": "done"})
    done = await run(server, "chain")
    first = (await server.get(f"/runs/{done['id']}/checkpoints?limit=100"))["items"][-1]["id"]
    fork = await server.post(f"/runs/{done['id']}/fork", {"checkpoint_id": first, "reuse": "unchanged"}, 201)
    found = await server.settled(fork["id"])

    assert (found["status"], found["state"], len(tasks_of(worker))) == ("completed", done["state"], 2)
    assert found["artifacts"]["items"] == [REF]


async def test_an_answer_that_is_kept_counts_while_its_artifact_is_there(server: Server, worker: HttpWorker) -> None:
    await with_worker(server, worker, {"output": MANY}, {"output": "anew"})
    first = await run(server, "cached")
    second = await run(server, "cached")
    assert (second["state"], len(tasks_of(worker))) == ({"out": REF}, 1)
    for found in (first, second):
        await server.call("DELETE", f"/runs/{found['id']}", 204)
    assert await server.wired.store.collect_artifacts(clock() + HOLD_MS) == 1

    third = await run(server, "cached")
    assert (third["state"], len(tasks_of(worker))) == ({"out": "anew"}, 2)


# ---- references


async def test_a_reference_to_nothing_is_refused(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({}, status=202)]
    await server.post("/workers", {"id": "w1", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
    started = await server.post("/workflows/working/runs", {}, 201)
    await worker.until(lambda: len(tasks_of(worker)) == 1)
    path = tasks_of(worker)[0]["reply_to"].partition("/v1")[2]

    refused = await server.refused("POST", path, 422, json={"output": [REF]})
    assert refused["code"] == "artifact.missing"
    await send(server, TEXT)
    await server.post(path, {"output": [REF]})
    assert (await server.settled(started["id"]))["state"] == {"out": [REF]}


async def test_an_answer_that_refers_to_nothing_fails_its_attempt(server: Server, worker: HttpWorker) -> None:
    await with_worker(server, worker, {"output": [REF]})
    assert (await run(server, "working", "failed"))["error"]["code"] == "artifact.missing"


async def test_an_answer_over_a_broker_that_refers_to_nothing_fails_its_attempt(
    server: Server, worker: HttpWorker
) -> None:
    worker.script = [answer({}, status=202)]
    await server.post("/workers", {"id": "w1", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
    started = await server.post("/workflows/working/runs", {}, 201)
    await worker.until(lambda: len(tasks_of(worker)) == 1)
    task = tasks_of(worker)[0]
    inbound = Inbound()
    inbound.bind(server.wired.answers)
    token = parse_qs(urlsplit(task["reply_to"]).query)["token"][0]

    receipt = await inbound.result(f"{task['task_id']}.{token}", {"output": [REF]})
    assert receipt.code == "artifact.missing"
    found = await server.settled(started["id"])
    assert (found["status"], found["error"]["code"]) == ("failed", "artifact.missing")


async def test_artifacts_of_a_deleted_run_go_in_time(server: Server, worker: HttpWorker) -> None:
    await with_worker(server, worker, {"output": MANY})
    done = await run(server, "working")
    store = server.wired.store

    assert await store.collect_artifacts(clock() + DAY_MS) == 0
    await server.call("DELETE", f"/runs/{done['id']}", 204)
    assert await store.collect_artifacts(clock() + HOLD_MS) == 1


async def test_content_without_its_commit_is_collected(tmp_path: Path, worker: HttpWorker) -> None:
    worker.script = [answer({}, status=202), answer({"output": MANY})]
    async with a_server(tmp_path) as server:
        await server.post("/workflows", working(), 201)
        await server.post("/workers", {"id": "w1", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
        started = await server.post("/workflows/working/runs", {}, 201)
        await worker.until(lambda: len(tasks_of(worker)) == 1)
        task = TaskId(tasks_of(worker)[0]["task_id"])
        other = ["other", *MANY]
        body, output = await server.wired.engine.delivery.incoming.ready(RunId(started["id"]), task, other, None)
        assert (body["size"] > len(TEXT), output) == (True, other)

    async with a_server(tmp_path) as server:  # the first one ended before the commit
        store = server.wired.store
        assert await store.collect_artifacts(clock()) == 0
        assert await store.collect_artifacts(clock() + HOLD_MS) == 1
        await server.post(tasks_of(worker)[0]["reply_to"].partition("/v1")[2], MANY)
        assert (await server.settled(started["id"]))["state"] == {"out": REF}


async def test_a_run_is_imported_where_its_artifacts_are(server: Server, worker: HttpWorker, tmp_path: Path) -> None:
    await with_worker(server, worker, {"output": MANY}, {"output": "done"})
    done = await run(server, "chain")
    file = (await server.http.get(f"/runs/{done['id']}/export")).content

    async with a_server(tmp_path / "there") as there:
        refused = await there.refused("POST", "/runs/import", 422, content=file)
        assert (refused["code"], NAME in refused["errors"][0]["message"]) == ("artifact.missing", True)
        assert (await there.get("/runs"))["items"] == []
        await send(there, TEXT, "/artifacts?ttl=1", **{"Content-Type": "application/json"})
        imported = (await there.http.post("/runs/import", content=file)).json()
        assert imported["state"] == done["state"]
        assert imported["artifacts"]["count"] == 1
        assert await there.wired.store.collect_artifacts(clock() + DAY_MS) == 0
