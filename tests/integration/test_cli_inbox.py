"""The groups of commands for what waits for somebody: workers, dead letters, interrupts, notices; and `clew drain`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import clew, said, served, told
from tests.integration.pulling import begun, held, leased, until
from tests.unit.api.serving import a_server, asking, straight, working
from tests.unit.dispatch.builders import answer, free_port, http_worker

BROKEN = answer({"error": {"code": "boom", "message": "it broke", "retryable": False}})


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Any]:
    """A run that has failed, one that asks, and one with a webhook that nobody hears."""

    async def play() -> dict[str, Any]:
        found = {}
        async with http_worker() as worker, a_server(tmp_path) as server:
            worker.script = [BROKEN]
            await server.post("/workers", {"id": "w1", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
            for document in (straight(), asking(), working()):
                await server.post("/workflows", document, 201)
                hook = {"webhook": f"http://127.0.0.1:{free_port()}/"} if document["id"] == "straight" else {}
                run = await server.post(f"/workflows/{document['id']}/runs?wait=10", hook, 201)
                found[document["id"]] = run["id"]
        return found

    return asyncio.run(play())


@pytest.fixture
def db(tmp_path: Path) -> tuple[str, str]:
    return ("--db", f"sqlite:///{tmp_path}/clew.db")


def test_workers_are_registered_changed_and_removed(runs: dict[str, Any], db: tuple[str, str]) -> None:
    words = ("w2", "http://127.0.0.1:9/w", "--tag", "a", "--tag", "b", "--max-concurrent", "3", "--metadata", "n=1")
    made = told("workers", "add", *words, *db)
    assert (made["tags"], made["max_concurrent"], made["metadata"]) == (["a", "b"], 3, {"n": 1})
    assert made["secret"].startswith("whsec_")
    lines = said("workers", "list", *db).splitlines()
    assert [line.split()[0] for line in lines] == ["w1", "w2"]
    assert told("workers", "set", "w2", "--tag", "c", *db)["tags"] == ["c"]
    assert "at once   3\n" in said("workers", "show", "w2", *db)
    assert clew("workers", "set", "w2", *db).exit_code == 2
    assert said("workers", "remove", "w2", *db) == "removed w2\n"
    assert clew("workers", "show", "w2", *db).exit_code == 1


def test_a_worker_is_drained_and_gets_tasks_again(runs: dict[str, Any], db: tuple[str, str]) -> None:
    lines = said("workers", "drain", "w1", *db).splitlines()
    assert (lines[0].split()[:3], lines[1:]) == (["w1", "draining", "webhook"], ["holds     0 of 1"])
    assert "status    draining\n" in said("workers", "show", "w1", *db)
    assert told("workers", "drain", "w1", "--undo", *db)["status"] == "active"
    assert clew("workers", "drain", "w1", "--undo", "--hand-back", *db).exit_code == 2


def test_a_pull_worker_is_registered_without_an_address(runs: dict[str, Any], db: tuple[str, str]) -> None:
    assert told("workers", "add", "p1", "--protocol", "pull", *db)["url"] is None
    assert "address   none, pull\n" in said("workers", "show", "p1", *db)


def test_tasks_are_taken_from_the_workers_that_hold_them(tmp_path: Path) -> None:
    async def play() -> str:
        async with a_server(tmp_path) as server:
            await server.post("/workflows", working(), 201)
            run_id = await begun(server)
            await leased(server)
            await until(server, run_id, held)
            return run_id

    run_id, db = asyncio.run(play()), ("--db", f"sqlite:///{tmp_path}/clew.db")
    assert said("runs", "rebind", run_id, "--node", "job", *db) == "job: taken from pull [w]\n"
    assert said("runs", "rebind", run_id, "--from", "w1", *db) == "no worker holds such a task\n"


def test_dead_letters_are_listed_shown_and_driven_again(runs: dict[str, Any], db: tuple[str, str]) -> None:
    (letter,) = told("dead-letters", "list", "--run", runs["working"], *db)["items"]
    assert f"{letter['id']}  open " in said("dead-letters", "list", *db)
    assert said("dead-letters", "list", "--run", runs["asking"], *db) == "no dead letters\n"
    assert "it broke (boom, attempt 1)" in said("dead-letters", "show", letter["id"], *db)
    assert told("dead-letters", "redrive", letter["id"], *db)["status"] == "redriven"
    assert said("dead-letters", "list", *db) == "no dead letters\n"
    assert told("dead-letters", "list", "--status", "all", *db)["items"][0]["id"] == letter["id"]


def test_interrupts_are_listed_claimed_and_released(runs: dict[str, Any], db: tuple[str, str]) -> None:
    (asked,) = told("interrupts", "list", *db)["items"]
    command = f"answer it: clew runs resume {runs['asking']} --interrupt {asked['id']} VALUE"
    assert command in said("interrupts", "list", "--run", runs["asking"], *db)
    assert told("interrupts", "claim", asked["id"], "ann", *db)["assignee"] == "ann"
    assert "ann looks after it" in said("interrupts", "list", "--claimed", *db)
    assert said("interrupts", "list", "--unclaimed", *db) == "no such interrupts\n"
    assert told("interrupts", "release", asked["id"], *db)["assignee"] is None


def test_notices_are_listed_and_told_again(runs: dict[str, Any], db: tuple[str, str]) -> None:
    (notice,) = told("notices", "list", "--run", runs["straight"], *db)["items"]
    line = said("notices", "list", *db)
    assert (notice["id"] in line, f"run.completed of {runs['straight']}" in line) == (True, True)
    assert told("notices", "redrive", notice["id"], *db)["id"] == notice["id"]


def test_a_run_that_is_over_is_deleted(runs: dict[str, Any], db: tuple[str, str]) -> None:
    assert said("runs", "delete", runs["straight"], *db) == f"deleted {runs['straight']}\n"
    assert clew("runs", "show", runs["straight"], *db).exit_code == 1
    assert clew("runs", "delete", runs["asking"], *db).exit_code == 1


def test_a_workflow_is_paused_made_active_and_archived(runs: dict[str, Any], db: tuple[str, str]) -> None:
    assert said("workflows", "pause", "straight", *db) == "straight@1 paused\n"
    assert told("workflows", "activate", "straight", *db)["status"] == "active"
    assert said("workflows", "archive", "straight", *db) == "straight archived\n"
    assert clew("workflows", "show", "straight", *db).exit_code == 1


def test_a_server_is_drained_and_takes_work_again(tmp_path: Path) -> None:
    def work(url: str) -> None:
        assert told("drain", "--url", url)["draining"] is True
        assert said("drain", "--undo", "--url", url) == "the server takes work again\n"
        assert clew("drain", "--db", f"sqlite:///{tmp_path}/clew.db").exit_code == 2

    served(tmp_path, work)
