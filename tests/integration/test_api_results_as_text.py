"""Results that are plain text: at `reply_to` they are read as in a response of a worker."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.test_api_workers import W, accepted
from tests.unit.api.serving import Server, working
from tests.unit.dispatch.builders import HttpWorker, raw

DOCUMENTS = (working(),)
TEXTS = [
    (b"plain words", "text/plain", "plain words"),
    (b'{"output": 1}', "text/plain", '{"output": 1}'),
    ("grüß".encode(), "Text/Plain; charset=UTF-8", "grüß"),
    ("grüß".encode("latin-1"), 'text/plain; charset="iso-8859-1"', "grüß"),
    (b"", "text/plain", None),
]


async def posted(server: Server, path: str, body: bytes, kind: str, *, beside: bool = False) -> Any:
    """The response to a result, whose token is in the address or in a header."""
    place, _, token = path.partition("?token=")
    headers = {"content-type": kind, **({"x-clew-token": token} if beside else {})}
    return await server.http.post(place if beside else path, content=body, headers=headers)


@pytest.mark.parametrize("beside", [False, True], ids=["in the address", "in a header"])
@pytest.mark.parametrize(("body", "kind", "output"), TEXTS)
async def test_a_text_is_the_output(
    server: Server, worker: HttpWorker, body: bytes, kind: str, output: Any, beside: bool
) -> None:
    run_id, _, path = await accepted(server, worker)
    response = await posted(server, path, body, kind, beside=beside)
    assert (response.status_code, response.json()) == (200, {"accepted": True})
    done = await server.settled(run_id)
    assert (done["status"], done["state"]["out"]) == ("completed", output)


@pytest.mark.parametrize(("body", "kind", "output"), TEXTS)
async def test_it_is_what_the_same_response_would_be(
    server: Server, worker: HttpWorker, body: bytes, kind: str, output: Any
) -> None:
    worker.script = [raw(body, kind)]
    await server.post("/workers", {**W, "url": worker.url}, 201)
    assert (await server.post("/workflows/working/runs?wait=10", {}, 201))["state"]["out"] == output


@pytest.mark.parametrize("beside", [False, True], ids=["in the address", "in a header"])
@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"\xff\xfe", "text/plain", 400, "request.malformed"),
        (b"x", "text/plain; charset=klingon", 415, "request.media_type"),
        (b"x", "text/plain; charset=hex", 415, "request.media_type"),
        (b"<p>", "text/html", 415, "request.media_type"),
        (b"x" * 9_000_000, "text/plain", 413, "request.too_large"),
    ],
    ids=["bytes", "no charset", "no charset of texts", "html", "too much"],
)
async def test_what_cannot_be_read_is_refused(
    server: Server, worker: HttpWorker, body: bytes, kind: str, status: int, code: str, beside: bool
) -> None:
    _, _, path = await accepted(server, worker)
    response = await posted(server, path, body, kind, beside=beside)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert (await server.post(path, {"output": 1}))["accepted"]


async def test_what_workers_report_is_json_still(server: Server, worker: HttpWorker) -> None:
    _, _, path = await accepted(server, worker)
    response = await posted(server, path.replace("/result", "/progress"), b"half way", "text/plain")
    assert (response.status_code, response.json()["code"]) == (415, "request.media_type")
