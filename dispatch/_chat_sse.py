"""Reads the stream of a model: server-sent events, as servers send them and not only as the standard has them."""

from __future__ import annotations

from collections.abc import Iterator

_BOM = b"\xef\xbb\xbf"


class TooLong(ValueError):
    """An event does not end."""


class EventReader:
    """Bytes in, the data of events out. It takes all three ends of lines, comments, data over several lines, other
    fields, and a stream whose last event is not ended. No event may be longer than `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._line: list[bytes] = []  # the parts of a line that has not ended
        self._event: list[bytes] = []  # the lines of data of an event that has not ended
        self._is_first = True
        self._after_return = False

    def feed(self, part: bytes) -> Iterator[bytes]:
        """The data of the events that end in this part. Raises TooLong."""
        if self._after_return and part:  # a line ended with the part before: its end may go on here
            part = part.removeprefix(b"\n")
            self._after_return = False
        if not part:
            return
        self._after_return = part.endswith(b"\r")
        *ended, rest = _lines(part)
        for line in ended:
            yield from self._take(b"".join((*self._line, line)))
            self._line.clear()
        self._size += len(part)
        if rest:
            self._line.append(rest)
        if self._size > self._most:
            raise TooLong(f"an event of the stream is longer than {self._most} bytes")

    def end(self) -> Iterator[bytes]:
        """The data of an event that the stream has begun and not ended."""
        yield from self._take(b"".join(self._line))
        yield from self._take(b"")
        self._line.clear()

    def _take(self, line: bytes) -> Iterator[bytes]:
        if self._is_first:
            line, self._is_first = line.removeprefix(_BOM), False
        if not line:
            if self._event:
                yield b"\n".join(self._event)
                self._event.clear()
            self._size = 0
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._event.append(value.removeprefix(b" "))


def _lines(part: bytes) -> list[bytes]:
    """What stands between the ends of lines: `\\n`, `\\r\\n` and `\\r`."""
    if b"\r" in part:
        part = part.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return part.split(b"\n")
