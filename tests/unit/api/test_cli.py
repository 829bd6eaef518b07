"""The command line, but for `serve`."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from api.cli import app
from tests.unit.api.serving import broken, straight


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
    assert clew("version").output.startswith("clew ")


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
