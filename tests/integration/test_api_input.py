"""What anybody may send: nothing of it is more than a problem document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.unit.api.serving import ORIGIN, PROBLEM, Server, a_server, straight

MAX_BODY = 64 * 1024

NASTY = [
    "x", "0", "-1", "00000000-0000-7000-8000-000000000000", "a.b", "a.1", ".1", "1.", "null", "..%2f", "%00", "%ff",
    "%ed%a0%80", "ä", "💥", " ", "'", '"', "%", "{run_id}", "x" * 3000, "1" * 400, "a%2Fb", "*", "~", "run.1e3",
    "9223372036854775808.9223372036854775808",
]  # fmt: skip

BODIES = [
    b"", b"null", b"[]", b"0", b'""', b"true", b"{}", b'{"a": 1}', b'{"input": {"n": 1e999}}', b'{"input": NaN}',
    b'{"input": {"n": 9223372036854775808}}', b'{"\\ud800": 1}', b'"\\ud800"', b"\xff\xfe", b"\x00", b"{",
    b"[" * 5000 + b"]" * 5000, b'{"input": ' * 80 + b"1" + b"}" * 80, b'{"input": {"n": 1' + b"0" * 5000 + b"}}",
    b'{"input": {"n": 1}, "input": {"n": 2}} x', "{\"input\": {\"ключ\": 1}}".encode("utf-16"),
    b'{"resume": {"a": [1, {"b": null}]}}', b'{"checkpoint_id": 7}', b'{"checkpoint_id": "' + b"9" * 300 + b'.1"}',
]  # fmt: skip

QUERIES = ["limit=0", "limit=%00", "cursor=%ff", "a=b", "=", "&&", "limit", "%", "x" * 3000, "wait=1e400", "mode=,"]

ENDLESS = {"/v1/events"}
"""What answers a query that is in order without an end; what it refuses is tested beside it."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with a_server(tmp_path, max_body=MAX_BODY) as found:
        yield found


def operations(server: Server) -> list[tuple[str, str]]:
    """Every operation of the API, as (method, path template)."""
    app = server.http._transport.app  # type: ignore[attr-defined]
    return [
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if path.startswith("/v1/")
    ]


def filled(path: str, value: str) -> str:
    parts = [value if part.startswith("{") else part for part in path.removeprefix("/v1").split("/")]
    return "/".join(parts)


async def harmless(server: Server, method: str, path: str, body: bytes | None = None) -> None:
    """Fail unless the answer is a success or a problem document of the client's."""
    response = await server.http.request(method, path, content=body)
    assert response.status_code < 500, (method, path[:200], body, response.text)
    if response.status_code >= 400:
        assert response.headers["content-type"] == PROBLEM, (method, path[:200], body, response.text)


async def test_no_id_breaks_a_route(server: Server) -> None:
    for value, (method, path) in product(NASTY, operations(server)):
        if "{" in path:
            await harmless(server, method, filled(path, value), b"{}")


async def test_no_body_breaks_a_route(server: Server) -> None:
    await server.post("/workflows", straight("x"), 201)
    for body, (method, path) in product(BODIES, operations(server)):
        if method != "GET":
            await harmless(server, method, filled(path, "x"), body)
        if path.endswith("/drain"):  # else what comes next is refused with 503, as it should be
            await server.post("/admin/drain", {"draining": False})


async def test_no_query_breaks_a_route(server: Server) -> None:
    for query, (method, path) in product(QUERIES, operations(server)):
        if path not in ENDLESS:
            await harmless(server, method, f"{filled(path, 'x')}?{query}")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"id": "x", ', 400, "json.malformed"),
        (b"nonsense", 400, "json.malformed"),
        (b"\xff", 400, "json.malformed"),
        (b'{"id": "\\ud800"}', 400, "json.malformed"),
        (b"[" * 100_00 + b"]" * 100_00, 422, "json.depth"),
        (b'{"a": ' * 70 + b"1" + b"}" * 70, 422, "json.depth"),
        (b'{"n": 18446744073709551616}', 422, "json.integer"),
        (b'{"n": 1e400}', 422, "json.number"),
        (b'{"n": NaN}', 400, "json.malformed"),
        (b'{"id": "x", "nodes": {"a": {}, "a": {}}}', 422, "json.duplicate"),
        (b"", 422, "request.invalid"),
    ],
)
async def test_json_that_cannot_be_kept_is_refused(server: Server, body: bytes, status: int, code: str) -> None:
    assert (await server.refused("POST", "/workflows", status, content=body))["code"] == code


@pytest.mark.parametrize(
    "kind", [None, "application/x-www-form-urlencoded", "application/octet-stream", "a/JSON; charset=x", "a/b+json"]
)
async def test_a_body_is_json_unless_it_says_that_it_is_not(server: Server, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    response = await server.http.post("/workflows/validate", content=b"{}", headers=headers)
    assert (response.status_code, response.json()["valid"]) == (200, False)


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/xml", "json", "", ";"])
async def test_a_body_of_another_type_is_refused(server: Server, kind: str) -> None:
    problem = await server.refused("POST", "/workflows", 415, content=b"{}", headers={"Content-Type": kind})
    assert problem["code"] == "request.media_type"


async def test_a_body_that_says_it_is_too_large_is_not_read(server: Server) -> None:
    def never() -> list[bytes]:
        raise AssertionError("the body was read")

    async def body() -> AsyncIterator[bytes]:
        for part in never():
            yield part

    headers = {"Content-Length": str(MAX_BODY + 1)}
    problem = await server.refused("POST", "/workflows", 413, content=body(), headers=headers)
    assert problem["code"] == "request.too_large"
    await server.refused("POST", "/workflows", 413, content=body(), headers={"Content-Length": "9" * 5000})


async def test_a_body_that_turns_out_too_large_is_read_no_further(server: Server) -> None:
    parts = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal parts
        while True:
            parts += 1
            yield b" " * 1024

    await server.refused("POST", "/workflows", 413, content=body())
    assert parts <= MAX_BODY // 1024 + 2


async def test_the_largest_body_is_taken(server: Server) -> None:
    text = b'{"id": "x"' + b" " * (MAX_BODY - 11) + b"}"
    assert len(text) == MAX_BODY
    response = await server.http.post("/workflows/validate", content=text)
    assert response.status_code == 200


async def test_unknown_paths_and_methods_are_problems(server: Server) -> None:
    for path in ("/v1/nothing", "/nothing", "/v1", "/v1/runs/", "/v1//runs", "//"):
        assert (await server.refused("GET", ORIGIN + path, 404))["code"] == "route.unknown"
    for method in ("PATCH", "DELETE", "TRACE", "PROPFIND"):
        response = await server.http.request(method, "/workflows")
        assert (response.status_code, response.headers["content-type"]) == (405, PROBLEM)
        assert response.json()["code"] == "method.not_allowed"
        assert response.headers["allow"] == "HEAD, GET, POST, OPTIONS"


async def test_head_is_get_without_the_body(server: Server) -> None:
    await server.post("/workflows", straight("x"), 201)
    run = await server.post("/workflows/x/runs?wait=10", {}, 201)
    paths = [
        f"{ORIGIN}/health",
        f"{ORIGIN}/docs",
        f"{ORIGIN}/openapi.json",
        "/workflows/x",
        f"/runs/{run['id']}/stream",
    ]
    for path in [*paths, "/runs/none", "/runs?limit=x", "/workflows/x/activate", "/nothing"]:
        head, whole = [await server.http.request(method, path) for method in ("HEAD", "GET")]
        assert (head.status_code, dict(head.headers)) == (whole.status_code, dict(whole.headers)), path
        assert (head.content, bool(whole.content)) == (b"", True), path


async def test_head_of_a_stream_that_does_not_end_ends(server: Server) -> None:
    async with asyncio.timeout(10):
        response = await server.http.head("/events")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


async def test_options_tells_the_methods_of_every_path(server: Server) -> None:
    methods: dict[str, set[str]] = {}
    for method, path in operations(server):
        methods.setdefault(path, {"OPTIONS"}).update({method, "HEAD"} if method == "GET" else {method})
    for path, expected in methods.items():
        response = await server.http.options(filled(path, "x"))
        assert (response.status_code, response.content) == (204, b"")
        assert set(response.headers["allow"].split(", ")) >= expected, path
    assert (await server.refused("OPTIONS", "/nothing", 404))["code"] == "route.unknown"


@pytest.mark.parametrize(
    "query", ["limit=1&limit=2", "q=a&q=a", "metadata.a=1&metadata.a=2", "status=failed&x=1&status="]
)
async def test_a_query_parameter_that_comes_twice_is_refused(server: Server, query: str) -> None:
    problem = await server.refused("GET", f"/runs?{query}", 422)
    assert problem["code"] == "request.invalid"


@pytest.mark.parametrize(
    "limit", ["", "0", "1001", "1.0", "1_0", "%2B5", "%205", "%D9%A3", "1e2", "-1", "9" * 400, "NaN"]
)
async def test_a_limit_is_a_whole_number_within_bounds(server: Server, limit: str) -> None:
    problem = await server.refused("GET", f"/runs?limit={limit}", 422)
    assert [fault["path"] for fault in problem["errors"]] == ["/limit"]


@pytest.mark.parametrize("name", ["a/b", "a?b", "a#b", "a%b", "a b", "a\\b", "a\0b", "\x7f", "a\n", ""])
async def test_the_id_of_a_worker_can_stand_in_a_path(server: Server, name: str) -> None:
    worker = {"id": name, "protocol": "webhook", "url": "http://127.0.0.1:9/"}
    problem = await server.refused("POST", "/workers", 422, json=worker)
    assert [fault["path"] for fault in problem["errors"]] == ["/id"]
    assert (await server.get("/workers"))["items"] == []


async def test_a_mistake_of_the_server_is_a_problem_too(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(run_id: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(server.wired.reader, "run", broken)
    server.http._transport.raise_app_exceptions = False  # type: ignore[attr-defined]
    problem = await server.refused("GET", "/runs/x", 500)
    assert problem["code"] == "internal"
    assert "ZeroDivision" not in str(problem)


async def test_ids_of_workflows_come_back_quoted(server: Server) -> None:
    name = "ä'\"*💥"
    response = await server.http.post("/workflows", json=straight(name))
    assert response.headers["location"] == f"/v1/workflows/{quote(name)}"
    assert (await server.get(f"/workflows/{quote(name)}"))["id"] == name
    run = await server.post(f"/workflows/{quote(name)}/runs?wait=10", {}, 201)
    assert (await server.get("/runs", params={"workflow_id": name}))["items"][0]["id"] == run["id"]


# ---- the server itself


async def test_it_tells_that_it_lives_and_what_it_is(server: Server) -> None:
    for path in (f"{ORIGIN}/health", "/health"):
        assert await server.get(path) == {"status": "ok"}
    assert await server.get("/ready") == {"status": "ready", "brokers": []}
    info = await server.get("/admin/info")
    assert (info["name"], info["database"], info["public_url"]) == ("clew", "sqlite", ORIGIN)
    assert (info["limits"]["max_body"], "webhook" in info["protocols"]) == (MAX_BODY, True)


async def test_it_is_not_ready_when_it_closes(server: Server) -> None:
    server.wired.closing.set()
    assert (await server.refused("GET", "/ready", 503))["code"] == "server.closing"


async def test_node_types_come_with_their_schemas(server: Server) -> None:
    types = {found["type"]: found["schema"] for found in (await server.get("/node-types"))["items"]}
    assert {"task", "route", "send", "interrupt", "transform"} <= types.keys()
    assert types["task"]["properties"]["prompt_template"]["type"] == "string"
    assert {"join", "retry"} <= types["task"]["properties"].keys()


async def test_the_description_is_served(server: Server) -> None:
    document = await server.get(f"{ORIGIN}/openapi.json")
    assert document["openapi"].startswith("3.1")
    page = await server.http.get(f"{ORIGIN}/docs")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "/v1/runs/{run_id}/replay" in page.text
