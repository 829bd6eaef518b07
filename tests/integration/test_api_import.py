"""Files that are refused, each with the line that is wrong, and what is here already; nothing of them is taken in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.errors import StoreFull
from tests.files import Line, lines_of, sealed
from tests.integration.moving import (
    ASKS,
    answered,
    begun,
    documents_at,
    exported,
    forked,
    forked_from_a_fork,
    imported,
    that_failed,
    that_waits_for_somebody,
)
from tests.unit.api.serving import PROBLEM, Server, a_server
from tests.unit.dispatch.builders import HttpWorker, http_worker

Change = Callable[[list[Line]], None]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Server]:
    async with a_server(tmp_path / "here") as found:
        await documents_at(found)
        yield found


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Server]:
    async with a_server(tmp_path / "there", max_import=2 * 1024 * 1024) as found:
        yield found


@pytest.fixture
async def worker() -> AsyncIterator[HttpWorker]:
    async with http_worker() as found:
        yield found


async def sent(server: Server, text: bytes, **headers: str) -> httpx.Response:
    return await server.http.post("/runs/import", content=text, headers=headers)


async def refusal(server: Server, text: bytes, status: int = 422, what: str = "") -> Any:
    """The problem document with which a file is refused. Nothing may have come of it."""
    response = await sent(server, text)
    assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM), (what, response.text)
    assert (await server.get("/runs"))["items"] == []
    assert (await server.get("/workflows"))["items"] == []
    assert await server.wired.store.log_end() == (0, 0)
    return response.json()


# ---- files that are not whole, or none


async def test_a_file_that_ends_too_early_is_refused_wherever_it_ends(
    here: Server, there: Server, worker: HttpWorker
) -> None:
    text = await exported(here, await forked_from_a_fork(here, worker))
    ends = [place + 1 for place, byte in enumerate(text) if byte == ord("\n")]
    for number, end in enumerate([0, *ends[:-1]], 1):
        problem = await refusal(there, text[:end])
        assert (problem["code"], problem["errors"][0]["line"]) == ("import.truncated", number)
    problem = await refusal(there, text[: ends[3] + 40], 400)
    assert (problem["code"], problem["detail"][:7]) == ("json.malformed", "line 5:")


async def test_a_byte_that_was_changed_is_found(here: Server, there: Server) -> None:
    text = await exported(here, await begun(here, "straight"))
    changed = text.replace(b'"actor":"api"', b'"actor":"apo"')
    problem = await refusal(there, changed)
    assert problem["code"] == "import.damaged"


async def test_what_follows_the_last_line_is_refused(here: Server, there: Server) -> None:
    text = await exported(here, await begun(here, "straight"))
    count = text.count(b"\n")
    problem = await refusal(there, text + text)
    assert (problem["code"], problem["errors"][0]["line"]) == ("import.order", count + 1)
    assert (await sent(there, text.rstrip(b"\n"))).status_code == 201


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        (b"{", 400, "json.malformed"),
        (b"\n", 400, "json.malformed"),
        (b"[]\n", 422, "import.line"),
        (b'{"what":1}\n', 422, "import.line"),
        (b'{"run":{},"commit":{}}\n', 422, "import.line"),
        (b'{"format":"other","version":1}\n', 422, "import.format"),
        (b'{"format":"clew-run","version":2}\n', 422, "import.format"),
        (b'{"format":"clew-run","version":1}\n', 422, "import.line"),
        (b'{"n":%d}\n' % 10**30, 422, "json.integer"),
        (b"[" * 200 + b"]" * 200 + b"\n", 422, "json.depth"),
    ],
)
async def test_what_is_no_such_file_is_refused(there: Server, text: bytes, status: int, code: str) -> None:
    problem = await refusal(there, text, status)
    assert problem["code"] == code
    assert problem["detail"].startswith("line 1: ")


async def test_a_file_that_is_too_large_is_refused(there: Server) -> None:
    assert (await refusal(there, b" " * (2 * 1024 * 1024 + 1), 413))["code"] == "request.too_large"


async def test_a_line_that_is_too_long_is_refused(there: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.porting.reading.MAX_LINE", 1000)
    problem = await refusal(there, b'"' + b"x" * 2000 + b'"\n')
    assert (problem["code"], problem["errors"][0]["line"]) == ("import.line", 1)


# ---- lines that do not fit


def at(of: str, number: int, /, **fields: Any) -> Change:
    """Sets fields of the n-th line of a kind."""

    def change(lines: list[Line]) -> None:
        found = [line[of] for line in lines if of in line][number]
        for name, value in fields.items():
            *path, last = name.split("__")
            inner = found
            for part in path:
                inner = inner[int(part)] if part.isdigit() else inner[part]
            inner[int(last) if isinstance(inner, list) else last] = value

    return change


def without(kind: str, number: int) -> Change:
    def change(lines: list[Line]) -> None:
        lines.remove([line for line in lines if kind in line][number])

    return change


def twice(kind: str, number: int) -> Change:
    def change(lines: list[Line]) -> None:
        found = [line for line in lines if kind in line][number]
        lines.insert(lines.index(found), found)

    return change


def swapped(one: int, other: int) -> Change:
    def change(lines: list[Line]) -> None:
        lines[one], lines[other] = lines[other], lines[one]

    return change


WRONG: dict[str, tuple[Change, str, int]] = {
    # of a fork: 1 header, 2 workflow, 3 ancestor, 4-5 its commits, 6 run, 7-8 interrupts, 9-16 commits, 17 end
    "a field that is unknown": (at("commit", 0, colour="red"), "import.line", 4),
    "a field of another type": (at("commit", 0, seq="1"), "import.line", 4),
    "a field that is missing": (lambda lines: lines[3]["commit"].pop("at"), "import.line", 4),
    "a kind of commit that is unknown": (at("commit", 0, kind="leap"), "import.line", 4),
    "a body with an unknown field": (at("commit", 0, body__colour=1), "import.line", 4),
    "a body that is none": (at("commit", 1, body__task=[1]), "import.line", 5),
    "an id that is none": (at("ancestor", 0, id="a.b"), "import.line", 3),
    "runs before workflows": (swapped(1, 2), "import.order", 2),
    "commits before their run": (swapped(2, 3), "import.order", 3),
    "a workflow twice": (twice("workflow", 0), "import.history", 3),
    "a workflow of another id": (at("workflow", 0, document__id="other"), "import.history", 2),
    "a workflow with errors": (at("workflow", 0, document__edges=[["a", "ghost"]]), "workflow.invalid", 2),
    "a first version that is not there": (lambda lines: lines[0].update(first_version=7), "import.history", 3),
    "another run than the first line says": (lambda lines: lines[0].update(run_id="other"), "import.history", 6),
    "fewer runs than are needed": (lambda lines: lines[0].update(runs=1), "import.order", 3),
    "a run of another origin": (at("run", 0, origin_id="other"), "import.history", 6),
    "a run that was forked from nothing": (at("run", 0, parent=None), "import.history", 6),
    "a run that was forked from what is not there": (at("run", 0, parent=(1 << 32) + 9), "import.history", 6),
    "a run that has ended without a time": (at("run", 0, finished_at=None), "import.history", 6),
    "an interrupt twice": (twice("interrupt", 0), "import.history", 8),
    "an interrupt of nobody": (at("interrupt", 0, id="other"), "import.history", 7),
    "a commit that is missing": (without("commit", 3), "import.history", 10),
    "a commit twice": (twice("commit", 2), "import.history", 10),
    "a run that does not begin": (at("commit", 2, kind="state"), "import.history", 9),
    "a run that begins twice": (at("commit", 3, kind="start"), "import.history", 10),
    "a commit that follows none": (lambda lines: lines[9]["commit"].pop("parent"), "import.history", 10),
    "a commit that follows another": (at("commit", 5, parent=2), "import.history", 12),
    "a branch that never began": (at("commit", 5, branch=3), "import.history", 12),
    "an epoch that goes back": (at("commit", 3, epoch=2), "import.history", 11),
    "a cause that comes later": (at("commit", 3, body__task__3=[9]), "import.history", 10),
    "a cause in a run that is not there": (at("commit", 3, body__task__3=[(9 << 32) + 1]), "import.history", 10),
    "a cause behind the fork": (at("commit", 3, body__task__3=[(1 << 32) + 3]), "import.history", 10),
    "a snapshot that is not there": (at("commit", 4, base=1), "import.history", 11),
    "a task that was never open": (at("commit", 3, body__task__0="0" * 32), "import.history", 10),
    "a node that is not there": (at("commit", 3, body__task__1=["ghost"]), "import.history", 10),
    "a round that is none": (at("commit", 3, body__task__1=["ask", [1]]), "import.history", 10),
    "an edge that is not there": (at("commit", 3, body__task__2=[99]), "import.history", 10),
    "a key that is not declared": (at("commit", 2, body__writes=[["ghost", 1]]), "import.history", 9),
    "an answer to no interrupt": (at("commit", 4, body__resolved=["other"]), "import.history", 11),
    "fewer commits than the run says": (at("run", 0, commits=9), "import.order", 17),
    "another version at its end": (at("run", 0, workflow_version=2), "import.history", 16),
    "another branch at its end": (at("run", 0, branch=1), "import.history", 16),
    "another status at its end": (at("run", 0, status="failed"), "import.history", 17),
    "events that are missing": (at("run", 0, events=3), "import.history", 17),
}  # fmt: skip


@pytest.fixture
async def fork(here: Server, worker: HttpWorker) -> list[Line]:
    """The lines of a fork that asked twice."""
    run = await begun(here, "asks")
    made = await forked(here, f"{run}.2", updates={"n": 5})
    await here.post(f"/runs/{made}/replay", {"checkpoint_id": f"{made}.1"})
    await here.settled(made)
    await answered(here, made)
    found = lines_of(await exported(here, made))
    kinds = [next(iter(line)) for line in found]
    assert kinds == [
        "format", "workflow", "ancestor", *["commit"] * 2, "run", *["interrupt"] * 2, *["commit"] * 8, "end",
    ]  # fmt: skip
    return found


async def test_every_line_that_does_not_fit_is_named(there: Server, fork: list[Line]) -> None:
    text = sealed(fork)
    for what, (change, code, number) in WRONG.items():
        lines = lines_of(text)
        change(lines)
        problem = await refusal(there, sealed(lines), what=what)
        assert (problem["code"], problem["errors"][0]["line"]) == (code, number), (what, problem["detail"])
    assert (await sent(there, text)).status_code == 201


async def test_events_timers_and_letters_have_to_fit_too(here: Server, there: Server, worker: HttpWorker) -> None:
    lines = lines_of(await exported(here, await that_failed(here, worker)))
    numbers = {kind: [n for n, line in enumerate(lines, 1) if kind in line] for kind in ("dead_letter", "event")}
    first, letter = numbers["event"][0], numbers["dead_letter"][0]
    events = [line["event"] for line in lines if "event" in line]
    retry = next(n for n, event in enumerate(events) if event["kind"] == "retry")
    assert events[retry]["body"]["usage"]
    timer = {"timer": {"task_id": "ghost", "kind": "retry", "due_at": 1}}
    wrong: list[tuple[Change, int]] = [
        (swapped(first - 1, first), first + 1),
        (at("event", 0, seq=99), first),
        (at("event", 0, body={}), first),
        (at("event", retry, body__usage={"tokens": 1}), numbers["event"][retry]),
        (at("event", -1, n=99), numbers["event"][-1]),
        (at("dead_letter", 0, seq=1), letter),
        (lambda found: found.insert(letter, timer), letter + 1),
    ]
    for change, number in wrong:
        changed = lines_of(sealed(lines))
        change(changed)
        assert (await refusal(there, sealed(changed)))["errors"][0]["line"] == number
    assert (await sent(there, sealed(lines))).status_code == 201


# ---- what is here already


async def test_the_same_file_again_changes_nothing(here: Server, there: Server, worker: HttpWorker) -> None:
    run = await that_waits_for_somebody(here, worker)
    text = await exported(here, run)
    await imported(there, text)
    end = await there.wired.store.log_end()
    again = await imported(there, text, 200)
    assert (again["id"], again["hold"]) == (run, "imported")
    assert await there.wired.store.log_end() == end
    assert (await imported(here, text, 200))["hold"] is None


async def test_a_run_that_is_here_otherwise_is_a_conflict(here: Server, there: Server, worker: HttpWorker) -> None:
    run = await that_waits_for_somebody(here, worker)
    before = await exported(here, run)
    await imported(there, before)
    await answered(here, run)
    after = await exported(here, run)
    for server, text in ((there, after), (here, before)):
        response = await sent(server, text)
        assert (response.status_code, response.json()["code"]) == (409, "run.exists")
    assert await exported(there, run) == before


async def test_an_ancestor_that_is_here_otherwise_is_a_conflict(here: Server, there: Server) -> None:
    run = await begun(here, "asks")
    early = await exported(here, run)
    fork = await exported(here, await forked(here, f"{run}.2", goto="two"))
    lines = lines_of(fork)
    at("commit", 1, at=1)(lines)
    await imported(there, sealed(lines))
    other = await exported(here, await forked(here, f"{run}.2", goto="two"))
    for text in (other, early):
        response = await sent(there, text)
        assert (response.status_code, response.json()["code"]) == (409, "import.differs")


async def test_an_ancestor_that_is_here_must_have_what_a_fork_reads(here: Server, there: Server) -> None:
    run = await begun(here, "asks")
    await imported(there, await exported(here, run))
    await answered(here, run)
    response = await sent(there, await exported(here, await forked(here, f"{run}.5", goto="two")))
    assert (response.status_code, response.json()["code"]) == (409, "import.behind")


async def test_an_older_file_of_a_run_whose_beginning_is_longer_is_a_conflict(here: Server, there: Server) -> None:
    run = await begun(here, "asks")
    early = await exported(here, run)
    await answered(here, run)
    await imported(there, await exported(here, await forked(here, f"{run}.5", goto="two")))
    response = await sent(there, early)
    assert (response.status_code, response.json()["code"]) == (409, "run.exists")


async def test_what_comes_in_at_the_same_time_comes_in_once(here: Server, there: Server) -> None:
    import asyncio

    text = await exported(here, await begun(here, "long"))
    responses = await asyncio.gather(*(sent(there, text) for _ in range(4)))
    assert sorted(response.status_code for response in responses)[0] in (200, 201)
    assert {response.status_code for response in responses} <= {200, 201, 503}
    assert len((await there.get("/runs"))["items"]) == 1


# ---- workflows


async def test_a_workflow_that_is_new_here_comes_in_paused(here: Server, there: Server) -> None:
    await imported(there, await exported(here, await begun(here, "asks")))
    found = await there.get("/workflows/asks")
    assert (found["version"], found["status"], found["definition"]) == (1, "paused", ASKS)


async def test_a_version_of_a_known_workflow_does_not_become_its_newest(here: Server, there: Server) -> None:
    renamed = {**ASKS, "name": "new"}
    await here.call("PUT", "/workflows/asks", json=renamed)
    run = await begun(here, "asks")
    await there.post("/workflows", ASKS, 201)
    await imported(there, await exported(here, run))
    assert (await there.get("/workflows/asks"))["version"] == 1
    assert (await there.get("/workflows/asks/versions/2"))["definition"] == renamed
    assert (await there.get(f"/runs/{run}"))["workflow_version"] == 2
    assert (await there.call("PUT", "/workflows/asks", json={**ASKS, "name": "newest"}))["version"] == 3
    assert [row["version"] for row in (await there.get("/workflows/asks/versions"))["items"]] == [3, 2, 1]


async def test_a_version_that_says_something_else_here_is_a_conflict(here: Server, there: Server) -> None:
    run = await begun(here, "asks")
    await there.post("/workflows", {**ASKS, "name": "other"}, 201)
    response = await sent(there, await exported(here, run))
    assert (response.status_code, response.json()["code"]) == (409, "workflow.differs")
    assert (await there.get("/runs"))["items"] == []


# ---- keys, and a store that takes nothing


async def test_an_idempotency_key_stands_for_the_file(here: Server, there: Server) -> None:
    one, other = [await exported(here, await begun(here, "straight")) for _ in range(2)]
    key = {"Idempotency-Key": "k1"}
    first, again = [await sent(there, one, **key) for _ in range(2)]
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    conflict = await sent(there, other, **key)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency.mismatch")


async def test_a_store_that_takes_nothing_is_told(here: Server, there: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    text = await exported(here, await begun(here, "straight"))

    async def full(batches: Any) -> None:
        raise StoreFull("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(there.wired.store, "commit_all", full)
        response = await sent(there, text)
        assert (response.status_code, response.json()["code"]) == (507, "store.full")
    await imported(there, text)
