"""A worker behind an MQTT broker, for the tests that every transport has to pass."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.mqtt_worker import MqttWorker, mqtt_worker
from tests.servers import Mosquitto, own_mosquitto
from tests.unit.dispatch.builders import a_worker, free_port


class MqttPeer:
    def __init__(self, worker: MqttWorker, broker: Mosquitto) -> None:
        self.worker = worker
        self.row = a_worker(url=f"{broker.url}/{worker.topic}")
        self.nobody = a_worker(url=f"mqtt://127.0.0.1:{free_port()}/work")
        self.reported: list[tuple[str, Any]] = []

    def answers(self, body: Any) -> None:
        self.worker.script = lambda got: [*self.reported, ("", body)]

    def accepts(self) -> None:
        self.worker.script = lambda got: []

    def fails(self, error: Any) -> None:
        self.answers({"error": error})

    def hangs(self) -> None:
        self.accepts()

    def got(self) -> list[tuple[bytes, str]]:
        return self.worker.got()

    def reports(self, body: Any) -> None:
        self.reported.append(("/progress", body))

    async def until_asked(self) -> None:
        await self.worker.until(lambda: bool(self.worker.tasks))

    async def until_left(self) -> None:
        raise AssertionError("nobody waits while a worker is at it")


@asynccontextmanager
async def mqtt_peer() -> AsyncIterator[MqttPeer]:
    with own_mosquitto() as broker:
        async with mqtt_worker(broker.port, "contract/work") as worker:
            yield MqttPeer(worker, broker)
