"""The page on coming from another system says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.foreign import formats
from engine.importers._notes import COMMON, Construct
from engine.plugins import importers

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "come-from-another-system.md"


def table(title: str) -> list[tuple[str, ...]]:
    """The rows of the table below a heading."""
    text = PAGE.read_text("utf-8").split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    rows = [row for row in text.splitlines() if row.startswith("| ")][2:]
    return [tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("| "))) for row in rows]


def row(made: Construct) -> tuple[str, ...]:
    """A construct as the page tells it."""
    hint = f"; {made.hint}" if made.hint else ""
    return made.source, made.becomes, made.outcome.value, made.about + hint


@pytest.mark.parametrize("format", importers())
def test_the_page_has_a_table_of_each_format(format: str) -> None:
    module = importers()[format]
    assert table(module.TITLE) == [row(made) for made in module.CONSTRUCTS.values()]


def test_the_page_says_what_every_format_may_have() -> None:
    assert table("In every format") == [row(made) for made in COMMON]


def test_the_page_names_all_formats() -> None:
    assert ", ".join(f"`{name}`" for name in formats()) in PAGE.read_text("utf-8")
