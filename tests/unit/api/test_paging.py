"""Pages of short lists."""

from __future__ import annotations

import pytest

from api.paging import page_of
from engine.errors import Invalid


def test_pages_hold_everything_once() -> None:
    items = ["a", "b", "ä", "💥"]
    found: list[str] = []
    cursor: str | None = None
    while len(found) < len(items):
        page = page_of(items, str, 1, cursor)
        found += page.items
        cursor = page.next_cursor
    assert (found, cursor) == (items, None)


def test_what_was_removed_meanwhile_does_not_matter() -> None:
    cursor = page_of(["a", "b", "c"], str, 2, None).next_cursor
    assert page_of(["a", "c", "d"], str, 2, cursor).items == ("c", "d")


def test_an_empty_list_has_one_page() -> None:
    empty: list[str] = []
    page = page_of(empty, str, 5, None)
    assert (page.items, page.next_cursor) == ((), None)


@pytest.mark.parametrize("cursor", ["ä", "_", "____", "a" * 5])
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid) as told:
        page_of(["a"], str, 5, cursor)
    assert told.value.reason == "cursor.invalid"
