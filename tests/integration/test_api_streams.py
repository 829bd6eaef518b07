"""Streams over HTTP: modes, resuming, refusals; and runs that are streamed from their start."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from tests.unit.api.serving import Server, asking, straight

DOCUMENTS = (straight(), asking())


def told(text: str) -> list[dict[str, Any]]:
    """The events of a stream: id, event, data."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append({**fields, "data": orjson.loads(fields["data"])})
    return found


async def streamed(server: Server, path: str, **options: Any) -> list[dict[str, Any]]:
    response = await server.http.get(path, **options)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert response.text.startswith("retry: ")
    return told(response.text)


async def finished(server: Server) -> str:
    run = await server.post("/workflows/straight/runs?wait=10", {}, 201)
    return f"/runs/{run['id']}/stream"


async def test_a_stream_tells_updates_and_ends(server: Server) -> None:
    events = await streamed(server, await finished(server))
    assert [event["event"] for event in events] == ["run", "updates", "run", "end"]
    assert events[1]["data"]["updates"] == {"n": 1}
    assert len({event["id"] for event in events}) == 4


async def test_modes_are_told_and_no_others(server: Server) -> None:
    path = await finished(server)
    events = await streamed(server, f"{path}?mode=values,tasks")
    assert {event["event"] for event in events} == {"run", "values", "task", "end"}
    assert [event["data"]["state"] for event in events if event["event"] == "values"][-1] == {"n": 1}


async def test_a_stream_goes_on_after_any_event(server: Server) -> None:
    path = await finished(server)
    events = await streamed(server, f"{path}?mode=values,updates,tasks")
    for place, event in enumerate(events):
        rest = events[place + 1 :]
        after = {"mode": "values,updates,tasks", "after": event["id"]}
        assert await streamed(server, path, params=after) == rest
        header = {"Last-Event-ID": event["id"]}
        assert await streamed(server, f"{path}?mode=values,updates,tasks", headers=header) == rest


async def test_the_header_wins_over_the_query(server: Server) -> None:
    path = await finished(server)
    first, second, *rest = await streamed(server, path)
    options = {"params": {"after": first["id"], "from": "now"}, "headers": {"Last-Event-ID": second["id"]}}
    assert await streamed(server, path, **options) == rest


async def test_until_interrupted_closes_at_the_interrupt(server: Server) -> None:
    run = await server.post("/workflows/asking/runs?wait=10", {}, 201)
    events = await streamed(server, f"/runs/{run['id']}/stream?until=interrupted")
    assert (events[-1]["event"], events[-1]["data"]["status"]) == ("run", "interrupted")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("mode=all", "request.invalid"),
        ("mode=values,", "request.invalid"),
        ("from=then", "request.invalid"),
        ("until=completed", "request.invalid"),
        ("after=x", "stream.event_id"),
        ("after=1.2", "stream.event_id"),
        ("since=1", "request.invalid"),
    ],
)
async def test_a_stream_that_means_nothing_is_refused(server: Server, query: str, code: str) -> None:
    assert (await server.refused("GET", f"{await finished(server)}?{query}", 422))["code"] == code


async def test_an_event_id_that_is_none_is_refused(server: Server) -> None:
    header = {"Last-Event-ID": "nothing"}
    await server.refused("GET", await finished(server), 422, headers=header)
    await server.refused("GET", "/runs/nothing/stream", 404)


@pytest.mark.parametrize("path", ["/workflows/straight/runs", "/runs"])
async def test_a_start_may_be_streamed(server: Server, path: str) -> None:
    body = {"workflow_id": "straight"} if path == "/runs" else {}
    accept = {"Accept": "text/event-stream"}
    response = await server.http.post(f"{path}?mode=values", json=body, headers=accept)
    events = told(response.text)
    assert (response.status_code, events[-1]["event"]) == (201, "end")
    assert response.headers["location"] == f"/v1/runs/{events[-1]['data']['run_id']}"
    await server.refused("POST", "/workflows/straight/runs", 422, json={"input": {"n": "x"}}, headers=accept)


async def test_an_open_stream_ends_when_the_server_closes(server: Server) -> None:
    run = await server.post("/workflows/asking/runs?wait=10", {}, 201)
    server.wired.closing.set()
    response: httpx.Response = await server.http.get(f"/runs/{run['id']}/stream")
    assert ": the server is closing" in response.text


async def test_a_client_that_leaves_leaves_nothing_behind(server: Server) -> None:
    run = await server.post("/workflows/asking/runs?wait=10", {}, 201)
    loop = server.wired.engine.loop
    listening, gone = asyncio.Event(), asyncio.Event()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if b'"interrupted"' in message.get("body", b""):
            listening.set()

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": f"/v1/runs/{run['id']}/stream", "raw_path": b"", "query_string": b"", "root_path": "",
        "headers": [], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    request = asyncio.create_task(server.http._transport.app(scope, receive, send))  # type: ignore[attr-defined]
    await listening.wait()
    while not loop.watchers:  # noqa: ASYNC110 - it has sent all that there is, and is about to wait
        await asyncio.sleep(0)
    gone.set()
    await request
    assert not loop.watchers
