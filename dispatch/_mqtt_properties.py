"""The properties of MQTT 5 that go with a publication, as the bytes that they are on the wire.

paho builds tables for each message and looks properties up in them by name; that takes longer than everything else
which is done to send a task. The identifiers and types are those of MQTT 5.0, section 2.2.2.2.
"""

from __future__ import annotations

from collections.abc import Iterable

from paho.mqtt.properties import Properties

_EXPIRY, _RESPONSE, _CORRELATION, _USER = b"\x02", b"\x08", b"\x09", b"\x26"


def _sized(value: bytes) -> bytes:
    """Text or binary data: its length in two bytes, and itself."""
    return len(value).to_bytes(2, "big") + value


_JSON = b"\x01\x01" + b"\x03" + _sized(b"application/json")  # the payload is text in UTF-8, of this content type


class Published(Properties):
    """The properties of a message whose payload is JSON. `expiry_s` is how long the broker keeps it for receivers;
    texts may have 65,535 bytes each. paho asks for nothing but the bytes: the tables of the base are not made."""

    def __init__(
        self,
        *,
        expiry_s: int | None = None,
        response_topic: str | None = None,
        correlation: bytes | None = None,
        user: Iterable[tuple[str, str]] = (),
    ) -> None:
        parts = [_JSON]
        if expiry_s is not None:
            parts.append(_EXPIRY + min(expiry_s, 2**32 - 1).to_bytes(4, "big"))
        if response_topic is not None:
            parts.append(_RESPONSE + _sized(response_topic.encode()))
        if correlation is not None:
            parts.append(_CORRELATION + _sized(correlation))
        parts += (_USER + _sized(name.encode()) + _sized(value.encode()) for name, value in user)
        body = b"".join(parts)
        object.__setattr__(self, "_packed", _length(len(body)) + body)

    def pack(self) -> bytes:
        packed: bytes = object.__getattribute__(self, "_packed")
        return packed


def _length(number: int) -> bytes:
    """A length as MQTT writes it: seven bits a byte, the lowest first, the top bit set where more follow."""
    found = bytearray()
    while True:
        number, low = divmod(number, 128)
        found.append(low | (0x80 if number else 0))
        if not number:
            return bytes(found)
