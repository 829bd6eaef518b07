"""What `clew runs` tells of a run that failed by what its worker had answered."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import said, told
from tests.unit.api.serving import a_server, working
from tests.unit.dispatch.builders import Handler, answer, http_worker

LONG = {"detail": "the amount is missing", "seen": "x" * 200}


def failed(folder: Path, reply: Handler) -> tuple[str, str, tuple[str, str]]:
    """A run whose task has failed with a reply, that task, and the database."""

    async def play() -> Any:
        document = working()
        document["state_schema"]["out"] = {"type": "integer"}
        async with http_worker() as worker, a_server(folder) as server:
            worker.script = [reply]
            await server.post("/workflows", document, 201)
            await server.post("/workers", {"id": "w1", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
            return await server.post("/workflows/working/runs?wait=10", {}, 201)

    run = asyncio.run(play())
    return run["id"], run["tasks"][0]["id"], ("--db", f"sqlite:///{folder}/clew.db")


def test_what_the_worker_answered_is_shown_with_the_failure(tmp_path: Path) -> None:
    run, task, db = failed(tmp_path, answer(LONG, 422))
    (line,) = [line for line in said("runs", "show", run, *db).splitlines() if line.startswith("answered ")]
    assert ('"detail":"the amount is missing"' in line, line.endswith("…")) == (True, True)
    shown = said("runs", "show", run, "--task", task, *db)
    assert f'answered  {{"detail":"the amount is missing","seen":"{"x" * 200}"}}\n' in shown


def test_a_failed_task_is_shown_with_its_attempts_and_its_end(tmp_path: Path) -> None:
    run, task, db = failed(tmp_path, answer(LONG, 422))
    ended = told("runs", "show", run, "--task", task, *db)["finished_at"]
    shown = said("runs", "show", run, "--task", task, *db)
    assert f"ended     {ended}\n" in shown
    assert f"  {ended}  failed    attempt 1 at w1: the worker answered 422" in shown


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (answer({"output": "many"}), 'answered  {"output":"many"}'),
        (answer({"error": {"message": "no", "details": {"limit": 5}, "retryable": False}}), 'details   {"limit":5}'),
        (answer({"error": {"message": "no", "retryable": False}}), "answered  nothing"),
    ],
)
def test_a_task_is_shown_with_what_did_not_do(tmp_path: Path, reply: Handler, line: str) -> None:
    run, task, db = failed(tmp_path, reply)
    assert line in said("runs", "show", run, "--task", task, *db).splitlines()
