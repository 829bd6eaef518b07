"""The command line, but for `serve`."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from api.cli import app
from api.cli._app import PARTS
from api.cli._reference import commands, page
from tests.unit.api.serving import broken, straight

PAGE = Path(__file__).parents[3] / "docs/reference/cli.md"


def clew(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.json"
    path.write_bytes(orjson.dumps(straight()))
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.json"
    path.write_bytes(orjson.dumps(broken()))
    return path


def test_it_tells_its_version() -> None:
    told = orjson.loads(clew("version", "--json").stdout)
    assert clew("version").stdout == clew("--version").stdout == f"clew {told['version']}\n"
    assert clew("--version").exit_code == 0
    assert told == {"name": "clew", "version": version("clew-engine")}


COMMANDS = [(words, command) for _, words, command in commands()]


def test_the_page_about_the_command_line_is_that_of_the_commands() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it anew: make docs"


def test_every_command_stands_on_the_page() -> None:
    for panel, words, _ in commands():
        assert panel in PARTS
        assert f"\n### clew {words}\n" in page()


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=[words for words, _ in COMMANDS])
def test_every_command_is_described_and_has_its_answer_as_json(words: str, command: Any) -> None:
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--json" in options or words in ("serve", "worker")  # which give no answer: they write that they are ready
    assert all(parameter.help for parameter in command.params)
    assert all(parameter.metavar == parameter.metavar.upper() for parameter in command.params if parameter.metavar)
    first, *rest = command.help.splitlines()
    assert first.endswith(".")
    assert not rest or rest[0] == ""


def test_a_drawing_may_be_had_as_json(good: Path) -> None:
    assert orjson.loads(clew("mermaid", good, "--json").stdout) == {"mermaid": clew("mermaid", good).stdout}


def test_a_valid_document_is_said_to_be(good: Path) -> None:
    result = clew("validate", good)
    assert (result.exit_code, "good.json: valid" in result.output) == (0, True)


def test_one_document_with_errors_fails_all(good: Path, bad: Path) -> None:
    result = clew("validate", good, bad)
    assert result.exit_code == 1
    assert "edge.node" in result.output
    assert "ghost" in result.output


def test_problems_may_be_had_as_json(good: Path, bad: Path) -> None:
    result = clew("validate", "--json", good, bad)
    found = orjson.loads(result.stdout)
    assert (result.exit_code, [shape["valid"] for shape in found]) == (1, [True, False])
    assert found[1]["problems"][0]["path"].startswith("/edges/1")


def test_text_in_a_document_is_not_taken_for_markup(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes(orjson.dumps(straight(edges=[["__start__", "[red]"], ["a", "__end__"]])))
    assert "[red]" in clew("validate", path).output


@pytest.mark.parametrize("command", ["validate", "mermaid"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, command: str) -> None:
    torn = tmp_path / "torn.json"
    torn.write_text("{")
    for path, words in ((torn, "malformed"), (tmp_path / "no.json", "No such file"), (tmp_path, "directory")):
        result = clew(command, path)
        assert result.exit_code == 1
        assert str(path) in result.stderr
        assert words in result.stderr


def test_a_document_is_drawn(good: Path, bad: Path) -> None:
    assert clew("mermaid", good).output.startswith("flowchart")
    result = clew("mermaid", bad)
    assert (result.exit_code, result.stdout, "ghost" in result.stderr) == (1, "", True)


def test_a_database_that_is_not_there_cannot_be_verified(tmp_path: Path) -> None:
    result = clew("verify", "some-run", "--db", f"sqlite:///{tmp_path}/no.db")
    assert (result.exit_code, "does not exist" in result.stderr) == (1, True)
    assert clew("verify", "some-run", "--db", "memory://").exit_code == 1
    assert clew("verify").exit_code == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--host", "0.0.0.0"), "give a token"),
        (("--port", "70000"), "port:"),
        (("--public-url", "clew.example"), "public_url:"),
        (("--token", "two words"), "token:"),
    ],
)
def test_a_server_that_is_set_up_wrongly_does_not_begin(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, str], words: str
) -> None:
    monkeypatch.delenv("CLEW_TOKEN", raising=False)
    result = clew("serve", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
