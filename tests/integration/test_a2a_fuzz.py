"""Whatever is sent to an agent, it answers with what the protocol has for that, and changes nothing for a mistake."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from api.a2a.errors import Code
from api.a2a.methods import DIALECTS
from dispatch._a2a.dialect import Operation
from tests.integration.test_a2a_extensions import STRICT
from tests.integration.test_a2a_server import sent
from tests.unit.api.serving import ORIGIN, Server, a_server, asking, straight

EXAMPLES = 300
CODES = {code.value.code for code in Code}
BROKEN = {Code.INTERNAL.value.message, "the server cannot do this now; try again later"}
LEAKS = ("Traceback", 'File "', "site-packages", "sqlite", "Exception", ".py", "/tmp/")
METHODS = sorted({name for dialect in DIALECTS.values() for name in dialect.methods.values()})
PATHS = ["/a2a", "/a2a/straight", "/a2a/asking", "/a2a/v1/straight", "/a2a/v0.3/asking", "/a2a/nobody", "/a2a/strict"]
TASK = "TASK"
"""Stands for the id of a task that there is."""

words = st.text(max_size=12) | st.sampled_from([TASK, "", "m1", "0", "\x00", "\U0001f4a5", "a" * 300])
leaves = st.none() | st.booleans() | st.integers() | st.floats() | words
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=6
)


def rather(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what is usual, now and then anything."""
    return st.sampled_from([True] * 9 + [False]).flatmap(lambda is_usual: usual if is_usual else values)


MEMBERS = ["text", "data", "raw", "url", "file", "kind", "mediaType", "metadata"]
parts = st.dictionaries(st.sampled_from(MEMBERS), values)
messages = st.fixed_dictionaries(
    {"messageId": rather(words.filter(bool)), "role": rather(st.sampled_from(["ROLE_USER", "user", "agent"])),
     "parts": rather(st.just([{"data": {}}]) | st.lists(parts | st.just({"text": "x"}), max_size=3))},
    optional={name: rather(words) for name in ("taskId", "contextId", "kind")}
    | {"metadata": rather(st.dictionaries(st.sampled_from(["skillId", "checkpointId", "x"]), values, max_size=2)),
       "extensions": rather(st.lists(words, max_size=2)), "referenceTaskIds": values},
)  # fmt: skip
configurations = st.dictionaries(
    st.sampled_from(["historyLength", "returnImmediately", "blocking", "acceptedOutputModes"]), values, max_size=3
)
OFTEN = [Operation.SEND] * 6 + [Operation.GET, Operation.LIST, Operation.CANCEL] * 2
FIELDS = ("id", "taskId", "contextId", "pageSize", "pageToken", "historyLength", "status", "includeArtifacts",
          "statusTimestampAfter", "metadata", "tenant", "pushNotificationConfig")  # fmt: skip
params = st.fixed_dictionaries(
    {"message": rather(messages)},
    optional={"configuration": rather(configurations)} | {name: rather(words) for name in FIELDS},
)


def requests(methods: list[str]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {"jsonrpc": rather(st.just("2.0")), "id": rather(words), "method": rather(st.sampled_from(methods)),
         "params": rather(params)}
    )  # fmt: skip


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def to(path: str, version: str | None) -> st.SearchStrategy[tuple[str, bytes, str | None]]:
    """Requests of a version, to an address that speaks it."""
    found = DIALECTS[version or "0.3"].methods
    methods = [*found.values(), *(found[one] for one in OFTEN if one in found)]
    return st.tuples(st.just(path), requests(methods).map(as_json), st.just(version))


bodies = (requests(METHODS) | st.lists(requests(METHODS), max_size=2) | values).map(as_json)
spoilt = st.tuples(bodies, st.integers(0, 400), st.binary(max_size=3)).map(
    lambda found: found[0][: found[1]] + found[2] + found[0][found[1] + 1 :]
)
versions = st.sampled_from([None, "", "0.3", "1.0", "1.0.7", "99.0", "one", "\xff"])
odd = st.tuples(st.sampled_from(PATHS), bodies | spoilt, versions)
all_that_comes = st.one_of(
    to("/a2a/straight", "1.0"), to("/a2a/v0.3/asking", None), to("/a2a", "1.0"), to("/a2a/asking", None), odd
)


async def checked(server: Server, database: sqlite3.Connection, path: str, body: bytes, version: str | None) -> None:
    """Send a body, and check that the answer is one that the protocol has, and that a refusal has changed nothing."""
    headers = {"Content-Type": "application/json"} | ({} if version is None else {"A2A-Version": version})
    [(before,)] = database.execute("PRAGMA data_version")
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    response = await server.http.post(ORIGIN + path, content=body, headers=encoded)
    refused = is_refusal(response)
    [(after,)] = database.execute("PRAGMA data_version")

    assert not refused or before == after, "something was written"
    assert not [leak for leak in LEAKS if leak in response.text and leak.encode() not in body], response.text


def is_refusal(response: httpx.Response) -> bool:
    assert response.status_code in (200, 404, 413), response.text
    if response.status_code != 200:
        assert response.headers["content-type"].startswith("application/problem+json")
        return True
    if response.headers["content-type"].startswith("text/event-stream"):
        return False
    found = orjson.loads(response.content)
    assert found["jsonrpc"] == "2.0" and "id" in found and ("error" in found) != ("result" in found)
    if "error" not in found:
        return False
    error = found["error"]
    assert error["code"] in CODES and isinstance(error["message"], str) and error["message"] not in BROKEN, error
    return True


async def test_no_request_breaks_an_agent_and_none_that_is_refused_changes_anything(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        for document in (straight(), asking(), STRICT):
            await server.post("/workflows", document, 201)
        known = (await sent(server, "straight", {"data": {}}, messageId="known")).id.encode()
        loop = asyncio.get_running_loop()
        with closing(sqlite3.connect(tmp_path / "clew.db", check_same_thread=False)) as database:

            @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
            @given(all_that_comes)
            def each(request: tuple[str, bytes, str | None]) -> None:
                path, body, version = request
                work = checked(server, database, path, body.replace(TASK.encode(), known), version)
                asyncio.run_coroutine_threadsafe(work, loop).result()

            await asyncio.to_thread(each)


def request(inner: bytes, method: bytes = b"SendMessage") -> bytes:
    """A request with these parameters as they stand."""
    return b'{"jsonrpc":"2.0","id":1,"method":"%b","params":%b}' % (method, inner)


def said(text: bytes) -> bytes:
    """A message with this JSON as its data."""
    return request(b'{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":%b}]}}' % text)


HOSTILE: list[tuple[bytes, int, int | None]] = [
    (said(b"[" * 100_000 + b"]" * 100_000), 200, -32700),
    (said(b'{"n":' * 600 + b"1" + b"}" * 600), 200, -32700),
    (said(b'{"n":"\\ud800"}'), 200, -32700),
    (said(b'{"\\udfff":1}'), 200, -32700),
    (said(b'{"n":"\xed\xa0\x80"}'), 200, -32700),
    (said(b'{"n":NaN}'), 200, -32700),
    (said(b'{"n":1e999}'), 200, -32700),
    (said(b'{"n":' + b"9" * 400 + b"}"), 200, -32700),
    (said(b'{"n":9223372036854775808}'), 200, -32700),
    (said(b'{"unknown":1}'), 200, -32602),
    (said(b'{"n":"no number"}'), 200, -32602),
    (said(b'"' + b"x" * 9_000_000 + b'"'), 413, None),
    (b"", 200, -32700),
    (b"\xff\xfe", 200, -32700),
    (b"[" + said(b"{}") + b"," + said(b"{}") + b"]", 200, -32600),
    (b'{"jsonrpc":"2.0","id":null,"method":"GetTask"}', 200, -32600),
    (b'{"jsonrpc":"2.0","id":true,"method":"GetTask"}', 200, -32600),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"GetTask"}', 200, -32600),
    (b'{"jsonrpc":2.0,"id":1,"method":"GetTask"}', 200, -32600),
    (request(b"null", b"GetTask"), 200, -32602),
    (request(b'"x"', b"ListTasks"), 200, -32602),
    (request(b"{}", b"rpc.discover"), 200, -32601),
    (request(b"{}", b"__init__"), 200, -32601),
]


async def test_what_is_too_deep_too_large_or_no_json_has_its_error(server: Server, tmp_path: Path) -> None:
    await server.post("/workflows", straight(), 201)
    url, found = f"{ORIGIN}/a2a/straight", list[tuple[bytes, int, int | None]]()
    with closing(sqlite3.connect(tmp_path / "clew.db")) as database:
        for body, _, _ in HOSTILE:
            await checked(server, database, "/a2a/straight", body, "1.0")
            response = await server.http.post(url, content=body, headers={"A2A-Version": "1.0"})
            code = response.json()["error"]["code"] if response.status_code == 200 else None
            found.append((body, response.status_code, code))

    assert found == HOSTILE
