"""Push notifications of tasks: who is told, what, and in which order, also where it does not arrive at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engine.model import RunId
from tests.integration.pushing import (
    CREDENTIALS,
    FAILS,
    HERE,
    TOKEN,
    config,
    created,
    furnished,
    heard,
    of,
    sent,
    sent_03,
    states,
    statuses,
)
from tests.integration.test_a2a_server import V1, message, rpc
from tests.unit.api.serving import Server
from tests.unit.dispatch.builders import HttpWorker, answer, drop, free_port, http_worker


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with furnished(tmp_path) as found:
        yield found


# ---- what is told


async def test_a_message_may_say_who_is_told_of_its_task(server: Server, receiver: HttpWorker) -> None:
    task = await sent(server, "straight", config(receiver))
    bodies = await heard(receiver, 3)

    assert states(bodies) == ["working", "artifact", "completed"]
    update = bodies[1]["artifactUpdate"]
    assert (update["taskId"], update["contextId"]) == (task["id"], task["contextId"])
    assert (update["artifact"]["parts"], update["lastChunk"]) == ([{"data": {"n": 1}}], True)
    for seen in receiver.seen:
        assert seen.headers["content-type"] == "application/a2a+json"
        assert seen.headers["authorization"] == f"Bearer {CREDENTIALS}"
        assert seen.headers["x-a2a-notification-token"] == TOKEN
    notices = await statuses(server, task, "delivered")
    assert [one["type"] for one in notices[::-1]] == ["run.running", "run.output", "run.completed"]
    assert {one["push_id"] for one in notices} == {"mine"}
    assert {one["id"] for one in notices} == {seen.headers["webhook-id"] for seen in receiver.seen}


async def test_0_3_is_told_the_whole_task(server: Server, receiver: HttpWorker) -> None:
    told = {"url": f"{receiver.url}/told", "token": TOKEN}
    told |= {"authentication": {"schemes": ["Basic", "Bearer"], "credentials": CREDENTIALS}}
    task = await sent_03(server, "straight", told)
    bodies = await heard(receiver, 2)

    assert [(body["kind"], body["id"]) for body in bodies] == [("task", task["id"])] * 2
    assert states(bodies) == ["working", "completed"]
    assert bodies[1]["artifacts"][0]["parts"][0]["data"] == {"n": 1}
    assert bodies[1]["history"][0]["messageId"] == "m1"
    assert receiver.seen[0].headers["content-type"] == "application/json"
    assert receiver.seen[0].headers["authorization"] == f"Basic {CREDENTIALS}"


async def test_every_status_is_told_in_order_and_a_question_with_its_words(
    server: Server, receiver: HttpWorker
) -> None:
    task = await sent(server, "asking", config(receiver))
    waits = (await heard(receiver, 2))[1]["statusUpdate"]["status"]
    assert waits["message"]["parts"][0]["text"] == "how many?"
    await sent(server, "asking", taskId=task["id"], messageId="m2")
    assert states(await heard(receiver, 5)) == ["working", "input-required", "working", "artifact", "completed"]


async def test_an_answer_may_say_who_is_told_from_there_on(server: Server, receiver: HttpWorker) -> None:
    task = await sent(server, "asking")
    await sent(server, "asking", config(receiver), taskId=task["id"], messageId="m2")
    assert states(await heard(receiver, 3)) == ["working", "artifact", "completed"]


async def test_a_fork_tells_whom_its_message_names_and_nobody_else(server: Server, receiver: HttpWorker) -> None:
    task = await sent(server, "straight", config(receiver))
    await heard(receiver, 3)
    checkpoint = {"checkpointId": f"{task['id']}.1"}
    fork = await sent(server, "straight", config(receiver, path="/fork"), messageId="m2", metadata=checkpoint)
    bodies = await heard(receiver, 3, "/fork")
    assert states(bodies) == ["working", "artifact", "completed"]
    assert bodies[0]["statusUpdate"]["taskId"] == fork["id"] != task["id"]
    assert len(of(receiver, "/told")) == 3


@pytest.mark.parametrize(
    ("reply", "state", "text"),
    [
        ({"error": {"code": "rejected", "message": "not this one", "retryable": False}}, "rejected", "not this one"),
        ({"error": {"code": "boom", "message": "it broke", "retryable": False}}, "failed", "it broke"),
    ],
)
async def test_a_run_that_fails_is_told_with_the_reason(
    server: Server, receiver: HttpWorker, reply: Any, state: str, text: str
) -> None:
    async with http_worker() as worker:
        worker.script = [answer(reply)]
        await server.post("/workers", {"id": "w", "protocol": "webhook", "url": worker.url, "tags": ["w"]}, 201)
        await sent(server, "working", config(receiver))
        bodies = await heard(receiver, 2)
    assert states(bodies) == ["working", state]
    assert bodies[1]["statusUpdate"]["status"]["message"]["parts"][0]["text"] == text


async def test_a_run_that_is_cancelled_is_told(server: Server, receiver: HttpWorker) -> None:
    task = await sent(server, "asking", config(receiver))
    await rpc(server, "asking", "CancelTask", {"id": task["id"]})
    assert states(await heard(receiver, 3)) == ["working", "input-required", "canceled"]


async def test_a_stream_may_say_who_is_told_as_well(server: Server, receiver: HttpWorker) -> None:
    given = message({"data": {}}) | {"configuration": {"taskPushNotificationConfig": config(receiver)}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage", "params": given}
    await server.http.post("http://clew.test/a2a/straight", json=body, headers=V1)
    assert states(await heard(receiver, 3)) == ["working", "artifact", "completed"]


async def test_the_same_message_again_tells_nobody_twice(server: Server, receiver: HttpWorker) -> None:
    first, again = [await sent(server, "straight", config(receiver)) for _ in range(2)]
    await statuses(server, first, "delivered")
    assert first["id"] == again["id"]
    assert len(receiver.seen) == 3


async def test_the_webhook_of_a_run_shows_what_it_was_told_itself(server: Server, receiver: HttpWorker) -> None:
    hook = {"url": f"{receiver.url}/hook", "events": ["interrupted"]}
    run = await server.post("/workflows/asking/runs?wait=30", {"webhook": hook}, 201)
    await created(server, run, config(receiver))
    await sent(server, "asking", taskId=run["id"], messageId="m2")
    await heard(receiver, 3)
    shown = (await server.get(f"/runs/{run['id']}"))["webhook"]
    [told] = [one for one in (await server.get("/notices"))["items"] if one["push_id"] is None]
    assert (shown["notice_id"], shown["url"]) == (told["id"], f"{receiver.url}/hook")


async def test_an_output_that_is_long_is_left_out_and_that_is_said(
    server: Server, receiver: HttpWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.announcement.MAX_OUTPUT", 3)
    await sent(server, "straight", config(receiver))
    bodies = await heard(receiver, 2)
    assert states(bodies) == ["working", "completed"]
    assert bodies[1]["statusUpdate"]["metadata"] == {"outputOmitted": True}
    await sent_03(server, "straight", {"url": f"{receiver.url}/old"}, messageId="m2")
    whole = (await heard(receiver, 2, "/old"))[1]
    assert ("artifacts" in whole, whole["metadata"]["outputOmitted"]) == (False, True)


# ---- what does not arrive at once


async def test_a_receiver_that_fails_is_told_again_in_order_once_it_recovers(
    server: Server, receiver: HttpWorker
) -> None:
    receiver.script = [FAILS, drop, FAILS, HERE]
    task = await sent(server, "straight", config(receiver))
    await statuses(server, task, "delivered")
    assert states(await heard(receiver, 6)) == ["working"] * 4 + ["artifact", "completed"]
    assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 3


async def test_a_receiver_that_is_down_is_given_up_and_shown_and_can_be_told_again(
    tmp_path: Path, receiver: HttpWorker
) -> None:
    port = free_port()
    async with furnished(tmp_path, webhook_give_up_s=0) as server:
        task = await sent(server, "straight", config(receiver, url=f"http://127.0.0.1:{port}/told"))
        failed = await statuses(server, task, "failed")
        assert [one["attempts"] for one in failed] == [1, 1, 1]
        assert all("Cannot connect" in one["last_error"] for one in failed)
        await created(server, task, config(receiver), "straight")
        assert {one["url"] for one in (await server.get("/notices"))["items"]} == {f"{receiver.url}/told"}
        for one in failed[::-1]:
            await server.post(f"/notices/{one['id']}/redrive", {})
        await statuses(server, task, "delivered")
    assert states(await heard(receiver, 3)) == ["working", "artifact", "completed"]


async def test_a_redirect_is_not_followed(server: Server, receiver: HttpWorker) -> None:
    async def away(seen: Any, request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": f"{receiver.url}/elsewhere"})

    receiver.script = [away, HERE]
    task = await sent(server, "straight", config(receiver))
    await statuses(server, task, "delivered")
    assert [seen.path for seen in receiver.seen] == ["/told"] * 4


async def test_a_server_that_starts_tells_what_the_one_before_could_not(tmp_path: Path, receiver: HttpWorker) -> None:
    receiver.script = [FAILS]
    async with furnished(tmp_path, webhook_retry_s=3600) as server:
        task = await sent(server, "straight", config(receiver))
        await receiver.until(lambda: len(receiver.seen) == 1)
        later = next(one for one in (await server.get("/notices"))["items"] if one["type"] == "run.running")
    receiver.script = [HERE]
    async with furnished(tmp_path) as server:
        await server.post(f"/notices/{later['id']}/redrive", {})
        await statuses(server, task, "delivered")
    assert states(await heard(receiver, 4)) == ["working", "working", "artifact", "completed"]


async def test_configs_go_with_their_run(server: Server, receiver: HttpWorker) -> None:
    task = await sent(server, "straight", config(receiver))
    await statuses(server, task, "delivered")
    await server.wired.engine.delete(RunId(task["id"]))
    assert (await server.get("/notices"))["items"] == []
    assert await server.wired.store.run(RunId(task["id"])) is None
