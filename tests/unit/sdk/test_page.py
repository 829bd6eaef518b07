"""The page of the reference is that of the code."""

from __future__ import annotations

from pathlib import Path

from tests.sdk.reference import page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "sdk.md"


def test_the_page_about_the_sdk_is_that_of_its_code() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it anew: make docs"
