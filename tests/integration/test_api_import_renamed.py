"""The file of a run under another id: what one run has asked cannot be asked by another one as well."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.files import renamed
from tests.integration.moving import documents_at, exported, that_waits_for_somebody
from tests.unit.api.serving import PROBLEM, a_server
from tests.unit.dispatch.builders import HttpWorker, http_worker


@pytest.fixture
async def worker() -> AsyncIterator[HttpWorker]:
    async with http_worker() as found:
        yield found


async def test_what_a_run_here_has_asked_is_not_taken_in_twice(tmp_path: Path, worker: HttpWorker) -> None:
    async with a_server(tmp_path) as server:
        await documents_at(server)
        run = await that_waits_for_somebody(server, worker)
        text = renamed(await exported(server, run), run, str(uuid4()))
        before = (await server.get("/runs"))["items"]

        response = await server.http.post("/runs/import", content=text)

        problem = response.json()
        assert (response.status_code, response.headers["content-type"]) == (409, PROBLEM), problem
        assert (problem["code"], run in problem["detail"]) == ("import.taken", True)
        assert (await server.get("/runs"))["items"] == before
