"""The client of an MQTT broker: how it connects, how long it waits, and whom it trusts."""

from __future__ import annotations

import logging
import socket
import ssl
from functools import cache
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dispatch._mqtt_address import V5, Broker

CONNECT_S = 5.0
"""For how long a connection, and then each step on it that the broker has to confirm, may take."""
KEEPALIVE_S = 10
"""After so many silent seconds the broker is asked whether it is there; after as many more it is taken for gone."""
SESSION_S = 7 * 24 * 3600
"""For so long a broker keeps what comes while we are away; 3.1.1 leaves that to the broker."""
AT_ONCE = 512
"""Messages under way at a time, each way, where the broker does not want fewer."""

# What paho logs names topics, and the topic of an answer authorises it. What matters is in our own log.
_silent = logging.getLogger(f"{__name__}.silent")
_silent.disabled = True


def a_client(broker: Broker, password: str | None, client_id: str, tls: ssl.SSLContext | None) -> aiomqtt.Client:
    """A client that has a session which outlives its connections."""
    options: dict[str, Any] = {"protocol": aiomqtt.ProtocolVersion.V311, "clean_session": False}
    if broker.version == V5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S
        properties.ReceiveMaximum = AT_ONCE
        options = {"protocol": aiomqtt.ProtocolVersion.V5, "clean_start": False, "properties": properties}
    return aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.user,
        password=password,
        identifier=client_id,
        logger=_silent,
        timeout=CONNECT_S,
        keepalive=KEEPALIVE_S,
        max_inflight_messages=0,  # how many are under way is kept here, as the broker says when it accepts
        tls_context=tls,
        socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        **options,
    )


class _Closing(ssl.SSLSocket):
    """A socket that is closed when the handshake fails: paho leaves it to whoever clears up."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


@cache
def what_is_trusted() -> ssl.SSLContext:
    """The certificates that the system trusts. Reads files."""
    context = ssl.create_default_context()
    context.sslsocket_class = _Closing
    return context
