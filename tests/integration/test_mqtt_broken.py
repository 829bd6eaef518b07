"""Nothing is lost over MQTT when brokers, connections, the store or the server fail."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import Any
from uuid import uuid4

import aiomqtt
import pytest
from structlog.testing import capture_logs

from dispatch import _mqtt_client, _mqtt_session, _mqtt_wire, mqtt
from engine.model import TaskId
from engine.outbox import Accepted, Unreachable
from tests.integration.mqtting import a_row, speaking
from tests.mqtt_worker import mqtt_worker
from tests.proxy import proxy_to
from tests.servers import Mosquitto, own_mosquitto
from tests.unit.dispatch.builders import PATIENCE_S, Caught, Watched, free_port


@pytest.fixture
def topic() -> str:
    return f"work/{uuid4().hex}"


async def test_what_came_while_the_server_was_away_is_heard_afterwards(mosquitto: Mosquitto, topic: str) -> None:
    row = a_row(mosquitto.port, topic)
    async with mqtt_worker(mosquitto.port, topic) as worker:
        worker.script = lambda got: []
        async with speaking(row, server=topic) as ends:
            assert await ends.deliver(row) == Accepted()
            await worker.until(lambda: len(worker.tasks) == 1)
        await worker.answer(worker.tasks[0], [("", {"output": "late"})])
        async with speaking(row, server=topic) as ends:
            assert await ends.result() == {"output": "late"}


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_what_was_not_written_down_is_given_again(mosquitto: Mosquitto, topic: str, version: str) -> None:
    """It is not acknowledged: the broker keeps it for the next connection."""
    row = a_row(mosquitto.port, topic, metadata={"mqtt_version": version})
    broken = Caught()
    broken.down = True
    async with mqtt_worker(mosquitto.port, topic):
        async with speaking(row, server=topic, inbox=broken) as ends:
            assert await ends.deliver(row) == Accepted()
            await broken.until(lambda: broken.asked > 0)
        assert broken.results == []
        async with speaking(row, server=topic) as ends:
            assert await ends.result() == {"output": "done"}


async def test_what_was_written_down_is_not_given_again(mosquitto: Mosquitto, topic: str) -> None:
    row = a_row(mosquitto.port, topic)
    async with mqtt_worker(mosquitto.port, topic) as worker:
        async with speaking(row, server=topic) as ends:
            await asyncio.gather(*(ends.deliver(row, f"t{number}") for number in range(30)))
            await ends.inbox.until(lambda: len(ends.inbox.results) == 30)
            await ends.until_connected(row)  # the broker reads that after the acknowledgements
        async with speaking(row, server=topic) as ends:
            await ends.deliver(row, "last")
            await ends.result("last")
        assert [corr for corr, _ in ends.inbox.results] == ["last.s"]
        assert len(worker.tasks) == 31


async def test_a_broker_that_restarts_loses_neither_tasks_nor_answers(topic: str) -> None:
    name = f"worker-{topic}"
    with own_mosquitto() as broker:
        row = a_row(broker.port, topic)
        async with speaking(row) as ends:
            async with mqtt_worker(broker.port, topic, name) as worker:
                worker.script = lambda got: []
                await asyncio.gather(*(ends.deliver(row, f"t{number}") for number in range(10)))
                await worker.until(lambda: len(worker.tasks) == 10)
                held = worker.tasks
            assert await ends.deliver(row, "waiting") == Accepted()
            broker.stop()
            await ends.until_here(False)
            broker.start()
            await ends.until_here()
            async with mqtt_worker(broker.port, topic, name) as worker:
                for got in held:
                    await worker.answer(got, [("", {"output": 1})])
                for name in ("waiting", *(f"t{number}" for number in range(10))):
                    await ends.result(name)


async def test_a_broker_that_forgets_everything_is_used_again(topic: str) -> None:
    with own_mosquitto(["persistence false"]) as broker:
        row = a_row(broker.port, topic)
        async with speaking(row) as ends:
            await ends.until_connected(row)
            broker.kill()
            await ends.until_here(False)
            broker.start()
            async with mqtt_worker(broker.port, topic):
                await ends.until_here()
                assert await ends.deliver(row) == Accepted()
                assert await ends.result() == {"output": "done"}


async def test_a_task_whose_connection_is_cut_before_it_is_acknowledged_is_sent_again(
    mosquitto: Mosquitto, topic: str
) -> None:
    async with proxy_to(mosquitto.port) as proxy, mqtt_worker(mosquitto.port, topic) as worker:
        row = a_row(proxy.port, topic)
        async with speaking(row) as ends:
            await ends.until_connected(row)
            await ends.deliver(row, "first")
            await ends.result("first")
            proxy.cut_at_reply = True
            assert await ends.deliver(row) == Accepted()
            await ends.result()
        assert {key for _, key in worker.got()} == {"first", "t1"}
        assert proxy.connections == 2


async def test_a_connection_that_is_cut_within_a_task_does_no_harm(mosquitto: Mosquitto, topic: str) -> None:
    async with proxy_to(mosquitto.port) as proxy, mqtt_worker(mosquitto.port, topic) as worker:
        row = a_row(proxy.port, topic)
        async with speaking(row) as ends:
            await ends.until_connected(row)
            await ends.deliver(row, "first")
            proxy.cut_after = 10_000
            assert await ends.deliver(row, size=100_000) == Accepted()
            await ends.result()
        assert [len(raw) > 100_000 for raw, key in worker.got() if key == "t1"] == [True]


async def test_a_broker_that_acknowledges_nothing_is_left_for_another_connection(
    mosquitto: Mosquitto, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mqtt_wire, "STALL_S", 0.1)
    monkeypatch.setattr(_mqtt_wire, "LOOK_EVERY_S", 0.02)
    async with proxy_to(mosquitto.port) as proxy, mqtt_worker(mosquitto.port, topic):
        row = a_row(proxy.port, topic)
        async with speaking(row) as ends:
            await ends.until_connected(row)
            proxy.half_open()
            delivery = asyncio.ensure_future(ends.deliver(row))
            await ends.until_here(False)
            proxy.half_open(False)
            assert await delivery == Accepted()
            assert await ends.result() == {"output": "done"}


async def test_a_connection_that_hangs_half_open_is_noticed_while_nothing_is_sent(
    mosquitto: Mosquitto, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mqtt_client, "KEEPALIVE_S", 1)
    async with proxy_to(mosquitto.port) as proxy:
        row = a_row(proxy.port, topic)
        async with speaking(row) as ends:
            await ends.until_connected(row)
            proxy.half_open()
            await ends.until_here(False)
            proxy.half_open(False)
            await ends.until_here()


async def test_a_broker_that_says_nothing_at_all_is_given_up(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mqtt_client, "CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections are made, by the system, and that is all
        row = a_row(silent.getsockname()[1], topic)
        async with speaking(row) as ends:
            assert isinstance(await ends.deliver(row), Unreachable)


async def test_a_message_that_never_gets_through_is_given_up(
    mosquitto: Mosquitto, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mqtt_session, "FIRST_S", 0.001)
    monkeypatch.setattr(_mqtt_session, "LONGEST_S", 0.01)
    async with proxy_to(mosquitto.port) as proxy:
        row = a_row(proxy.port, topic)
        async with speaking(row) as ends:
            await ends.until_connected(row)

            def again(worker_id: str, here: bool) -> None:
                proxy.cut_after = 5_000 if here else None

            ends.presence.listen(again)
            proxy.cut_after = 5_000
            reply = await ends.deliver(row, size=100_000)
    assert getattr(reply, "error", None) is not None
    assert (reply.error.code, reply.transport) == ("worker.connection", True)  # type: ignore[union-attr]


async def test_a_broker_that_is_not_there_is_told_of_once(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection is closed at once, which is noticed at once."""
    monkeypatch.setattr(_mqtt_session, "LONGEST_S", 0.001)
    tried, tries = Watched(), []

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        tries.append(writer)
        tried.changed()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    row = a_row(port, topic, token="user:s3cret")
    with capture_logs() as logs:
        async with server, speaking(row) as ends:
            reply = await ends.deliver(row)
            await tried.until(lambda: len(tries) == 5)
    why = "the broker closed the connection before it had accepted it"
    assert reply == Unreachable(message=f"the broker 127.0.0.1:{port} cannot be reached: {why}")
    assert [(log["event"], log["broker"], log["error"]) for log in logs] == [("mqtt.away", f"127.0.0.1:{port}", why)]
    assert "s3cret" not in str(logs)


async def test_workers_are_there_again_when_their_broker_is(mosquitto: Mosquitto, topic: str) -> None:
    async with proxy_to(mosquitto.port) as proxy:
        rows = [a_row(proxy.port, topic, "w1"), a_row(mosquitto.port, topic, "w2")]
        async with speaking(*rows) as ends:
            await ends.until_connected(rows[0])
            proxy.refuse()
            proxy.cut()
            await ends.until_here(False)
            assert "w2" not in ends.presence
            await proxy.accept()
            await ends.until_here()


async def test_a_worker_that_moves_is_as_far_away_as_where_it_is(mosquitto: Mosquitto, topic: str) -> None:
    gone = a_row(free_port(), topic)
    async with speaking(gone) as ends:
        await ends.until_here(False)
        ends.mqtt.serve([gone, replace(gone, id="w2")])
        assert "w2" in ends.presence
        ends.mqtt.serve([a_row(mosquitto.port, topic), replace(gone, id="w2")])
        assert ("w1" in ends.presence, "w2" in ends.presence) == (False, True)


async def test_a_worker_that_is_removed_while_its_broker_is_away_is_not_away(topic: str) -> None:
    row = a_row(free_port(), topic)
    async with speaking(row) as ends:
        await ends.until_here(False)
        ends.mqtt.serve([])
        assert "w1" not in ends.presence


async def test_a_delivery_that_is_given_up_makes_room_for_the_next(
    mosquitto: Mosquitto, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker lets twenty be under way; fifty are cancelled while it says nothing."""
    async with proxy_to(mosquitto.port) as proxy, mqtt_worker(mosquitto.port, topic):
        row = a_row(proxy.port, topic)
        async with speaking(row) as ends:
            await ends.until_connected(row)
            proxy.delay_s = 0.2
            deliveries = [asyncio.ensure_future(ends.deliver(row, f"t{number}")) for number in range(50)]
            await asyncio.wait(deliveries, timeout=0)
            for delivery in deliveries:
                delivery.cancel()
            await asyncio.wait(deliveries)
            proxy.delay_s = 0
            assert await ends.deliver(row, "last") == Accepted()
            assert await ends.result("last") == {"output": "done"}


async def test_a_session_that_no_worker_uses_any_more_ends_in_the_end(
    mosquitto: Mosquitto, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = a_row(mosquitto.port, topic)
    async with mqtt_worker(mosquitto.port, topic) as worker, speaking(row, server=topic) as ends:
        worker.script = lambda got: []
        await ends.deliver(row)
        await worker.until(lambda: len(worker.tasks) == 1)
        ends.mqtt.serve([])
        await worker.answer(worker.tasks[0], [("", {"output": 1})])
        assert await ends.result() == {"output": 1}
        ends.mqtt.serve([row])
        monkeypatch.setattr(mqtt, "RETIRE_S", 0)
        ends.mqtt.serve([])
        session = next(iter(ends.mqtt._sessions.values()))
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait([session._task])


async def test_a_cancel_that_cannot_be_told_is_noted(topic: str) -> None:
    row = a_row(free_port(), topic)
    with capture_logs() as logs:
        async with speaking(row) as ends:
            await ends.mqtt.cancel(row, TaskId("t1"), "t1")
    assert [log["event"] for log in logs] == ["mqtt.away", "cancel.untold"]


async def test_a_session_ends_though_it_was_told_to_when_the_broker_was_just_answering(
    mosquitto: Mosquitto, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cancel comes between the broker's answer and whoever waits for it."""
    confirm = aiomqtt.Client._on_subscribe
    closing: asyncio.Future[asyncio.Task[None]] = asyncio.get_running_loop().create_future()

    def confirm_and_close(client: aiomqtt.Client, *what: Any) -> None:
        if not closing.done():
            closing.set_result(asyncio.ensure_future(ends.mqtt.close()))
        confirm(client, *what)

    monkeypatch.setattr(aiomqtt.Client, "_on_subscribe", confirm_and_close)
    async with asyncio.timeout(PATIENCE_S), speaking(a_row(mosquitto.port, topic)) as ends:
        await (await closing)


async def test_answers_of_qos_0_are_heard_too(mosquitto: Mosquitto, topic: str) -> None:
    row = a_row(mosquitto.port, topic)
    async with (
        mqtt_worker(mosquitto.port, topic) as worker,
        speaking(row) as ends,
    ):
        worker.script = lambda got: []
        await ends.deliver(row)
        await worker.client.publish(ends.mqtt.reply_to(row, "t1.s", ""), b"1", qos=0)
        assert await ends.result() == 1
