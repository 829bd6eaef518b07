"""Runs of a real server whose worker is reached over a real MQTT broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.test_api_streams import streamed
from tests.mqtt_worker import MqttWorker, mqtt_worker
from tests.servers import Mosquitto, own_mosquitto
from tests.unit.api.serving import PATIENCE_S, Server, a_server, working


@pytest.fixture
def topic() -> str:
    return f"work/{uuid4().hex}"


def patient(**task: Any) -> dict[str, Any]:
    """A workflow whose task has these fields beside."""
    document = working()
    document["nodes"]["job"] |= task
    return document


@asynccontextmanager
async def served(
    folder: Path, broker: Mosquitto, topic: str, *, grace_s: float = 0, **task: Any
) -> AsyncIterator[Server]:
    """A server that knows a worker at this topic."""
    async with a_server(folder, grace_s=grace_s) as server:
        await server.post("/workflows", patient(**task), 201)
        row = {"id": "w1", "protocol": "mqtt", "url": f"{broker.url}/{topic}", "tags": ["w"], "max_concurrent": 64}
        await server.post("/workers", row, 201)
        yield server


async def start(server: Server) -> str:
    """The id of a run that has been started."""
    return str((await server.post("/workflows/working/runs", {}, 201))["id"])


async def asked(server: Server, worker: MqttWorker) -> str:
    """The id of a run whose task the worker holds."""
    worker.script = lambda got: []
    before = len(worker.tasks)
    run_id = await start(server)
    await worker.until(lambda: len(worker.tasks) > before)
    return run_id


async def reason(server: Server, run_id: str) -> str:
    """What the task of a run waits for, once it waits."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            task = (await server.get(f"/runs/{run_id}"))["tasks"][0]
            if task["status"] == "waiting":
                return str(task["reason"])
            await asyncio.sleep(0)  # the delivery is a task of this loop


async def test_many_runs_are_asked_and_answered(tmp_path: Path, mosquitto: Mosquitto, topic: str) -> None:
    async with (
        mqtt_worker(mosquitto.port, topic, group="g") as one,
        mqtt_worker(mosquitto.port, topic, group="g") as other,
        served(tmp_path, mosquitto, topic) as server,
    ):
        for worker in (one, other):
            worker.script = lambda got: [("", {"output": got.body["run_id"]})]
        runs = [await start(server) for _ in range(30)]
        ends = await asyncio.gather(*(server.settled(run_id) for run_id in runs))
    assert [end["state"]["out"] for end in ends] == runs
    assert len(one.tasks) + len(other.tasks) == 30


async def test_a_second_and_a_late_answer_change_nothing(tmp_path: Path, mosquitto: Mosquitto, topic: str) -> None:
    async with mqtt_worker(mosquitto.port, topic) as worker, served(tmp_path, mosquitto, topic) as server:
        run_id = await asked(server, worker)
        await worker.answer(worker.tasks[0], [("", {"output": 1}), ("", {"output": 2})])
        assert (await server.settled(run_id))["state"]["out"] == 1
        await worker.answer(worker.tasks[0], [("", {"output": 3}), ("/progress", {"stage": "x"}), ("/heartbeat", b"")])
        other = await asked(server, worker)
        await worker.answer(worker.tasks[-1], [("", {"output": 4})])
        assert (await server.settled(other))["state"]["out"] == 4
        assert (await server.get(f"/runs/{run_id}"))["state"]["out"] == 1


async def test_an_answer_without_the_secret_of_its_task_is_none(
    tmp_path: Path, mosquitto: Mosquitto, topic: str
) -> None:
    async with mqtt_worker(mosquitto.port, topic) as worker, served(tmp_path, mosquitto, topic) as server:
        run_id = await asked(server, worker)
        forged = worker.tasks[0].reply_to.rpartition(".")[0] + ".guess"
        await worker.client.publish(forged, b'{"output": "forged"}', qos=1)
        await worker.answer(worker.tasks[0], [("", {"output": "true"})])
        assert (await server.settled(run_id))["state"]["out"] == "true"


async def test_reports_are_shown(tmp_path: Path, mosquitto: Mosquitto, topic: str) -> None:
    async with mqtt_worker(mosquitto.port, topic) as worker, served(tmp_path, mosquitto, topic) as server:
        reports = [("/heartbeat", b""), ("/progress", {"stage": "read", "progress": 0.4, "message": "page 4"})]
        worker.script = lambda got: [*reports, ("", {"output": 1})]
        run_id = await start(server)
        await server.settled(run_id)
        told = await streamed(server, f"/runs/{run_id}/stream?mode=custom")
        log = (await server.get(f"/runs/{run_id}/tasks/{worker.tasks[0].body['task_id']}"))["log"]
    assert [event["data"]["message"] for event in told if event["event"] == "custom"] == ["page 4"]
    assert [(line["stage"], line["worker"]) for line in log] == [("read", "w1")]


async def test_a_worker_is_told_of_a_cancel(tmp_path: Path, mosquitto: Mosquitto, topic: str) -> None:
    async with mqtt_worker(mosquitto.port, topic) as worker, served(tmp_path, mosquitto, topic) as server:
        run_id = await asked(server, worker)
        await server.post(f"/runs/{run_id}/cancel")
        await worker.until(lambda: len(worker.cancels) == 1)
        task_id = worker.tasks[0].body["task_id"]
        assert worker.cancels[0].body == {"task_id": task_id, "message_id": task_id}


async def test_what_a_worker_took_and_never_answered_goes_to_the_next(
    tmp_path: Path, mosquitto: Mosquitto, topic: str
) -> None:
    """A worker that has died in the middle: its time is up, and the next attempt goes to whoever is there."""
    retry = {"max_attempts": 2, "initial_interval_ms": 0}
    async with (
        mqtt_worker(mosquitto.port, topic) as other,
        served(tmp_path, mosquitto, topic, timeout_ms=500, retry=retry) as server,
    ):
        other.script = lambda got: [("", {"output": got.body["attempt"]})] if got.body["attempt"] > 1 else []
        end = await server.settled(await start(server))
        assert (end["status"], end["state"]["out"]) == ("completed", 2)
        first, second = other.tasks
    assert first.properties["message-id"] == second.properties["message-id"]
    assert first.properties["MessageExpiryInterval"] == 1


async def test_a_task_waits_for_a_worker_that_is_not_there_yet(
    tmp_path: Path, mosquitto: Mosquitto, topic: str
) -> None:
    async with served(tmp_path, mosquitto, topic) as server:
        run_id = await start(server)
        assert await reason(server, run_id) == "unreachable"
        async with mqtt_worker(mosquitto.port, topic):
            end = await server.settled(run_id)
    assert end["state"]["out"] == "done"


async def test_a_run_outlasts_the_restart_of_its_broker(tmp_path: Path, topic: str) -> None:
    with own_mosquitto() as broker:
        async with served(tmp_path, broker, topic) as server:
            async with mqtt_worker(broker.port, topic, "worker") as worker:
                held = await asked(server, worker)
            broker.stop()
            waits = await start(server)
            broker.start()
            async with mqtt_worker(broker.port, topic, "worker") as again:
                await again.answer(worker.tasks[0], [("", {"output": "held"})])
                assert (await server.settled(held))["state"]["out"] == "held"
                assert (await server.settled(waits))["state"]["out"] == "done"


async def test_an_answer_given_while_the_server_was_away_is_applied(
    tmp_path: Path, mosquitto: Mosquitto, topic: str
) -> None:
    async with mqtt_worker(mosquitto.port, topic) as worker:
        async with served(tmp_path, mosquitto, topic, grace_s=30) as server:  # it is noted that it was sent
            run_id = await asked(server, worker)
        await worker.answer(worker.tasks[0], [("", {"output": "meanwhile"})])
        async with a_server(tmp_path) as server:
            assert (await server.settled(run_id))["state"]["out"] == "meanwhile"
    assert len(worker.tasks) == 1


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://h/t", "must begin with mqtt://"),
        ("mqtt://h", "must name a topic"),
        ("mqtt://user:pass@h/t", "use `token`"),
        ("mqtt://h/a/%23", "must not contain"),
    ],
)
async def test_an_address_is_checked_when_the_worker_registers(tmp_path: Path, url: str, why: str) -> None:
    async with a_server(tmp_path) as server:
        problem = await server.refused("POST", "/workers", 422, json={"id": "w1", "protocol": "mqtt", "url": url})
    assert problem["errors"][0]["path"] == "/url"
    assert why in problem["errors"][0]["message"]
    assert "pass" not in str(problem).replace("password", "")
