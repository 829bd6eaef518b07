"""What workers reported, as `clew runs` tells it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.integration.command_line import said, told
from tests.unit.api.serving import a_server, working
from tests.unit.dispatch.builders import answer, http_worker

LONG = "nothing found on page 1, nor on any other of the pages that there are, however long one looks"
REPORTS = [
    {"stage": "reading", "progress": 0.4, "message": "page 2 of 5"},
    {"progress": 1},
    {"data": {"page": 2}},
    {"chunks": [{"channel": "log", "text": LONG}]},
    {"chunks": [{"channel": "log", "text": "twice\n\x1b[2Jbelow"}]},
    {"chunks": [{"channel": "llm", "text": "all "}]},
    {"chunks": [{"channel": "llm", "text": "is "}, {"channel": "llm", "text": "well"}]},
    {"message": "done", "chunks": [["no chunk"]]},
]


def reported(folder: Path, document: dict[str, Any] | None = None) -> tuple[str, str, tuple[str, str]]:
    """A run whose worker has reported much with its answer, its task, and the database."""

    async def play() -> Any:
        async with http_worker() as worker, a_server(folder) as server:
            worker.script = [answer({"output": 1, "events": REPORTS})]
            await server.post("/workflows", document or working(), 201)
            await server.post("/workers", {"id": "w1", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
            run = await server.post("/workflows/working/runs?wait=10", {}, 201)
            return run["id"], (await server.get(f"/runs/{run['id']}/tasks"))["items"][0]["id"]

    run, task = asyncio.run(play())
    return run, task, ("--db", f"sqlite:///{folder}/clew.db")


def test_the_log_of_a_task_is_shown_in_words(tmp_path: Path) -> None:
    run, task, db = reported(tmp_path)
    at = told("runs", "show", run, "--task", task, *db)["log"][0]["at"][11:19]
    shown = said("runs", "show", run, "--task", task, *db)
    assert shown.partition("\nlog\n")[2].splitlines() == [
        f"  {at} progress 40 % reading: page 2 of 5",
        f"  {at} progress 100 %",
        f'  {at} data {{"page":2}}',
        f"  {at} log: {LONG}",
        f"  {at} log: twice",
        "           \\x1b[2Jbelow",
        f"  {at} llm: all is well",
        f"  {at} progress done",
        f'  {at} text: ["no chunk"]',
    ]


def test_what_workers_report_is_followed_in_words(tmp_path: Path) -> None:
    run, _, db = reported(tmp_path)
    lines = said("runs", "tail", run, "--mode", "custom", *db).splitlines()
    words = [line[14:] for line in lines if line[14:].startswith("custom ") or line.startswith(" " * 20)]
    assert words == [
        "custom     job progress 40 % reading: page 2 of 5",
        "custom     job progress 100 %",
        'custom     job data {"page":2}',
        f"custom     job log: {LONG}",
        "custom     job log: twice",
        "               \\x1b[2Jbelow",
        "custom     job llm: all ",
        "custom     job llm: is ",
        "custom     job llm: well",
        "custom     job progress done",
        'custom     job text: ["no chunk"]',
    ]


def test_a_worker_that_is_asked_without_a_prompt_is_asked_still(tmp_path: Path) -> None:
    document = working()
    del document["nodes"]["job"]["prompt_template"]
    run, task, db = reported(tmp_path, document)
    assert "\nasked     to work, with no prompt, " in said("runs", "show", run, "--task", task, *db)
