"""Files and functions are small enough to be read at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_IN_FILE, MOST_IN_FUNCTION = 400, 40
NOT_OURS = {"build", "dist", "node_modules", "static"}


def sources() -> Iterator[tuple[str, str]]:
    """Every Python file of ours, with its text."""
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT)
        if not any(part in NOT_OURS or part.startswith(".") for part in place.parts):
            yield str(place), path.read_text()


def functions(text: str) -> Iterator[tuple[str, int]]:
    """The functions of a file, with their numbers of lines."""
    for found in ast.walk(ast.parse(text)):
        if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
            yield found.name, (found.end_lineno or found.lineno) - found.lineno + 1


def test_no_file_is_long() -> None:
    lengths = {place: len(text.splitlines()) for place, text in sources()}
    assert len(lengths) > 200
    assert {place: length for place, length in lengths.items() if length > MOST_IN_FILE} == {}


def test_no_function_is_long() -> None:
    found = [(place, name, length) for place, text in sources() for name, length in functions(text)]
    assert len(found) > 2000
    assert [item for item in found if item[2] > MOST_IN_FUNCTION] == []
