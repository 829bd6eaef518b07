"""Server-sent events are read whatever pieces they come in."""

from __future__ import annotations

import pytest

from clew._sse import Decoder, Sent

STREAM = (
    'retry: 1000\n\n: ping\n\nid: 1\nevent: run\ndata: {"a": "x\u2028y\x85"}\n\n'
    "id: 2\r\nevent: end\r\ndata: {}\r\n\r\nid: 3\nevent: cut"
).encode()
EVENTS = [Sent("1", "run", '{"a": "x\u2028y\x85"}'), Sent("2", "end", "{}")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_complete_whatever_the_pieces(size: int) -> None:
    decoder = Decoder()
    found = [sent for at in range(0, len(STREAM), size) for sent in decoder.feed(STREAM[at : at + size])]
    assert found == EVENTS


def test_an_event_of_several_lines_is_one() -> None:
    assert list(Decoder().feed(b"data: one\ndata: two\n\n")) == [Sent("", "message", "one\ntwo")]
