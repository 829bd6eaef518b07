"""Server-sent events, out of the bytes of a stream: no connection, no waiting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """One event as it was sent."""

    id: str
    event: str
    data: str


class Decoder:
    """Takes the bytes of a stream as they come, gives the events that are complete.

    Lines end with LF or CRLF alone: U+2028 and the like are plain characters here, and JSON has them in its texts.
    An event that is cut off in the middle is never given.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._id = ""
        self._fields: dict[str, list[str]] = {}

    def feed(self, chunk: bytes) -> Iterator[Sent]:
        """The events that are complete with these bytes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            found = self._line(line.removesuffix(b"\r").decode())
            if found is not None:
                yield found

    def _line(self, line: str) -> Sent | None:
        if not line:
            return self._end()
        name, _, value = line.partition(":")
        self._fields.setdefault(name, []).append(value.removeprefix(" "))
        return None

    def _end(self) -> Sent | None:
        fields, self._fields = self._fields, {}
        self._id = fields.get("id", [self._id])[-1]
        if "data" not in fields:
            return None
        return Sent(self._id, fields.get("event", ["message"])[-1], "\n".join(fields["data"]))
