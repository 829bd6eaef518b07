"""`clew runs bulk` and `clew jobs`: many runs at once, from the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.integration.command_line import clew, said, served, told
from tests.integration.test_api_jobs import DIVIDING, some_failed
from tests.unit.api.serving import a_server, asking


@pytest.fixture
def base(tmp_path: Path) -> str:
    """A database with three failed runs and one that waits."""

    async def fill() -> None:
        async with a_server(tmp_path) as server:
            for document in (DIVIDING, asking()):
                await server.post("/workflows", document, 201)
            await some_failed(server, 3)
            await server.post("/workflows/asking/runs?wait=10", {}, 201)

    asyncio.run(fill())
    return f"sqlite:///{tmp_path}/clew.db"


def test_failed_runs_are_forked_corrected_and_looked_at(base: str) -> None:
    preview = said("runs", "bulk", "fork", "--status", "failed", "--dry-run", "--db", base)
    assert preview.startswith("fork of 3 runs; nothing was done\n")
    done = told("runs", "bulk", "fork", "--status", "failed", "--set", "n=2", "--db", base)
    assert (done["status"], done["done"], done["failed"]) == ("completed", 3, 0)
    assert said("jobs", "list", "--db", base).split()[:4] == [done["id"], "fork", "completed", "3/3"]
    made = [line.split()[2] for line in said("jobs", "runs", done["id"], "--db", base).splitlines()]
    assert [told("runs", "show", run, "--db", base)["state"]["n"] for run in made] == [2, 2, 2]
    assert told("jobs", "show", done["id"], "--db", base)["progress"] == "3/3"
    assert told("jobs", "cancel", done["id"], "--db", base)["status"] == "completed"


def test_what_could_not_be_done_is_told_and_ends_with_1(base: str) -> None:
    outcome = clew("runs", "bulk", "delete", "--status", "failed", "--status", "interrupted", "--db", base)
    assert outcome.exit_code == 1
    assert outcome.stdout.split()[1:] == ["delete", "completed", "4/4,", "1", "could", "not", "be"]
    rows = told("jobs", "runs", outcome.stdout.split()[0], "--status", "failed", "--db", base)["items"]
    assert [row["error"]["code"] for row in rows] == ["run.active"]
    refused = clew("runs", "bulk", "delete", "--status", "interrupted", "--dry-run", "--db", base)
    assert "cancel it before you delete it" in refused.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explode", "--tag", "t"], "there is no action 'explode'"),
        (["delete"], "say which runs: an empty filter would mean all of them"),
        (["delete", "--tag", "t", "--set", "n=1"], "updates: only forks take this"),
        (["delete", "--tag", "t", "--detach"], "nobody goes on with a job offline"),
    ],
)
def test_what_says_too_little_or_too_much_is_refused(base: str, arguments: list[str], message: str) -> None:
    outcome = clew("runs", "bulk", *arguments, "--db", base)
    assert outcome.exit_code != 0
    assert message in outcome.stderr


def test_a_server_goes_on_with_a_job_that_nobody_waits_for(tmp_path: Path, base: str) -> None:
    def work(url: str) -> None:
        begun = told("runs", "bulk", "retry", "--status", "failed", "--detach", "--url", url)
        ended = told("runs", "bulk", "cancel", "--status", "interrupted", "--url", url)
        assert (begun["total"], ended["done"]) == (3, 1)

    served(tmp_path, work)
