"""A worker over MQTT that does nothing but answer: `python -m bench.mqtt_worker --port N`, the one of its broker.

It does not parse what it is asked beyond where to answer.
"""

from __future__ import annotations

import argparse
import re
import socket
from contextlib import suppress
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

TOPIC = "bench/work"
ANSWER = b'{"output":1}'
REPLY_TO = re.compile(rb'"reply_to":"([^"]+)"')


def work(client: Client, _: Any, message: MQTTMessage) -> None:
    found = REPLY_TO.search(message.payload)
    if found is not None:
        client.publish(found[1].decode(), ANSWER, qos=1)


def subscribe(client: Client, *_: Any) -> None:
    client.subscribe(TOPIC, 1)


def send_at_once(client: Client, _: Any, connection: Any) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def main(port: int) -> None:
    client = Client(CallbackAPIVersion.VERSION2, "bench-worker")
    client.on_connect, client.on_message, client.on_socket_open = subscribe, work, send_at_once
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.loop_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    with suppress(KeyboardInterrupt):
        main(parser.parse_args().port)
