"""The documents that the documentation shows come in whole, and between them have all that a format can have."""

from __future__ import annotations

import pytest

from engine.foreign import convert
from engine.parse import load
from engine.plugins import importers
from tests.unit.importers.samples import FORMATS, NAMES, astraflow, bound, container, notes_of, read, sample

INSIDE = {"id": "s", "definition": {"nodes": [{"id": "in"}], "edges": []}}
MORE = {
    "astraflow": [
        lambda: astraflow([{"id": "a b"}], schemaVersion="2024-01"),
        lambda: astraflow([{"id": "l", "parameters": {"__container": {"workflowId": "other"}}}]),
        lambda: astraflow([{"id": "u", "schema": {"parameters": {"required": ["url"]}}}]),
        lambda: astraflow(
            [container("c", "s"), container("d", "s"), {"id": "x", "bindings": [bound("p", "@s.#in.results.y")]}],
            subgraphs=[INSIDE],
        ),
        lambda: astraflow([{"id": "a"}, {"id": "b", "ui": {"outputPorts": [bound("p", "#a.results.y", "write")]}}]),
    ],
    "workflow_runner": [
        lambda: read(
            "workflow_runner",
            nodes=[
                *({"id": id, "type": "function"} for id in "abc"),
                {"id": "l", "type": "loop", "loop": {"condition": "output.x", "loop_back_to": "a", "break_path": "b"}},
            ],
            edges=[{"from": "a", "to": "l"}, {"from": "b", "to": "l"}, {"from": "l", "to": "c"}],
        )
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_known_by_its_looks_and_comes_in_whole(name: str) -> None:
    found = convert(sample(name))
    assert found.format == FORMATS[name]
    assert found.valid, found.report()["errors"]
    assert load(found.document, "w", 1).nodes


@pytest.mark.parametrize("name", NAMES)
def test_notes_name_places_that_there_are(name: str) -> None:
    source = sample(name)
    for note in notes_of(convert(source)):
        value = source
        for token in note.path.split("/")[1:]:
            key = token.replace("~1", "/").replace("~0", "~")
            value = value[int(key)] if isinstance(value, list) else value[key]


@pytest.mark.parametrize("format", importers())
def test_everything_that_a_format_can_have_is_noted_somewhere(format: str) -> None:
    found = [convert(sample(name)) for name in NAMES if FORMATS[name] == format] + [
        make() for make in MORE.get(format, [])
    ]
    noted = {note.construct for one in found for note in notes_of(one)}
    assert {made.source for made in importers()[format].CONSTRUCTS.values()} - noted == set()
