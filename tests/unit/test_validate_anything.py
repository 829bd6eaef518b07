"""Whatever stands in a document, what is wrong with it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.validate import validate

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
VALUES: tuple[Any, ...] = ([], {}, [[]], {"a": []}, None, 7, True, 1e300, "", "x")


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in inside:
        yield (*above, name)
        yield from places(inner, (*above, name))


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.json")))
def test_no_value_in_any_place_is_a_mistake_of_the_validation(name: str) -> None:
    text = (EXAMPLES / f"{name}.json").read_bytes()
    for place in places(json.loads(text)):
        for value in VALUES:
            changed = around = json.loads(text)
            for part in place[:-1]:
                around = around[part]
            around[place[-1]] = value
            validate(changed)
