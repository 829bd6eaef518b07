"""A worker that is reached over MQTT: it answers every task with its prompt, in capitals.

    python -m examples.mqtt_worker mqtt://127.0.0.1:1883/shout NAME [5|3.1.1]

Workers with different names serve the topic together. Each is known to the broker by its name, which therefore keeps
its tasks while it is away; `MQTT_USER` and `MQTT_PASSWORD` open the broker's door.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

GROUP = "workers"
KEPT_S = 24 * 3600
"""For so long the broker keeps what comes while a worker is away."""
VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


def answer_to(task: dict[str, Any]) -> dict[str, Any]:
    """The work."""
    return {"output": task["prompt"].upper()}


def work(client: Client, topic: str, message: MQTTMessage) -> None:
    """A task came: answer it, then tell the broker that it need not keep it any more."""
    if message.topic == f"{topic}/cancel":
        print(f"not wanted any more: {json.loads(message.payload)['task_id']}", flush=True)
    else:
        task = json.loads(message.payload)
        reply_to = getattr(message.properties, "ResponseTopic", task["reply_to"])
        client.publish(f"{reply_to}/progress", json.dumps({"stage": "shouting", "progress": 0.5}), qos=1)
        client.publish(reply_to, json.dumps(answer_to(task)), qos=1)
        print(f"answered: {task['task_id']}", flush=True)
    client.ack(message.mid, message.qos)


def main() -> None:
    """Serve until interrupted; paho connects again by itself."""
    place, name, version = urlsplit(sys.argv[1]), sys.argv[2], (*sys.argv[3:], "5")[0]
    topic = unquote(place.path[1:])

    def subscribe(client: Client, *_: Any) -> None:
        client.subscribe([(f"$share/{GROUP}/{topic}", 1), (f"{topic}/cancel", 1)])

    def ready(*_: Any) -> None:
        print("ready", flush=True)

    def send_at_once(client: Client, _: Any, connection: Any) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    kept: dict[str, Any] = {}
    if version == "5":
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = KEPT_S
        kept = {"clean_start": False, "properties": properties}
    lasting = None if version == "5" else False
    client = Client(CallbackAPIVersion.VERSION2, name, lasting, protocol=VERSIONS[version], manual_ack=True)
    client.username_pw_set(os.environ.get("MQTT_USER"), os.environ.get("MQTT_PASSWORD"))
    client.on_connect, client.on_subscribe, client.on_socket_open = subscribe, ready, send_at_once
    client.on_message = lambda client, _, message: work(client, topic, message)
    client.connect(place.hostname or "127.0.0.1", place.port or 1883, **kept)
    client.loop_forever()


if __name__ == "__main__":
    main()
