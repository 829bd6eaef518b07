"""`clew run`: workflows played from a script of answers, as the how-to says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from api.cli import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "test-without-workers.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Desk:
    """A folder with the workflow of the how-to."""

    def __init__(self, folder: Path) -> None:
        blocks = BLOCK.findall(PAGE.read_text("utf-8"))
        self.review, self.answers = (body for language, body in blocks if language == "json")
        self.printed = next(body for language, body in blocks if language == "")
        self.folder, self.file = folder, folder / "review.json"
        self.file.write_text(self.review)

    def run(self, answers: Any = None, *options: str) -> Result:
        words = ["run", str(self.file), *options]
        if answers is not None:
            path = self.folder / "answers.json"
            path.write_bytes(orjson.dumps(answers))
            words += ["--answers", str(path)]
        return CliRunner().invoke(app, words)

    def told(self, answers: Any) -> Any:
        return orjson.loads(self.run(answers, "--json").stdout)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_how_to_prints_what_it_says(desk: Desk) -> None:
    result = desk.run(orjson.loads(desk.answers))
    assert (result.exit_code, result.stdout) == (0, desk.printed)


def test_tasks_are_told_as_they_end(desk: Desk) -> None:
    result = desk.run(orjson.loads(desk.answers))
    assert result.stderr == "write completed, attempt 2\napprove completed\n"


def test_a_node_without_answers_fails_and_is_named(desk: Desk) -> None:
    result = desk.run({"approve": {"resume": True}})
    assert result.exit_code == 1
    assert "there are no answers for node 'write'" in result.stdout


def test_a_list_that_is_used_up_fails(desk: Desk) -> None:
    found = desk.told({"write": [{"fail": "busy"}]})
    assert (found["status"], found["error"]["code"]) == ("failed", "script.missing")


def test_a_failure_that_is_final_is_not_tried_again(desk: Desk) -> None:
    fail = {"fail": {"message": "no", "code": "model.refused", "retryable": False}}
    found = desk.told({"write": [fail, {"output": "never"}]})
    assert (found["error"]["code"], found["error"]["attempt"]) == ("model.refused", 1)


def test_an_interrupt_that_nobody_answers_is_told_by_the_exit_code(desk: Desk) -> None:
    result = desk.run({"write": {"output": "News!"}})
    assert result.exit_code == 3
    assert "approve asks: Publish News!?" in result.stdout


def test_answers_that_were_not_needed_are_told(desk: Desk) -> None:
    result = desk.run({"write": [{"output": "a"}, {"output": "b"}], "approve": {"resume": True}})
    assert (result.exit_code, "1 of the answers for node 'write'" in result.stderr) == (0, True)


def test_a_script_that_is_wrong_is_told_whole(desk: Desk) -> None:
    result = desk.run({"ghost": {"output": 1}, "write": [{"output": 1, "fail": "x"}, {"output": 1, "delay_ms": -1}]})
    assert result.exit_code == 1
    for place in ("/ghost", "/write/0", "/write/1"):
        assert f"{place}: " in result.stderr


def test_a_document_or_input_that_is_wrong_is_told(desk: Desk) -> None:
    assert desk.run(None, "--input", "[]").exit_code == 2
    assert desk.run(None, "--input", "@no.json").exit_code == 1
    desk.file.write_bytes(orjson.dumps({**orjson.loads(desk.review), "edges": [["__start__", "ghost"]]}))
    result = desk.run({})
    assert (result.exit_code, "ghost" in result.stderr) == (1, True)


def test_a_run_is_kept_where_a_database_is_given(desk: Desk, tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path}/kept.db"
    desk.run(orjson.loads(desk.answers), "--db", db)
    listed = CliRunner().invoke(app, ["runs", "list", "--db", db])
    assert "completed" in listed.stdout


@pytest.mark.parametrize("inside", [{"definition": {}}, {"subgraph": "named"}])
def test_nodes_of_graphs_inside_are_answered_too(desk: Desk, inside: dict[str, Any]) -> None:
    child = {
        "state_schema": {"said": {}},
        "nodes": {"inner": {"type": "task", "output_key": "said"}},
        "edges": [["__start__", "inner"], ["inner", "__end__"]],
    }
    outer = {"type": "subgraph", "output_key": "all", **({"definition": child} if "definition" in inside else inside)}
    document = {
        "state_schema": {"all": {}},
        "nodes": {"outer": outer},
        "edges": [["__start__", "outer"], ["outer", "__end__"]],
        "subgraphs": {"named": child},
    }
    desk.file.write_bytes(orjson.dumps(document))
    assert desk.told({"inner": {"output": "x"}})["state"] == {"all": {"said": "x"}}
