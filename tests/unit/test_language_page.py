"""The page of the language has every field there is and no other, and an example for each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engine.checks import document
from engine.nodes._fields import NODE_FIELDS
from engine.plugins import node_types, reducer_names
from engine.retry import RetryPolicy

REFERENCE = Path(__file__).parents[2] / "docs/reference"
PAGE = (REFERENCE / "language.md").read_text("utf-8")
EXAMPLES = {path.name: json.loads(path.read_text("utf-8")) for path in (REFERENCE.parent / "examples").glob("*.json")}
NODES = [
    {**found.get("defaults", {}).get(node.get("type", "task"), {}), **node}
    for found in EXAMPLES.values()
    for node in found["nodes"].values()
]


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading '{title}'"
    return found[1]


def rows(text: str, head: str) -> set[str]:
    """The words in the first column of the table whose head begins so."""
    table = re.search(rf"^\| {re.escape(head)} \|.*\n\| --- .*\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table, f"there is no table of '{head}'"
    return {word for row in table[1].splitlines() for word in re.findall(r"`([a-z_]+)`", row.split(" | ")[0])}


def test_the_fields_of_a_document_are_all_there() -> None:
    assert rows(section("The document"), "field") == document.FIELDS.keys()


def test_the_fields_of_every_node_are_all_there() -> None:
    noted = {"type", *NODE_FIELDS}
    assert rows(section("Nodes"), "field") == noted


@pytest.mark.parametrize("name", node_types())
def test_the_fields_of_a_type_are_all_there(name: str) -> None:
    shared = node_types()["task"].FIELDS.keys() if name == "agent" else set()
    assert rows(section(name), "field") == node_types()[name].FIELDS.keys() - NODE_FIELDS.keys() - shared


def test_reducers_retries_and_limits_are_all_there() -> None:
    assert rows(section("State"), "reducer") == set(reducer_names())
    assert rows(section("Failure and retry"), "field of `retry`") == set(RetryPolicy.__dataclass_fields__)
    set_by = re.findall(r"`config\.([a-z_]+)` \|", section("Limits"))
    assert set(set_by) == document.CONFIG.keys()


def test_headings_go_down_by_one_and_are_in_the_table_of_contents() -> None:
    levels = [len(marks) for marks in re.findall(r"^(#+) ", PAGE, re.MULTILINE)]
    assert all(below - above <= 1 for above, below in pairwise(levels))
    titles = re.findall(r"^##+ (.*)$", PAGE, re.MULTILINE)
    contents = re.findall(r"\]\(#([a-z-]+)\)", PAGE[: PAGE.index("\n## ")])
    assert contents == [re.sub(r"[^a-z -]", "", title.lower()).replace(" ", "-") for title in titles]


def test_every_example_is_on_the_page() -> None:
    assert set(re.findall(r"\]\(\.\./examples/([a-z-]+\.json)\)", PAGE)) == EXAMPLES.keys()


@pytest.mark.parametrize("name", node_types())
def test_every_field_of_a_type_has_an_example(name: str) -> None:
    shared = node_types()["task"].FIELDS.keys() if name == "agent" else set()
    used = {field for node in NODES if node.get("type", "task") == name for field in node}
    assert node_types()[name].FIELDS.keys() - shared - used == set()


def test_every_other_construct_has_an_example() -> None:
    documents, retries = [*EXAMPLES.values()], [node["retry"] for node in NODES if "retry" in node]
    entries = [entry for found in documents for entry in found["state_schema"].values()]
    assert document.FIELDS.keys() - keys(documents) == set()
    assert NODE_FIELDS.keys() - keys(NODES) == set()
    assert document.CONFIG.keys() - keys(found.get("config", {}) for found in documents) == set()
    assert set(RetryPolicy.__dataclass_fields__) - keys(retries) == set()
    assert set(reducer_names()) - {entry.get("reducer", "last_value") for entry in entries} == set()
    assert {"ephemeral", "default"} - keys(entries) == set()


@pytest.mark.parametrize("field", ["on_error", "on_item_error", "join"])
def test_every_word_of_a_choice_has_an_example(field: str) -> None:
    used = {json.dumps(node[field]) for node in NODES if field in node}
    assert {json.dumps(word) for word in words_of(field)} - used == set()


def words_of(field: str) -> Iterator[str]:
    """The words that a field may have, but for the one that it has where nothing is said."""
    schema = {**NODE_FIELDS, **node_types()["send"].FIELDS}[field].schema
    listed = schema["enum"] if "enum" in schema else schema["anyOf"][0]["enum"]
    yield from (word for word in listed if word not in ("fail", "all"))


def keys(found: Any) -> set[str]:
    """All keys of some objects."""
    shapes: list[Mapping[str, Any]] = list(found)
    return {key for shape in shapes for key in shape}
