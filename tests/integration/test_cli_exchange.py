"""`clew import` and `clew export`: documents of other systems come in and are played, workflows go out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import clew, said, told
from tests.unit.api.serving import a_server
from tests.unit.importers.samples import FOLDER, NAMES, sample
from tests.unit.importers.test_page import PAGE

INPUTS: dict[str, Any] = {"nullboiler": {"essays": ["one", "two"]}}
ENDS: dict[str, dict[str, Any]] = {
    "astraflow": {"audit": {"line": 1}},
    "flow_builder": {"report": {"sent": True}, "again": {"handle": "done"}},
    "nullboiler": {"send_results": [1, 1], "log": ["praised"], "note": {"ok": True}},
    "shipsec": {"page": {"paged": "ann"}},
    "workflow_runner": {"drop": {"dropped": True}, "opened_iterations": 3},
    "workflow_runner_older": {"report": {"told": True}, "store": {"bad": False}, "more_iterations": 0},
}


@pytest.fixture
async def db(tmp_path: Path) -> str:
    """The address of a database in which nothing is."""
    async with a_server(tmp_path):
        return f"sqlite:///{tmp_path}/clew.db"


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_played_to_its_end(tmp_path: Path, name: str) -> None:
    made = tmp_path / "made.json"
    said("import", FOLDER / f"{name}.json", "-o", made)
    answers, given = FOLDER / f"{name}.answers.json", json.dumps(INPUTS.get(name, {}))
    run = told("run", made, "--answers", answers, "--input", given)
    assert (run["status"], run["error"]) == ("completed", None)
    assert {key: run["state"].get(key) for key in ENDS[name]} == ENDS[name]
    assert not clew("run", made, "--answers", answers, "--input", given).stderr.count("were not needed")


def test_what_the_page_shows_is_what_is_said() -> None:
    shown = re.search(r"^\$ clew import (\S+) --dry-run\n(.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert shown
    first = said("import", FOLDER.parents[2] / shown[1], "--dry-run").splitlines()[0]
    assert first.endswith(shown[2])


def test_a_document_is_saved_and_then_its_next_version(db: str, tmp_path: Path) -> None:
    assert said("import", FOLDER / "shipsec.json", "--db", db).endswith("saved triage@1\n")
    assert said("import", FOLDER / "shipsec.json", "--db", db).endswith("saved triage@1\n")
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(sample("shipsec") | {"title": "Another"}))
    assert told("import", path, "--db", db)["workflow"]["version"] == 2
    assert told("import", path, "--id", "other", "--db", db)["workflow"]["id"] == "other"


def test_a_dry_run_asks_no_server_and_saves_nothing(db: str) -> None:
    found = told("import", FOLDER / "astraflow.json", "--dry-run", "--db", db)
    assert (found["workflow"], found["report"]["valid"]) == (None, True)
    assert told("workflows", "list", "--db", db)["items"] == []


def test_notes_are_told_with_their_places(tmp_path: Path) -> None:
    text = said("import", FOLDER / "flow_builder.json", "--dry-run")
    assert "unmapped      /cron  `cron`: `cron` is kept in the metadata" in text
    assert "mapped        " not in text.replace("unmapped      ", "")
    assert "mapped        /edges/0" in said("import", FOLDER / "flow_builder.json", "--dry-run", "--all")


def test_what_is_not_valid_is_told_and_not_saved(db: str, tmp_path: Path) -> None:
    path, made = tmp_path / "broken.json", tmp_path / "made.json"
    source = sample("shipsec")
    path.write_text(json.dumps(source | {"edges": [*source["edges"], {"source": "a"}]}))
    for words in (("--db", db), ("--dry-run",), ("-o", str(made))):
        result = clew("import", path, *words)
        assert result.exit_code == 1, words
        assert "unmapped      /edges/7  a part of the wrong form" in result.stdout
    assert json.loads(made.read_text())["nodes"]
    assert told("workflows", "list", "--db", db)["items"] == []


def test_what_the_server_refuses_is_told(db: str, tmp_path: Path) -> None:
    path = tmp_path / "cycle.json"
    edges = [{"source": "a", "target": "b", "edgeType": "normal"}, {"source": "b", "target": "a", "edgeType": "normal"}]
    path.write_text(json.dumps({"nodes": [{"id": "a"}, {"id": "b"}], "edges": edges}))
    result = clew("import", path, "--db", db)
    assert result.exit_code == 1
    assert "never ends" not in result.stdout
    assert "never ends" in result.stderr
    assert "workflow.invalid" in result.stderr
    assert "never ends" in clew("import", path, "--dry-run").stdout


def test_a_workflow_that_only_the_server_has_can_be_run_by_an_import(db: str, tmp_path: Path) -> None:
    said("import", FOLDER / "shipsec.json", "--db", db)
    path, node = tmp_path / "outer.json", {"id": "a", "parameters": {"__container": {"workflowId": "triage"}}}
    path.write_text(json.dumps({"id": "outer", "schemaVersion": "2025-10", "nodes": [node], "edges": []}))
    assert clew("import", path, "--dry-run").exit_code == 1
    found = told("import", path, "--db", db)
    assert list(found["workflow"]["definition"]["subgraphs"]) == ["triage@1"]
    assert (found["report"]["valid"], found["report"]["errors"]) == (True, [])


@pytest.mark.parametrize(
    ("text", "why"),
    [("{", "JSON"), ('{"a": 1, "a": 2}', "twice"), ("{}", "format is not clear"), ("[]", "in an object")],
)
def test_what_is_no_document_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    result = clew("import", path, "--dry-run")
    assert (result.exit_code, result.stdout) == (1, "")
    assert why in result.stderr
    assert clew("import", tmp_path / "none.json", "--dry-run").exit_code == 1
    assert "there is no format" in clew("import", path, "--dry-run", "--format", "visio").stderr or text != "{}"


def test_a_workflow_is_exported_as_its_document_and_as_drawings(db: str, tmp_path: Path) -> None:
    said("import", FOLDER / "astraflow.json", "--id", "w", "--db", db)
    document = tmp_path / "w.json"
    document.write_text(said("export", "w", "--db", db))
    assert json.loads(document.read_text()) == told("workflows", "show", "w", "--db", db)["definition"]
    for kind, beginning in (("--mermaid", "flowchart TD"), ("--dot", "digraph workflow {")):
        stored = said("export", "w", kind, "--db", db)
        assert stored.startswith(beginning)
        assert said("export", document, kind) == stored
        assert told("export", document, kind) == {kind.removeprefix("--"): stored}
    assert told("export", document) == json.loads(document.read_text())


def test_a_drawing_is_of_one_kind_and_of_a_valid_document(tmp_path: Path) -> None:
    assert clew("export", "w", "--dot", "--mermaid").exit_code == 2
    path = tmp_path / "x.json"
    path.write_text('{"nodes": {"a": {}}, "edges": []}')
    result = clew("export", path, "--dot")
    assert (result.exit_code, "end.unreachable" in result.stderr or "no path" in result.stderr) == (1, True)
