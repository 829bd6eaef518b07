"""Tasks and answers over a real MQTT broker: what is on the wire, and what comes of it."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

import aiomqtt
import pytest
from structlog.testing import capture_logs

from dispatch._inbox import Receipt
from engine.model import TaskId
from engine.outbox import Accepted, Refused, Unreachable
from tests.integration.mqtting import a_row, speaking
from tests.mqtt_worker import mqtt_worker
from tests.proxy import proxy_to
from tests.servers import Mosquitto, own_mosquitto
from tests.unit.dispatch.builders import Caught

V311 = aiomqtt.ProtocolVersion.V311


@pytest.fixture
def topic() -> str:
    return f"work/{uuid4().hex}"


async def test_mqtt_5_says_beside_the_body_how_to_answer(mosquitto: Mosquitto, topic: str) -> None:
    row = a_row(mosquitto.port, topic)
    async with mqtt_worker(mosquitto.port, topic) as worker, speaking(row) as ends:
        assert await ends.deliver(row, timeout_s=59.5) == Accepted()
        await worker.until(lambda: len(worker.tasks) == 1)
        got = worker.tasks[0]
        assert got.properties["ResponseTopic"] == got.body["reply_to"] == ends.mqtt.reply_to(row, "t1.s", "")
        assert got.properties["CorrelationData"] == b"t1.s"
        assert (got.properties["ContentType"], got.properties["PayloadFormatIndicator"]) == ("application/json", 1)
        assert got.properties["message-id"] == "t1"
        assert got.properties["traceparent"].startswith("00-")
        assert 0 < got.properties["MessageExpiryInterval"] <= 60
        assert await ends.result() == {"output": "done"}


async def test_over_3_1_1_the_body_says_it(mosquitto: Mosquitto, topic: str) -> None:
    row = a_row(mosquitto.port, topic, metadata={"mqtt_version": "3.1.1"})
    async with mqtt_worker(mosquitto.port, topic, version=V311) as worker, speaking(row) as ends:
        assert await ends.deliver(row) == Accepted()
        assert await ends.result() == {"output": "done"}
        assert worker.tasks[0].properties == {}


async def test_a_version_that_there_is_not_is_refused(mosquitto: Mosquitto, topic: str) -> None:
    row = a_row(mosquitto.port, topic, metadata={"mqtt_version": "4"})
    async with speaking(row) as ends:
        reply = await ends.deliver(row)
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.retryable) == ("worker.invalid", False)
    assert reply.error.message == 'metadata.mqtt_version must be "5" or "3.1.1"'


async def test_workers_that_share_a_topic_share_its_tasks(mosquitto: Mosquitto, topic: str) -> None:
    row = a_row(mosquitto.port, topic)
    async with (
        mqtt_worker(mosquitto.port, topic, group="g") as one,
        mqtt_worker(mosquitto.port, topic, group="g") as other,
        speaking(row) as ends,
    ):
        await asyncio.gather(*(ends.deliver(row, f"t{number}") for number in range(40)))
        await ends.inbox.until(lambda: len(ends.inbox.results) == 40)
    names = [got.body["task_id"] for worker in (one, other) for got in worker.tasks]
    assert sorted(names) == sorted(f"t{number}" for number in range(40))
    assert one.tasks and other.tasks


async def test_a_task_that_nobody_would_get_waits_for_somebody_to_come(mosquitto: Mosquitto, topic: str) -> None:
    row = a_row(mosquitto.port, topic)
    async with speaking(row) as ends:
        assert await ends.deliver(row) == Unreachable(message=f"nobody has subscribed to the topic '{topic}'")
        async with mqtt_worker(mosquitto.port, topic):
            assert await ends.deliver(row) == Accepted()


async def test_a_worker_that_is_away_for_a_while_gets_what_came_meanwhile(mosquitto: Mosquitto, topic: str) -> None:
    row = a_row(mosquitto.port, topic)
    async with mqtt_worker(mosquitto.port, topic, f"worker-{topic}"):
        pass
    async with speaking(row) as ends:
        assert await ends.deliver(row) == Accepted()
        async with mqtt_worker(mosquitto.port, topic, f"worker-{topic}"):
            assert await ends.result() == {"output": "done"}


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (b"plain text", "plain text"),
        (b"", None),
        (b"[1,", "[1,"),
        (b'{"output": null}', {"output": None}),
        (b"\xff\xfe", "it is neither JSON nor text in UTF-8"),
        (b'{"output": 123456789012345678901234567890}', "is out of range"),
    ],
)
async def test_an_answer_is_json_or_text_or_an_error(mosquitto: Mosquitto, topic: str, sent: bytes, heard: Any) -> None:
    row = a_row(mosquitto.port, topic)
    async with mqtt_worker(mosquitto.port, topic) as worker, speaking(row) as ends:
        worker.script = lambda got: [("", sent)]
        await ends.deliver(row)
        body = await ends.result()
    if isinstance(body, dict) and "error" in body:
        told = ("state.invalid", False) if heard == "is out of range" else ("answer.invalid", True)
        assert (body["error"]["code"], body["error"]["retryable"]) == told
        assert heard in body["error"]["message"]
    else:
        assert body == heard


async def test_what_nobody_can_read_is_dropped_and_the_next_is_heard(mosquitto: Mosquitto, topic: str) -> None:
    row = a_row(mosquitto.port, topic)
    async with mqtt_worker(mosquitto.port, topic) as worker, speaking(row) as ends:
        junk = [("/nothing", 1), ("/progress", b"{"), ("/progress/more", 1), ("", {"output": 1})]
        worker.script = lambda got: junk
        with capture_logs() as logs:
            await ends.deliver(row)
            assert await ends.result() == {"output": 1}
    assert ends.inbox.reports == [("t1.s", [None])]
    assert [(log["event"], log["task_id"]) for log in logs if log["event"] != "mqtt.connected"] == [
        ("mqtt.unknown", "t1"),
        ("mqtt.unknown", "t1"),
    ]
    assert "t1.s" not in str(logs)


async def test_reports_heartbeats_and_the_answer_come_in_their_order(mosquitto: Mosquitto, topic: str) -> None:
    row = a_row(mosquitto.port, topic)
    async with mqtt_worker(mosquitto.port, topic) as worker, speaking(row) as ends:
        stages = [("/progress", {"stage": str(number)}) for number in range(20)]
        worker.script = lambda got: [("/heartbeat", b""), *stages, ("", {"output": 1})]
        await ends.deliver(row)
        await ends.result()
    assert ends.inbox.beats == ["t1.s"]
    assert [reports for _, reports in ends.inbox.reports] == [[report] for _, report in stages]


async def test_an_answer_that_comes_twice_is_given_twice(mosquitto: Mosquitto, topic: str) -> None:
    """Which of them counts is not for the transport to say."""
    row = a_row(mosquitto.port, topic)
    async with mqtt_worker(mosquitto.port, topic) as worker, speaking(row) as ends:
        worker.script = lambda got: [("", {"output": 1}), ("", {"output": 1})]
        await ends.deliver(row)
        await ends.inbox.until(lambda: len(ends.inbox.results) == 2)
    assert ends.inbox.results == [("t1.s", {"output": 1})] * 2


async def test_a_cancel_comes_beside_the_tasks(mosquitto: Mosquitto, topic: str) -> None:
    row = a_row(mosquitto.port, topic)
    async with mqtt_worker(mosquitto.port, topic) as worker, speaking(row) as ends:
        await ends.mqtt.cancel(row, TaskId("t1"), "t1.2.0")
        await worker.until(lambda: len(worker.cancels) == 1)
    assert worker.cancels[0].body == {"task_id": "t1", "message_id": "t1.2.0"}


async def test_no_answer_comes_by_two_sessions(mosquitto: Mosquitto, topic: str) -> None:
    rows = [
        a_row(mosquitto.port, topic, f"w{version}", metadata={"mqtt_version": version}) for version in ("5", "3.1.1")
    ]
    async with mqtt_worker(mosquitto.port, topic), speaking(*rows) as ends:
        for number in range(10):
            await ends.deliver(rows[number % 2], f"t{number}")
        await asyncio.gather(*(ends.result(f"t{number}") for number in range(10)))
        assert len(ends.inbox.results) == 10


async def test_workers_at_one_broker_share_a_connection(mosquitto: Mosquitto, topic: str) -> None:
    async with proxy_to(mosquitto.port) as proxy, mqtt_worker(mosquitto.port, topic):
        rows = [a_row(proxy.port, topic, f"w{number}") for number in range(5)]
        async with speaking(*rows) as ends:
            await asyncio.gather(*(ends.deliver(row) for row in rows))
            ends.mqtt.serve(rows[1:])
            await asyncio.gather(*(ends.deliver(row) for row in rows))
        assert proxy.connections == 1


async def test_a_task_is_not_sent_to_a_broker_that_would_not_take_it(topic: str) -> None:
    with own_mosquitto(["max_packet_size 5000"]) as broker:
        row = a_row(broker.port, topic)
        async with mqtt_worker(broker.port, topic), speaking(row) as ends:
            reply = await ends.deliver(row, size=5_000)
            assert isinstance(reply, Refused)
            assert (reply.error.code, reply.retryable) == ("request.too_large", False)
            assert "at most 5000 bytes" in reply.error.message
            assert await ends.deliver(row, size=500) == Accepted()


async def test_a_large_task_and_a_large_answer_get_through(mosquitto: Mosquitto, topic: str) -> None:
    row = a_row(mosquitto.port, topic)
    async with mqtt_worker(mosquitto.port, topic) as worker, speaking(row) as ends:
        worker.script = lambda got: [("", got.body)]
        assert await ends.deliver(row, size=3_000_000) == Accepted()
        assert len((await ends.result())["x"]) == 3_000_000


class Holding(Caught):
    """An inbox that takes the answer to `t0` after all others."""

    async def result(self, correlation_id: str, body: Any) -> Receipt:
        if correlation_id == "t0.s":
            await self.until(lambda: len(self.results) == 9)
        return await super().result(correlation_id, body)


async def test_many_are_heard_at_a_time_and_acknowledged_in_the_order_in_which_they_came(topic: str) -> None:
    with own_mosquitto(["log_type all"]) as broker:
        row = a_row(broker.port, topic)
        async with mqtt_worker(broker.port, topic), speaking(row, inbox=Holding()) as ends:
            for number in range(10):
                await ends.deliver(row, f"t{number}")
            await ends.result("t0")
            await ends.until_connected(row)
        said = broker.said()
    confirmed = [int(mid) for mid in re.findall(r"Received PUBACK from clew-\w+ \(Mid: (\d+)", said)]
    sent = [int(mid) for mid in re.findall(r"Sending PUBLISH to clew-\w+ \(d0, q1, r0, m(\d+)", said)]
    assert confirmed == sent
    assert len(sent) == 10
