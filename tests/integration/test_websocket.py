"""Workers that dial in, against a server on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.sockets import PATIENCE_S, Dialler, a_socketed_server
from tests.unit.api.serving import Server, working
from tests.unit.dispatch.builders import HttpWorker

RETRIED = {"max_attempts": 3, "initial_interval_ms": 1}


def working_again(**fields: Any) -> dict[str, Any]:
    """The same work under another name, whose attempts are made again."""
    document = working("again")
    document["nodes"]["job"] |= {"retry": RETRIED, **fields}
    return document


class Place:
    """A server, and the address that workers dial."""

    def __init__(self, server: Server, url: str) -> None:
        self.server, self.url = server, url

    async def start(self, workflow_id: str = "working") -> str:
        return str((await self.server.post(f"/workflows/{workflow_id}/runs", {}, 201))["id"])

    async def task_when(self, run_id: str, holds: Callable[[Any], bool]) -> Any:
        """The one task of a run, once something holds of it, which is seen from outside only."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                tasks = (await self.server.get(f"/runs/{run_id}"))["tasks"]
                if tasks and holds(tasks[0]):
                    return tasks[0]

    async def ended(self, run_id: str) -> tuple[str, Any]:
        done = await self.server.settled(run_id)
        return done["status"], done["state"]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with a_socketed_server(tmp_path) as (server, url):
        for document in (working(), working_again()):
            await server.post("/workflows", document, 201)
        yield Place(server, url)


# ---- a task


async def test_a_worker_that_dials_in_is_registered_and_gets_tasks(place: Place) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url, inventory={"packages": ["a@1"]}) as worker:
        row = await place.server.get("/workers/w1")
        assert (row["protocol"], row["url"], row["tags"], row["max_concurrent"]) == ("websocket", None, ["w"], 4)
        assert (row["metadata"], row["inventory"]) == ({}, {"packages": ["a@1"]})
        frame = await worker.take()
        assert (frame["task"]["prompt"], frame["message_id"]) == ("go", frame["task"]["task_id"])
        assert frame["task"]["correlation_id"] == frame["corr"]
        assert await worker.answer(frame, {"output": "done"}) == {"type": "ack", "corr": "r1"}
        assert await place.ended(run_id) == ("completed", {"out": "done"})


async def test_a_dispatch_is_shown_until_it_is_acknowledged(place: Place) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url) as worker:
        frame = await worker.hear("dispatch")
        asked = await place.task_when(run_id, lambda task: task["dispatch_id"] is not None)
        assert (asked["dispatch_id"], asked["pending_ack"]) == (frame["id"], True)
        assert seconds(asked["started_at"], asked["ack_deadline"]) == 3 * frame["ack_ms"] / 1000
        await worker.say("ack", corr=frame["id"])
        taken = await place.task_when(run_id, lambda task: not task["pending_ack"])
        assert taken["ack_deadline"] == frame["task"]["deadline"]


async def test_a_second_answer_changes_nothing_and_is_acknowledged(place: Place) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url) as worker:
        frame = await worker.take()
        await worker.answer(frame, {"output": "first"})
        again = await worker.answer(frame, {"output": "first"})
        late = await worker.answer(frame, {"output": "second"}, "r2")
    assert again == {"type": "ack", "corr": "r1"}
    assert late["refused"]["code"] == "task.late"
    assert await place.ended(run_id) == ("completed", {"out": "first"})


async def test_an_answer_with_a_wrong_secret_is_refused(place: Place) -> None:
    await place.start()
    async with Dialler.at(place.url) as worker:
        frame = await worker.take()
        refused = await worker.answer({"corr": frame["task"]["task_id"] + ".wrong.secret"}, {"output": 1})
    assert refused["refused"]["code"] == "task.token"


async def test_what_a_worker_reports_is_shown(place: Place) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url) as worker:
        frame = await worker.take()
        await worker.say("feedback", corr=frame["corr"], stage="reading", progress=0.4)
        task = await place.task_when(run_id, lambda task: task["progress"] is not None)
    assert task["progress"] == {"stage": "reading", "progress": 0.4, "message": None}


@pytest.mark.parametrize("said", [{"error": {"code": "E.CMD"}}, {"body": {"code": "E.CMD"}}, {"error": {}}, {}])
async def test_an_error_of_the_work_is_that_of_the_attempt(place: Place, said: dict[str, Any]) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url) as worker:
        frame = await worker.take()
        await worker.say("command.error", id="r1", corr=frame["corr"], **said)
        assert await worker.hear("ack") == {"type": "ack", "corr": "r1"}
    done = await place.server.settled(run_id)
    assert (done["status"], done["error"]["code"]) == ("failed", "E.CMD" if any(said.values()) else "worker.error")


async def test_an_attempt_that_takes_too_long_is_made_again(place: Place) -> None:
    await place.server.post("/workflows", {**working_again(timeout_ms=200), "id": "short"}, 201)
    await place.start("short")
    async with Dialler.at(place.url) as worker:
        first, second = await worker.take(), await worker.take()
        assert (first["task"]["attempt"], second["task"]["attempt"]) == (1, 2)
        assert (first["message_id"], first["id"] == second["id"]) == (second["message_id"], False)
        await worker.say("result", id="r1", corr=first["corr"], body={"error": {"code": "no"}})
        assert (await worker.hear("ack"))["refused"]["code"] == "task.late"


async def test_a_worker_is_told_when_nobody_wants_the_answer(place: Place) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url) as worker:
        frame = await worker.take()
        await place.task_when(run_id, lambda task: task["worker_id"] == "w1" and not task["pending_ack"])
        await place.server.post(f"/runs/{run_id}/cancel", {})
        assert await worker.hear("cancel") == {"type": "cancel", "task_id": frame["task"]["task_id"]}
        await worker.say("feedback", corr=frame["corr"], stage="still at it")
        assert await worker.hear("cancel") == {"type": "cancel", "task_id": frame["task"]["task_id"]}


async def test_a_task_waits_for_a_worker_that_is_away(place: Place) -> None:
    async with Dialler.at(place.url):
        pass
    run_id = await place.start()
    await place.task_when(run_id, lambda task: task["reason"] == "unreachable")
    async with Dialler.at(place.url) as worker:
        await worker.answer(await worker.take(), {"output": 1})
    assert await place.ended(run_id) == ("completed", {"out": 1})


async def test_a_worker_that_drains_gets_no_more_and_may_answer(place: Place) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url) as worker:
        frame = await worker.take()
        await worker.say("drain")
        await worker.answer(frame, {"output": 1})
        assert await place.ended(run_id) == ("completed", {"out": 1})
        later = await place.start()
        await place.task_when(later, lambda task: task["reason"] == "unreachable")
        assert (await place.server.get("/workers/w1"))["reason"] == "it says that it is draining"


def seconds(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


# ---- breaks


async def test_a_worker_that_comes_back_with_its_task_may_answer_it(place: Place) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url) as worker:
        frame = await worker.take()
        await place.task_when(run_id, lambda task: task["dispatch_id"] is not None and not task["pending_ack"])
        worker.break_off()
    held = {"task_id": frame["task"]["task_id"], "corr": frame["corr"]}
    async with Dialler.at(place.url, holding=[held]) as worker:
        await worker.answer(frame, {"output": "after all"})
    assert await place.ended(run_id) == ("completed", {"out": "after all"})


async def test_what_a_worker_was_not_heard_of_is_sent_again_when_it_comes_back(place: Place) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url) as worker:
        first = await worker.hear("dispatch")
        worker.break_off()
    async with Dialler.at(place.url) as worker:
        again = await worker.take()
        assert again == first
        await worker.answer(again, {"output": 1})
    assert await place.ended(run_id) == ("completed", {"out": 1})


async def test_a_worker_that_was_killed_comes_back_without_its_task_which_is_tried_again(place: Place) -> None:
    run_id = await place.start("again")
    async with Dialler.at(place.url) as worker:
        frame = await worker.take()
        await place.task_when(run_id, lambda task: task["dispatch_id"] is not None and not task["pending_ack"])
        worker.break_off()
    async with Dialler.at(place.url) as worker:
        again = await worker.take()
        assert again["task"]["attempt"] == 2
        record = await place.server.get(f"/runs/{run_id}/tasks/{frame['task']['task_id']}")
        assert [event["error"]["code"] for event in record["attempts"] if event["kind"] == "retry"] == ["worker.lost"]
        await worker.answer(again, {"output": 2})
    assert await place.ended(run_id) == ("completed", {"out": 2})


async def test_a_finished_answer_that_was_not_listed_is_taken_all_the_same(place: Place) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url) as worker:
        frame = await worker.take()
        await place.task_when(run_id, lambda task: task["dispatch_id"] is not None and not task["pending_ack"])
        worker.break_off()
    async with Dialler.at(place.url) as worker:
        assert "refused" not in await worker.answer(frame, {"output": "was done"})
    assert await place.ended(run_id) == ("completed", {"out": "was done"})


async def test_a_worker_is_told_what_to_drop_when_it_comes_back(place: Place) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url) as worker:
        frame = await worker.take()
        worker.break_off()
    await place.server.post(f"/runs/{run_id}/cancel", {})
    await place.ended(run_id)
    held = {"task_id": frame["task"]["task_id"], "corr": frame["corr"]}
    async with connect(place.url, compression=None) as socket:
        assert (await Dialler(socket).register(holding=[held]))["drop"] == [frame["task"]["task_id"]]


async def test_a_second_connection_replaces_the_first(place: Place) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url) as first:
        frame = await first.take()
        await place.task_when(run_id, lambda task: task["dispatch_id"] is not None and not task["pending_ack"])
        held = {"task_id": frame["task"]["task_id"], "corr": frame["corr"]}
        async with Dialler.at(place.url, holding=[held]) as second:
            assert await first.closed() == (4409, "another connection came for this worker")
            await second.answer(frame, {"output": 1})
            assert await place.ended(run_id) == ("completed", {"out": 1})
            await place.start()
            await second.take()


async def test_a_worker_that_is_removed_is_sent_off(place: Place) -> None:
    async with Dialler.at(place.url) as worker:
        await place.server.call("DELETE", "/workers/w1", 204)
        assert await worker.closed() == (4410, "the worker was removed")


async def test_a_worker_that_was_drained_before_is_sent_off_for_good(place: Place) -> None:
    async with Dialler.at(place.url) as worker:
        await place.server.post("/workers/w1/drain", {})
        await place.server.call("DELETE", "/workers/w1", 204)
        assert await worker.closed() == (4411, "the worker was drained and removed")
    async with Dialler.at(place.url) as worker:
        await place.server.call("DELETE", "/workers/w1", 204)
        assert await worker.closed() == (4410, "the worker was removed")


async def test_a_worker_is_told_that_it_is_drained_and_that_it_gets_tasks_again(place: Place) -> None:
    async with Dialler.at(place.url, features=["drain"]) as worker:
        for draining in (True, False, True):
            await place.server.post("/workers/w1/drain", {"draining": draining})
            assert await worker.hear("drain") == {"type": "drain", "scope": "worker", "draining": draining}
    async with Dialler.at(place.url, features=["drain"]) as worker:  # it may not know yet
        assert (await worker.hear("drain"))["scope"] == "worker"


@pytest.mark.parametrize(("features", "told"), [([], "cancel"), (["rebind"], "rebind")])
async def test_a_worker_is_told_when_its_task_goes_to_another_one(place: Place, features: list[str], told: str) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url, features=features) as worker:
        task_id = (await worker.take())["task"]["task_id"]
        await place.task_when(run_id, lambda task: not task["pending_ack"])
        async with Dialler.at(place.url, "w2") as other:
            await place.server.post(f"/runs/{run_id}/rebind", {"worker_id": "w2"})
            assert await worker.hear(told) == {"type": told, "task_id": task_id}
            await other.answer(await other.take(), {"output": "from w2"})
    assert await place.ended(run_id) == ("completed", {"out": "from w2"})


async def test_workers_are_told_that_the_server_ends(tmp_path: Path) -> None:
    async with a_socketed_server(tmp_path) as (server, url), Dialler.at(url) as worker:
        server.wired.closing.set()
        assert await worker.hear("drain") == {"type": "drain", "scope": "server"}
        assert await worker.closed() == (1012, "the server ends")


# ---- who may dial


async def test_a_worker_needs_the_servers_token(tmp_path: Path) -> None:
    async with a_socketed_server(tmp_path, token="s3cret") as (_, url):
        for headers, code in (({}, "auth.missing"), ({"Authorization": "Bearer other"}, "auth.invalid")):
            with pytest.raises(InvalidStatus) as refused:
                await connect(url, additional_headers=headers)
            assert refused.value.response.status_code == 401
            assert orjson.loads(refused.value.response.body or b"")["code"] == code
        async with connect(url, additional_headers={"Authorization": "Bearer s3cret"}) as socket:
            await Dialler(socket).register()


async def test_a_token_in_the_address_is_refused(place: Place) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{place.url}?token=s3cret")
    response = refused.value.response
    assert (response.status_code, orjson.loads(response.body or b"")["code"]) == (422, "request.unsupported")


async def test_pages_of_other_origins_may_not_dial(place: Place) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(place.url, origin="http://evil.test")  # type: ignore[arg-type]
    response = refused.value.response
    assert (response.status_code, orjson.loads(response.body or b"")["code"]) == (403, "origin.refused")


async def test_the_id_of_a_worker_of_another_protocol_is_taken(place: Place, worker: HttpWorker) -> None:
    row = {"id": "w1", "protocol": "webhook", "url": worker.url, "token": "t0ken"}
    await place.server.post("/workers", row, 201)
    async with connect(place.url) as socket:
        dialler = Dialler(socket)
        await dialler.say("register", id="w1")
        assert (await dialler.hear("error"))["code"] == "worker.exists"
        assert (await dialler.closed())[0] == 4403


async def test_a_worker_over_sockets_has_no_address(place: Place) -> None:
    row = {"id": "w1", "protocol": "websocket", "url": "ws://127.0.0.1/"}
    problem = await place.server.refused("POST", "/workers", 422, json=row)
    assert problem["errors"][0]["path"] == "/url"
    assert "leave `url` out" in problem["detail"]
    await place.server.post("/workers", {"id": "w1", "protocol": "websocket", "tags": ["w"]}, 201)


@pytest.mark.parametrize(
    ("text", "code"), [("{", "frame.invalid"), ('{"type":"heartbeat"}', "frame.unexpected"), ("[]", "frame.invalid")]
)
async def test_the_first_frame_has_to_register(place: Place, text: str, code: str) -> None:
    async with connect(place.url) as socket:
        await socket.send(text)
        assert (await Dialler(socket).hear("error"))["code"] == code
        assert (await Dialler(socket).closed())[0] == 4400


async def test_frames_that_are_not_understood_stop_nothing(place: Place) -> None:
    run_id = await place.start()
    async with Dialler.at(place.url) as worker:
        frame = await worker.take()
        for text in (
            "{",
            '{"type":"hello"}',
            '{"type":"result","corr":"x"}',
            '{"a":1,"a":2}',
            '{"n":' + "9" * 30 + "}",
        ):
            await worker.socket.send(text)
            assert (await worker.hear("error"))["code"] == "frame.invalid"
        await worker.answer(frame, {"output": 1})
    assert await place.ended(run_id) == ("completed", {"out": 1})


async def test_a_frame_may_be_as_long_as_a_body(tmp_path: Path) -> None:
    async with a_socketed_server(tmp_path, max_body=2048) as (_, url), Dialler.at(url) as worker:
        await worker.say("result", id="r1", corr="t.s", body="x" * 1000)
        assert (await worker.hear("ack"))["refused"]["code"] == "task.token"
        await worker.say("result", id="r2", corr="t.s", body="x" * 3000)
        assert (await worker.closed())[0] == 1009


async def test_what_a_worker_has_is_kept_up_to_date(place: Place) -> None:
    async with Dialler.at(place.url, metadata={"zone": "a"}) as worker:
        await worker.say("heartbeat", inventory=["x"], resources={"gpu": 1})
        await worker.say("hello")
        await worker.hear("error")  # frames are taken in turn
        row = await place.server.get("/workers/w1")
    assert (row["metadata"], row["inventory"], row["resources"]) == ({"zone": "a"}, ["x"], {"gpu": 1})


async def test_how_a_worker_is_and_what_it_understands_is_shown(place: Place) -> None:
    about = {"protocol_version": 2, "features": ["drain"], "metadata": {"version": "0.1.0", "runtimes": ["python"]}}
    async with Dialler.at(place.url, **about, metrics={"cpu": 0.1}) as worker:
        row = await place.server.get("/workers/w1")
        assert row["metadata"] == {"protocol_version": 2, "features": ["drain"], **about["metadata"]}
        assert (row["metrics"], row["reported_status"]) == ({"cpu": 0.1}, None)
        await worker.say("heartbeat", metrics={"cpu": 0.9}, status="working")
        await worker.say("hello")  # frames are taken in turn
        await worker.hear("error")
        [row] = (await place.server.get("/workers"))["items"]
    assert (row["metrics"], row["reported_status"]) == ({"cpu": 0.9}, "working")
