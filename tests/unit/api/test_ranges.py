"""Ranges of bytes and media types, as HTTP has them."""

from __future__ import annotations

import pytest

from api.artifacts import media_type_of, range_of
from api.errors import Refused


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=2-5", (2, 5)),
        ("bytes=7-", (7, 9)),
        ("bytes=5-99", (5, 9)),
        ("bytes=-3", (7, 9)),
        ("bytes=-99", (0, 9)),
        (None, None),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("lines=1-2", None),
        ("bytes=x-2", None),
    ],
)
def test_a_range_is_read(header: str | None, found: tuple[int, int] | None) -> None:
    assert range_of(header, 10) == found


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)])
def test_a_range_behind_the_end_is_refused(header: str, size: int) -> None:
    with pytest.raises(Refused) as refused:
        range_of(header, size)
    assert (refused.value.status, refused.value.headers) == (416, {"Content-Range": f"bytes */{size}"})


def test_what_is_said_to_be_no_type_is_bytes() -> None:
    assert media_type_of(None) == "application/octet-stream"
    assert media_type_of(" text/plain; charset=utf-8 ") == "text/plain; charset=utf-8"


@pytest.mark.parametrize("given", ["text", "text/", "a/b\nX: y", "a/" + "b" * 300, "é/x"])
def test_what_is_no_type_is_refused(given: str) -> None:
    with pytest.raises(Refused):
        media_type_of(given)
