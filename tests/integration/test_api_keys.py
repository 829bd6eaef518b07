"""`Idempotency-Key`: the same request again gets the first answer, and makes nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from api.app import AREAS
from api.keys import BY_CONTENT, takes_keys
from engine.errors import StoreUnavailable
from tests.unit.api.serving import Server, a_server, asking, straight

KEY = {"Idempotency-Key": "k1"}
RUNS = "/workflows/straight/runs"


DOCUMENTS = (straight(), asking())


async def sent(
    server: Server, path: str, body: Any, status: int = 201, headers: Mapping[str, str] = KEY
) -> httpx.Response:
    response = await server.http.post(path, json=body, headers=headers)
    assert response.status_code == status, response.text
    return response


async def count_runs(server: Server) -> int:
    return len((await server.get("/runs"))["items"])


async def test_the_same_request_again_gets_the_first_answer(server: Server) -> None:
    first = await sent(server, RUNS, {"input": {"n": 1}})
    await server.settled(first.json()["id"])
    again = await sent(server, RUNS, {"input": {"n": 1}})
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    assert await count_runs(server) == 1


async def test_the_order_of_fields_makes_no_other_body(server: Server) -> None:
    first = await sent(server, RUNS, {"input": {"n": 1}, "tags": ["a"]})
    again = await sent(server, RUNS, {"tags": ["a"], "input": {"n": 1}})
    assert again.json()["id"] == first.json()["id"]


async def test_another_body_with_the_same_key_is_a_conflict(server: Server) -> None:
    await sent(server, RUNS, {"input": {"n": 1}})
    problem = await server.refused("POST", RUNS, 409, json={"input": {"n": 2}}, headers=KEY)
    assert problem["code"] == "idempotency.mismatch"
    assert await count_runs(server) == 1


async def test_a_key_counts_for_its_operation_alone(server: Server) -> None:
    first = await sent(server, RUNS, {"input": {"n": 1}})
    other = await sent(server, "/runs", {"workflow_id": "straight", "input": {"n": 1}})
    assert other.json()["id"] != first.json()["id"]


async def test_requests_with_one_key_at_the_same_time_make_one_run(server: Server) -> None:
    answers = await asyncio.gather(*(sent(server, RUNS, {"input": {"n": 1}}) for _ in range(8)))
    assert len({answer.content for answer in answers}) == 1
    assert await count_runs(server) == 1


async def test_a_refused_request_does_not_use_up_its_key(server: Server) -> None:
    await sent(server, RUNS, {"input": {"n": "x"}}, 422)
    await sent(server, RUNS, {"input": {"n": 1}})


async def test_a_key_outlives_the_server(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", straight(), 201)
        first = await sent(server, RUNS, {"input": {"n": 1}})
    async with a_server(tmp_path) as server:
        again = await sent(server, RUNS, {"input": {"n": 1}})
        assert again.content == first.content
        await server.refused("POST", RUNS, 409, json={}, headers=KEY)


async def test_a_run_whose_first_answer_was_never_given_is_shown_as_it_is(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(row: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(server.wired.store, "keep_answer", fail)
    first = await sent(server, RUNS, {"input": {"n": 1}})
    await server.settled(first.json()["id"])
    again = await sent(server, RUNS, {"input": {"n": 1}})
    assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], "completed")
    assert await count_runs(server) == 1


async def test_a_stream_that_is_asked_for_again_tells_the_same_run(server: Server) -> None:
    headers = {**KEY, "Accept": "text/event-stream"}
    first = await sent(server, RUNS, {"input": {"n": 1}}, headers=headers)
    again = await sent(server, RUNS, {"input": {"n": 1}}, headers=headers)
    assert "event: end" in first.text and again.text == first.text
    assert await count_runs(server) == 1


async def test_a_fork_is_made_once(server: Server) -> None:
    run = (await sent(server, f"{RUNS}?wait=10", {"input": {"n": 1}})).json()
    start = (await server.get(f"/runs/{run['id']}/checkpoints"))["items"][-1]["id"]
    for path in ("/runs/fork", f"/runs/{run['id']}/fork"):
        first = await sent(server, path, {"checkpoint_id": start})
        again = await sent(server, path, {"checkpoint_id": start})
        assert again.content == first.content
    assert await count_runs(server) == 3


@pytest.fixture(params=[True, False], ids=["kept", "not kept"])
def keeping(request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether first answers are kept, or only what was made."""

    async def fail(row: object) -> None:
        raise StoreUnavailable("the disk is full")

    if not request.param:
        monkeypatch.setattr(server.wired.store, "keep_answer", fail)
    return bool(request.param)


async def test_a_branch_is_begun_once(server: Server, keeping: bool) -> None:
    run = await server.post(f"{RUNS}?wait=10", {"input": {"n": 1}}, 201)
    start = (await server.get(f"/runs/{run['id']}/checkpoints"))["items"][-1]["id"]
    for _ in range(2):
        await sent(server, f"/runs/{run['id']}/replay", {"checkpoint_id": start}, 200)
        await server.settled(run["id"])
    assert len((await server.get(f"/runs/{run['id']}"))["branches"]) == 2


@pytest.mark.parametrize("after", [None, "ask"])
async def test_state_is_written_once(server: Server, keeping: bool, after: str | None) -> None:
    document = asking("logging")
    document["state_schema"]["log"] = {"type": "array", "reducer": "append"}
    await server.post("/workflows", document, 201)
    run = await server.post("/workflows/logging/runs?wait=10", {}, 201)
    body = {"updates": {"log": "x"}, **({} if after is None else {"after_node": after})}
    told = [(await sent(server, f"/runs/{run['id']}/state", body, 202)).json() for _ in range(2)]
    await server.post(f"/runs/{run['id']}/resume", {"resume": 3})
    assert told[0] == told[1]
    assert (await server.settled(run["id"]))["state"]["log"] == ["x"]


async def test_a_worker_is_registered_once_and_its_secret_is_not_lost(server: Server) -> None:
    body = {"id": "w", "protocol": "webhook", "url": "http://127.0.0.1:9/"}
    first = await sent(server, "/workers", body)
    again = await sent(server, "/workers", body)
    assert again.json()["secret"] == first.json()["secret"]
    await sent(server, "/workers", body, 409, {"Idempotency-Key": "k2"})


async def test_a_workflow_is_saved_once(server: Server) -> None:
    first = await sent(server, "/workflows", straight("new"))
    again = await sent(server, "/workflows", straight("new"))
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_a_key_that_is_none_is_refused(server: Server, key: str) -> None:
    problem = await server.refused("POST", RUNS, 422, json={}, headers={"Idempotency-Key": key})
    assert problem["code"] == "idempotency.invalid"


def test_every_operation_that_creates_takes_a_key() -> None:
    routes = [route for area in AREAS for route in area.router.routes if isinstance(route, APIRoute)]
    creating = [route for route in routes if route.status_code == 201]
    assert len(creating) >= 6
    keyless = [route.path for route in creating if not takes_keys(route.dependant.dependencies)]
    assert keyless == [*BY_CONTENT]


async def test_what_is_named_by_its_content_is_the_same_with_any_key(server: Server) -> None:
    answers = [
        await server.http.post("/artifacts", content=b"bytes", headers={"Idempotency-Key": key}) for key in ("a", "b")
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert len({answer.json()["sha256"] for answer in answers}) == 1
