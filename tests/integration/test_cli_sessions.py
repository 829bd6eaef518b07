"""`clew sessions`, and runs that are started in them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.integration.command_line import clew, said, served, told
from tests.unit.api.serving import a_server, asking, straight


@pytest.fixture
def db(tmp_path: Path) -> str:
    """A database with two workflows."""

    async def filled() -> None:
        async with a_server(tmp_path) as server:
            for document in (straight(), asking()):
                await server.post("/workflows", document, 201)

    asyncio.run(filled())
    return f"sqlite:///{tmp_path}/clew.db"


def start(db: str, workflow: str, session: str, *more: str) -> str:
    run: str = told("runs", "start", workflow, "--session", session, *more, "--db", db)["id"]
    return run


def test_a_session_is_held_and_looked_at_offline(db: str) -> None:
    first, second = [start(db, "straight", "s", "--input", f'{{"n": {number}}}') for number in (1, 2)]
    start(db, "straight", "other")

    listed = told("sessions", "list", "--db", db)["items"]
    shown = told("sessions", "show", "s", "--db", db)
    text = said("sessions", "show", "s", "--db", db)

    assert [found["id"] for found in listed] == ["other", "s"]
    assert (shown["state"], [run["id"] for run in shown["runs"]]) == ({"n": 5}, [second, first])
    assert f"stands at {second}.3" in text
    assert "n = 5" in text
    assert "s  completed" in said("sessions", "list", "--db", db)
    assert [run["id"] for run in told("runs", "list", "--session", "s", "--db", db)["items"]] == [second, first]
    assert "session   s" in said("runs", "show", second, "--db", db)
    assert told("runs", "tree", first, "--db", db)["forks"] == []


def test_a_busy_session_says_what_can_be_done(db: str) -> None:
    start(db, "asking", "s")

    refused = clew("runs", "start", "straight", "--session", "s", "--db", db)
    queued = told("runs", "start", "straight", "--session", "s", "--on-busy", "enqueue", "--db", db)

    assert refused.exit_code == 1
    assert "session.busy" in refused.stderr
    assert "--on-busy" in refused.stderr
    assert queued["status"] == "queued"
    assert "queued" in said("runs", "show", queued["id"], "--db", db)


def test_a_session_is_deleted_with_its_runs(db: str) -> None:
    run = start(db, "straight", "s")

    assert said("sessions", "delete", "s", "--db", db) == "deleted: s\n"

    assert clew("runs", "show", run, "--db", db).exit_code == 1
    assert clew("sessions", "show", "s", "--db", db).exit_code == 1
    assert said("sessions", "list", "--db", db) == "no sessions\n"


def test_the_same_at_a_server(tmp_path: Path, db: str) -> None:
    def work(url: str) -> None:
        run = told("runs", "start", "straight", "--session", "s", "--url", url)
        assert (run["status"], run["session_id"]) == ("completed", "s")
        assert told("sessions", "show", "s", "--url", url)["latest_run_id"] == run["id"]
        assert told("sessions", "delete", "s", "--url", url) == {"deleted": "s"}

    served(tmp_path, work)
