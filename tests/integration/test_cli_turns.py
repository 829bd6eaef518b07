"""`clew runs start` with a place among other runs, and why a run waits in what other commands tell."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.codec import dumps
from tests.integration.command_line import clew, said, served, told
from tests.unit.api.serving import a_server, asking, straight

LATER = "2999-01-31T12:00:00Z"


@pytest.fixture
def db(tmp_path: Path) -> str:
    """A database with two workflows, which nobody serves."""

    async def fill() -> None:
        async with a_server(tmp_path) as server:
            for document in (asking(), straight()):
                await server.post("/workflows", document, 201)

    asyncio.run(fill())
    return f"sqlite:///{tmp_path}/clew.db"


def test_a_run_starts_with_a_place_and_says_why_it_waits(db: str) -> None:
    place = ("--concurrency-key", "k", "--priority", "5")
    first = told("runs", "start", "asking", *place, "--db", db)
    second = told("runs", "start", "asking", *place, "--db", db)
    assert (first["status"], second["status"], second["reason"]) == ("interrupted", "queued", "concurrency_key")
    assert (second["priority"], second["concurrency_key"]) == (5, "k")
    assert "asking@1 (concurrency_key)" in said("runs", "list", "--db", db)
    for command in ("show", "tree"):
        assert "queued (concurrency_key)" in said("runs", command, second["id"], "--db", db)
    shown = said("runs", "show", second["id"], "--db", db)
    assert "priority  5" in shown
    assert "key       k" in shown


def test_a_run_that_begins_later_is_not_waited_for(db: str) -> None:
    result = clew("runs", "start", "straight", "--start-at", LATER, "--db", db)
    assert result.exit_code == 0, result.output
    assert "queued (start_at 2999-01-31T12:00:00.000Z)" in result.stdout
    assert "the run begins when 'clew serve' does" in result.stderr


def test_what_needs_a_checkpoint_says_that_there_is_none(db: str) -> None:
    run = told("runs", "start", "straight", "--start-at", LATER, "--db", db)["id"]
    result = clew("runs", "diff", run, run, "--db", db)
    assert (result.exit_code, "has not begun" in result.stderr) == (1, True)


def test_a_time_that_is_none_is_told(db: str) -> None:
    result = clew("runs", "start", "straight", "--start-at", "tomorrow", "--db", db)
    assert result.exit_code != 0
    assert "RFC 3339" in result.stderr


def test_at_a_server_a_queued_run_is_started_and_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "straight.json"
    path.write_bytes(dumps(straight()))

    def work(url: str) -> None:
        said("workflows", "save", path, "--url", url)
        run = told("runs", "start", "straight", "--start-at", LATER, "--url", url)
        assert (run["status"], run["reason"], run["start_at"][:4]) == ("queued", "start_at", "2999")
        assert "cancelled" in said("runs", "cancel", run["id"], "--url", url)

    served(tmp_path, work)
