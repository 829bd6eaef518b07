"""Sessions over HTTP: runs that go on from one another, and what is told of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.ports import RunFilter
from tests.integration import talking
from tests.integration.talking import LATER, ended, has_worker, held, reply, say, start, texts
from tests.unit.api.serving import Server, straight
from tests.unit.dispatch.builders import HttpWorker, answer

DOCUMENTS = talking.DOCUMENTS


# ---- a session goes on


async def test_a_run_goes_on_from_where_its_session_stands(server: Server) -> None:
    first = await ended(server, input={"n": 4})

    run = await ended(server, input={"n": 10})

    assert (run["session_id"], run["state"], run["output"]) == ("s", {"n": 16}, {"n": 16})
    assert (run["parent_id"], run["forked_from"]) == (first["id"], None)
    checkpoints = (await server.get(f"/runs/{run['id']}/checkpoints?state=true"))["items"]
    assert checkpoints[-1]["parent_id"] == first["latest_checkpoint_id"]
    assert [found["state"]["n"] for found in checkpoints] == [16, 16, 15]


async def test_a_run_without_a_session_belongs_to_none(server: Server) -> None:
    run = await server.post("/workflows/straight/runs?wait=10", {}, 201)

    assert (run["session_id"], run["parent_id"]) == (None, None)


async def test_each_workflow_goes_on_from_its_own_last_run(server: Server) -> None:
    await ended(server, input={"n": 1})
    other = await start(server, workflow="asking")
    await server.post(f"/runs/{other['id']}/resume", {"resume": 7})
    await server.settled(other["id"])

    run = await ended(server, input={"n": 1})

    assert run["state"] == {"n": 4}
    assert (await server.settled(other["id"]))["state"] == {"answer": 7}


async def test_a_chat_needs_no_more_than_messages(server: Server, worker: HttpWorker) -> None:
    await has_worker(server, worker)
    for number, text in enumerate(("hello", "and now?")):
        run = await say(server, text)
        await held(server, worker, number + 1)
        await reply(server, worker, number, f"reply {number}")
        run = await server.settled(run["id"])

    assert texts(run["state"]) == ["hello", "reply 0", "and now?", "reply 1"]
    assert texts(worker.seen[1].body["state"]) == ["hello", "reply 0", "and now?"]
    assert [seen.body["session_id"] for seen in worker.seen] == ["s", "s"]


async def test_history_reaches_across_the_runs_of_a_session(server: Server) -> None:
    first = await ended(server, input={"n": 1})
    run = await ended(server, input={"n": 10})

    diff = await server.get(f"/diff?from={first['id']}.1&to={run['latest_checkpoint_id']}")
    compared = await server.get(f"/compare?a={first['id']}&b={run['id']}")
    blame = await server.get(f"/runs/{run['id']}/blame?path=n")
    fork = await server.post(f"/runs/{run['id']}/fork", {"checkpoint_id": f"{run['id']}.1"}, 201)
    fork = await server.settled(fork["id"])

    assert diff["patch"] == [{"op": "replace", "path": "/n", "value": 13}]
    assert compared["common_ancestor"] == first["latest_checkpoint_id"]
    assert [(found["run_id"], found["kind"]) for found in blame["items"]] == [
        (run["id"], "node"), (run["id"], "start"), (first["id"], "node"), (first["id"], "start"),
    ]  # fmt: skip
    assert (fork["state"], fork["session_id"], fork["forked_from"]["run_id"]) == ({"n": 13}, None, run["id"])


async def test_a_fork_is_no_part_of_its_session(server: Server) -> None:
    first = await ended(server, input={"n": 1})
    body = {"checkpoint_id": f"{first['id']}.1", "updates": {"n": 100}}
    await server.settled((await server.post(f"/runs/{first['id']}/fork", body, 201))["id"])

    assert (await ended(server))["state"] == {"n": 3}
    assert len((await server.get("/runs?session_id=s"))["items"]) == 2


async def test_a_replay_of_the_last_run_is_where_the_session_stands(server: Server) -> None:
    first = await ended(server, input={"n": 1})
    await server.post(f"/runs/{first['id']}/replay", {"checkpoint_id": f"{first['id']}.1", "updates": {"n": 100}})
    await server.settled(first["id"])

    assert (await ended(server))["state"] == {"n": 103}


async def test_another_version_of_the_workflow_takes_the_state_along(server: Server) -> None:
    await ended(server, input={"n": 1})
    state = {"n": {"type": "integer", "reducer": "add"}, "m": {"type": "string", "default": "new"}}
    await server.call("PUT", "/workflows/straight", json=straight(state_schema=state))

    run = await ended(server)

    assert (run["workflow_version"], run["state"]) == (2, {"n": 3, "m": "new"})


async def test_an_input_that_does_not_fit_the_state_is_refused_and_begins_nothing(server: Server) -> None:
    await ended(server, input={"n": 2**62})

    problem = await server.refused(
        "POST", "/workflows/straight/runs", 422, json={"session_id": "s", "input": {"n": 2**62}}
    )

    assert problem["code"] == "state.invalid"
    assert len((await server.get("/sessions/s"))["runs"]) == 1
    await server.wired.engine.loop.idle()
    assert server.wired.engine.loop.tally.lost == 0  # nothing was planned for it either


async def test_a_failed_run_leaves_the_session_where_it_stopped(server: Server, worker: HttpWorker) -> None:
    await has_worker(server, worker)
    worker.script = [answer({"error": {"code": "no", "message": "no", "retryable": False}}), LATER]
    failed = await server.settled((await say(server, "one"))["id"])

    run = await say(server, "two")

    assert failed["status"] == "failed"
    assert texts((await server.get(f"/runs/{run['id']}"))["state"]) == ["one", "two"]


# ---- what is asked


@pytest.mark.parametrize(
    "body",
    [
        {"on_busy": "enqueue"},
        {"session_id": "s", "on_busy": "later"},
        {"session_id": ""},
        {"session_id": "a/b"},
        {"session_id": ".."},
        {"session_id": 1},
    ],
)
async def test_what_makes_no_sense_is_refused(server: Server, body: Any) -> None:
    await server.refused("POST", "/workflows/straight/runs", 422, json=body)


async def test_the_same_key_starts_one_run(server: Server) -> None:
    first = await start(server, workflow="asking")
    body, headers = {"session_id": "s", "on_busy": "enqueue"}, {"Idempotency-Key": "k"}
    found = [(await server.http.post("/workflows/straight/runs", json=body, headers=headers)).json() for _ in range(2)]

    await server.post(f"/runs/{first['id']}/resume", {"resume": 1})
    await server.settled(found[0]["id"])

    assert found[0]["id"] == found[1]["id"]
    assert len((await server.get("/runs?session_id=s"))["items"]) == 2


async def test_sessions_are_listed(server: Server) -> None:
    for session in ("a", "b", "c"):
        await ended(server, session)
    last = await ended(server, "a")
    pages, cursor = list[Any](), None
    while not pages or cursor is not None:
        page = await server.get("/sessions", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        cursor = page["next_cursor"]
        pages += page["items"]

    assert {found["id"] for found in pages} == {"a", "b", "c"}
    (shown,) = (found for found in pages if found["id"] == "a")
    assert (shown["status"], shown["workflow_id"], shown["latest_run_id"]) == ("completed", "straight", last["id"])
    assert shown["latest_checkpoint_id"] == last["latest_checkpoint_id"]
    await server.refused("GET", "/sessions?cursor=x", 422)


async def test_a_session_is_shown_with_its_newest_state_and_its_runs(server: Server) -> None:
    runs = [await ended(server, input={"n": number}) for number in (1, 2)]

    shown = await server.get("/sessions/s")

    assert (shown["id"], shown["state"], shown["status"]) == ("s", {"n": 5}, "completed")
    assert [run["id"] for run in shown["runs"]] == [run["id"] for run in reversed(runs)]
    await server.refused("GET", "/sessions/nobody", 404)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 50])
async def test_checkpoints_are_listed_over_all_runs_of_a_session(server: Server, limit: int) -> None:
    for number in (1, 2, 3):
        await ended(server, input={"n": number})
    found, cursor = list[Any](), None
    while not found or cursor is not None:
        given = {"limit": limit, "state": "true", **({"cursor": cursor} if cursor else {})}
        page = await server.get("/sessions/s/checkpoints", params=given)
        assert len(page["items"]) <= limit
        cursor = page["next_cursor"]
        found += page["items"]

    assert [one["kind"] for one in found] == ["end", "node", "start"] * 3
    assert [one["state"]["n"] for one in found] == [9, 9, 8, 5, 5, 4, 2, 2, 1]
    assert [one["parent_id"] for one in found] == [*(one["id"] for one in found[1:]), None]


async def test_the_stream_of_all_runs_is_narrowed_down_to_a_session(server: Server) -> None:
    await ended(server, "other")
    run = await ended(server)
    found = []
    at = await server.wired.everything.place(None, from_now=False)
    async for events in server.wired.everything.stream(RunFilter(session_id="s"), modes=frozenset({"updates"}), at=at):
        found += [(event.event, event.data["run_id"]) for event in events]
        break

    assert found == [(name, run["id"]) for name in ("run", "updates", "run")]


async def test_checkpoints_of_a_session_are_those_of_its_own(server: Server) -> None:
    await ended(server)

    assert (await server.get("/sessions/s/checkpoints?node=nobody"))["items"] == []
    await server.refused("GET", "/sessions/nobody/checkpoints", 404)
    await server.refused("GET", "/sessions/s/checkpoints?cursor=1", 422)


async def test_a_run_that_others_go_on_from_is_not_deleted(server: Server) -> None:
    runs = [await ended(server, input={"n": 1}) for _ in range(2)]

    problem = await server.refused("DELETE", f"/runs/{runs[0]['id']}", 409)
    await server.call("DELETE", f"/runs/{runs[1]['id']}", 204)

    assert problem["code"] == "run.has_forks"
    assert (await ended(server))["state"] == {"n": 3}
    assert len((await server.get("/sessions/s"))["runs"]) == 2


async def test_a_session_is_deleted_with_its_runs(server: Server) -> None:
    runs = [await ended(server) for _ in range(3)]

    await server.call("DELETE", "/sessions/s", 204)

    for run in runs:
        await server.refused("GET", f"/runs/{run['id']}", 404)
    await server.refused("GET", "/sessions/s", 404)
    await server.refused("DELETE", "/sessions/s", 404)
    assert (await ended(server))["state"] == {"n": 1}


async def test_a_session_in_which_something_goes_on_is_not_deleted(server: Server) -> None:
    await ended(server)
    await ended(server, workflow="asking")

    assert (await server.refused("DELETE", "/sessions/s", 409))["code"] == "session.active"


async def test_a_session_that_a_fork_reads_is_not_deleted(server: Server) -> None:
    run = await ended(server)
    await server.settled((await server.post(f"/runs/{run['id']}/fork", {"checkpoint_id": f"{run['id']}.1"}, 201))["id"])

    assert (await server.refused("DELETE", "/sessions/s", 409))["code"] == "run.has_forks"


async def test_the_stream_of_a_run_that_waits_tells_when_it_begins(server: Server) -> None:
    first = await start(server, workflow="asking")
    run = await start(server, on_busy="enqueue")
    told = asyncio.create_task(server.http.get(f"/runs/{run['id']}/stream"))
    await server.post(f"/runs/{first['id']}/resume", {"resume": 1})

    lines = (await told).text.splitlines()

    events = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert events == ["run", "run", "updates", "run", "end"]
