"""Imports as a whole: which format a document is in, what is refused, and reports that end."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from engine.errors import Invalid
from engine.foreign import convert, formats
from engine.importers._notes import MOST, Outcome
from engine.plugins import importers
from engine.validate import Limits
from tests.unit.importers.samples import NAMES, read, sample

ROOT = Path(__file__).parents[3]


def refused(document: Any, name: str | None = None, limits: Limits | None = None) -> Invalid:
    with pytest.raises(Invalid) as raised:
        convert(document, name, *([limits] if limits else []))
    return raised.value


def test_there_are_five_formats() -> None:
    assert formats() == ("astraflow", "flow_builder", "nullboiler", "shipsec", "workflow_runner")


@pytest.mark.parametrize("name", NAMES)
def test_only_one_format_takes_a_sample_for_its_own(name: str) -> None:
    assert [found for found, module in importers().items() if module.recognises(sample(name))] == [
        convert(sample(name)).format
    ]


@pytest.mark.parametrize("document", [{}, {"nodes": []}, {"steps": [1]}, {"nodes": [{"id": "a"}], "edges": []}])
def test_a_format_that_cannot_be_told_has_to_be_named(document: Any) -> None:
    error = refused(document)
    assert error.reason == "format.unknown"
    assert "workflow_runner" in error.message


def test_a_format_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    error = refused({}, "visio")
    assert error.reason == "format.unknown"
    assert "astraflow, flow_builder" in error.message


def nested(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    "document", [None, 3, "text", [{}], {"x": nested(100)}, {"x": float("nan")}, {"x": 2**70}, {"x": nested(100_000)}]
)
def test_what_cannot_be_looked_into_is_refused(document: Any) -> None:
    assert refused(document, "shipsec").reason == "format.unreadable"


def test_a_graph_of_too_many_nodes_is_refused() -> None:
    nodes = [{"id": f"n{place}"} for place in range(11)]
    assert refused({"nodes": nodes}, "shipsec", Limits(max_nodes=10)).reason == "format.unreadable"
    inner = {"nodes": [], "subgraphs": [{"id": "s", "definition": {"nodes": nodes}}]}
    assert refused(inner, "astraflow", Limits(max_nodes=10)).reason == "format.unreadable"


@pytest.mark.parametrize("name", formats())
def test_an_import_changes_nothing_of_its_source(name: str) -> None:
    found = sample(name)
    convert(found)
    assert found == sample(name)


@pytest.mark.parametrize("name", formats())
def test_the_same_document_gives_the_same_result(name: str) -> None:
    assert convert(sample(name)).document == convert(sample(name)).document
    assert convert(sample(name)).report() == convert(sample(name)).report()


def test_notes_are_counted_and_the_first_ones_kept() -> None:
    found = read("shipsec", nodes=[], edges=[{"source": "a", "target": "b"}] * (MOST + 10))
    assert found.notes.counts[Outcome.UNMAPPED] == MOST + 10
    assert len(found.notes.of(Outcome.UNMAPPED)) == MOST
    assert not found.valid


def test_what_cannot_be_read_keeps_a_valid_result_from_being_saved() -> None:
    found = read("shipsec", nodes=[{"id": "a"}, 3], edges=[])
    assert [problem for problem in found.problems if problem.severity == "error"] == []
    with pytest.raises(Invalid) as raised:
        found.require_valid()
    error = raised.value
    assert (error.reason, error.problems[0]["path"]) == ("import.invalid", "/nodes/1")
    assert error.details["report"]["valid"] is False


def test_a_result_with_errors_is_told_with_them() -> None:
    nodes = [{"id": "a"}, {"id": "b"}]
    found = read("shipsec", nodes=nodes, edges=[{"source": "a", "target": "b"}, {"source": "b", "target": "a"}])
    assert found.complete
    with pytest.raises(Invalid) as raised:
        found.require_valid()
    assert {problem["code"] for problem in raised.value.problems} == {"cycle.unbounded", "end.unreachable"}
    assert raised.value.details["report"]["errors"] == list(raised.value.problems)


def test_another_package_brings_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(
        TITLE="One", CONSTRUCTS={}, recognises=lambda document: document.get("kind") == "one",
        convert=lambda document, notes: {"nodes": {}, "edges": [["__start__", "__end__"]]},
    )  # fmt: skip
    known: dict[str, ModuleType] = {**importers(), "one": module}  # type: ignore[dict-item]
    monkeypatch.setattr("engine.foreign.importers", lambda: known)
    assert convert({"kind": "one"}).format == "one"
    assert convert({"kind": "one"}).valid


def test_a_document_of_two_formats_is_none_of_either(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**importers(), "all": SimpleNamespace(recognises=lambda document: True)}
    monkeypatch.setattr("engine.foreign.importers", lambda: known)
    assert "it may be any of shipsec, all" in refused(sample("shipsec")).message


def test_the_linter_keeps_every_format_apart() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (apart,) = (found["modules"] for found in contracts if found["type"] == "independence")
    assert apart == [f"engine.importers.{name}" for name in formats()]
