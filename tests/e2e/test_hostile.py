"""What no operation takes is refused by name, and changes nothing."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from yarl import URL

from api.errors import PROBLEM
from tests.e2e import hostile
from tests.e2e.furnished import Furnished, Ids, furnished
from tests.e2e.hostile import OPERATIONS, Operation
from tests.e2e.interface import mistakes

BY_NAME = {operation.name: operation for operation in OPERATIONS}
WITH_BODY = [operation.name for operation in OPERATIONS if operation.body is not None]
WITH_IDS = [operation.name for operation in OPERATIONS if "{" in operation.path]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Place:
    """A furnished server, and what it holds."""

    found: Furnished
    ids: Ids

    async def ask(self, operation: Operation, **given: Any) -> tuple[int, str, Any]:
        """Status, content type and JSON of the answer to a body that is sent as it is."""
        path = given.pop("path", None) or self.path(operation)
        query = given.pop("query", None) or hostile.query(operation, self.ids)
        url = URL(f"{self.found.server.url}{path}{'?' if query else ''}{query}", encoded=True)
        async with self.found.client.session.request(operation.method, url, **given) as response:
            kind = response.headers.get("content-type", "")
            read = b"" if "event-stream" in kind else await response.read()
            is_json = kind.partition(";")[0] in (PROBLEM, "application/json")
            return response.status, kind, orjson.loads(read) if read and is_json else None

    async def ask_well(self, operation: Operation, **given: Any) -> tuple[int, str, Any]:
        """The same with a body that the operation takes."""
        body = {"json": self.body(operation)} if operation.body is not None else {}
        body = {"data": self.ids.file} if operation.takes_file else body
        return await self.ask(operation, **body, **given)

    def path(self, operation: Operation, **other: str) -> str:
        """The path of an operation with ids that it takes, or others."""
        known = hostile.places(self.ids)
        names = {**known.get(operation.name, known[""]), **other}
        return re.sub(r"{(\w+)}", lambda found: names[found[1]], operation.path)

    def body(self, operation: Operation) -> Any:
        """A body that the operation takes."""
        return hostile.bodies(self.ids, self.found.times).get(operation.name, {})

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Fail if anything is written to the database meanwhile, or the server makes a mistake."""
        connection = sqlite3.connect(f"{self.found.server.db.as_uri()}?mode=ro", uri=True)
        try:
            before = connection.execute("PRAGMA data_version").fetchone()
            yield
            assert connection.execute("PRAGMA data_version").fetchone() == before
        finally:
            connection.close()
        assert mistakes(self.found.server) == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    env = {"CLEW_MAX_BODY": str(hostile.MAX_BODY), "CLEW_MAX_DEPTH": str(hostile.MAX_DEPTH)}
    async with furnished(tmp_path_factory.mktemp("furnished"), env) as found:
        yield Place(found, await found.furnish())


def is_refusal(answer: tuple[int, str, Any], status: int, code: str) -> None:
    """Fail unless the answer is this problem."""
    assert (answer[0], answer[1]) == (status, PROBLEM), answer
    assert (answer[2]["status"], answer[2]["code"]) == (status, code), answer
    assert answer[2]["detail"]


@pytest.mark.parametrize("name", WITH_BODY)
async def test_json_that_is_none_or_cannot_be_kept_is_refused(place: Place, name: str) -> None:
    operation = BY_NAME[name]
    with place.unchanged():
        for text, (status, code) in hostile.texts(place.body(operation)):
            is_refusal(await place.ask(operation, data=text), status, code)


@pytest.mark.parametrize("name", WITH_BODY)
async def test_a_body_of_another_type_is_refused(place: Place, name: str) -> None:
    operation = BY_NAME[name]
    with place.unchanged():
        for kind in (one for one in hostile.KINDS if one not in operation.kinds):
            text = orjson.dumps(place.body(operation))
            answer = await place.ask(operation, data=text, headers={"Content-Type": kind})
            is_refusal(answer, *hostile.MEDIA_TYPE)


@pytest.mark.parametrize("name", WITH_BODY)
async def test_a_field_that_is_wrong_is_named(place: Place, name: str) -> None:
    operation = BY_NAME[name]
    with place.unchanged():
        for body, pointer in hostile.fields(operation, place.body(operation)):
            answer = await place.ask(operation, json=body)
            assert answer[:2] == (422, PROBLEM), (body, answer)
            assert any(f"{fault['path']}/".startswith(f"{pointer}/") for fault in answer[2]["errors"]), (body, answer)


@pytest.mark.parametrize("name", BY_NAME)
async def test_an_absurd_query_is_refused(place: Place, name: str) -> None:
    operation = BY_NAME[name]
    with place.unchanged():
        for query in hostile.queries(operation):
            answer = await place.ask_well(operation, query=query)
            is_refusal(answer, *hostile.INVALID)
            assert {fault["in"] for fault in answer[2]["errors"]} == {"query"}


@pytest.mark.parametrize("name", WITH_IDS)
async def test_an_id_that_names_nothing_is_not_found(place: Place, name: str) -> None:
    operation = BY_NAME[name]
    with place.unchanged():
        for parameter in re.findall(r"{(\w+)}", operation.path):
            for value in hostile.UNKNOWN:
                path = place.path(operation, **{parameter: value})
                answer = await place.ask_well(operation, path=path)
                assert (answer[0], answer[1]) == (404, PROBLEM), (path[:200], answer)


async def test_what_is_refused_is_taken_when_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    async with furnished(tmp_path) as found:
        place = Place(found, await found.furnish())
        for operation in OPERATIONS:
            answer = await place.ask_well(operation)
            if answer[0] in (404, 409):  # the one before has used it up
                place = Place(found, await found.furnish())
                answer = await place.ask_well(operation)
            assert answer[0] < 300, (operation.name, answer)


async def test_what_is_no_http_is_a_problem_too(place: Place) -> None:
    with place.unchanged():
        for line in (
            b"NONSENSE",
            b"GET / HTTP/9.9",
            b"GET /\x00 HTTP/1.1",
            b"POST /v1/runs HTTP/1.1\r\nContent-Length: -1",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", place.found.server.port)
            writer.write(line + b"\r\n\r\n")
            head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
            writer.close()
            await writer.wait_closed()
            assert head.startswith(b"HTTP/1.1 400 "), (line, head)
            assert f"content-type: {PROBLEM}".encode() in head
            assert orjson.loads(body)["code"] == "http.malformed"
