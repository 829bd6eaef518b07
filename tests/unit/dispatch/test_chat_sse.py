"""Server-sent events, as model servers send them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch._chat_sse import EventReader, TooLong

ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
DATA = st.binary(max_size=12).map(lambda data: data.replace(b"\r", b"r").replace(b"\n", b"n"))
NOISE = st.sampled_from([b": a comment", b"id: 7", b"event: x", b"retry: 10", b"nothing", b":", b"datax: 1"])


def read(*parts: bytes, most: int = 1000) -> list[bytes]:
    """The events of a stream that comes in these parts."""
    reader = EventReader(most)
    return [*(event for part in parts for event in reader.feed(part)), *reader.end()]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_each_end_of_line_ends_one(end):
    assert read(end.join([b"data: a", b"", b"data:b", b"", b""])) == [b"a", b"b"]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b": ping\n\ndata: a\n: in between\ndata: b\n\n", [b"a\nb"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"event: message\nid: 1\ndata:  two spaces\n\n", [b" two spaces"]),
        (b"data: a\n\ndata: [DONE]", [b"a", b"[DONE]"]),
        (b"data\n\ndata:\n\n", [b"", b""]),
        (b"\n\n\r\n\r\r", []),
        (b"", []),
    ],
)
def test_what_servers_send_is_understood(stream, events):
    assert read(stream) == events


def test_an_end_of_line_may_be_cut_in_two():
    assert read(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\ndata: c\n\n") == [b"a\nb", b"c"]


def test_an_event_that_does_not_end_is_refused():
    with pytest.raises(TooLong, match="longer than 10 bytes"):
        read(*[b"data: x"] * 2, most=10)
    assert len(read(*[b"data: x\n\n"] * 100, most=10)) == 100


@given(
    st.lists(st.tuples(st.lists(DATA, min_size=1, max_size=3), st.lists(NOISE, max_size=2)), max_size=5),
    ENDS,
    st.data(),
)
def test_however_a_stream_is_cut_its_events_are_the_same(events, end, draw):
    lines = [line for data, noise in events for line in (*noise, *(b"data: " + one for one in data), b"")]
    stream = b"".join(line + end for line in lines)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*parts) == [b"\n".join(data) for data, _ in events]


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_whatever_comes_is_read(parts):
    assert read(*parts) == read(b"".join(parts))
