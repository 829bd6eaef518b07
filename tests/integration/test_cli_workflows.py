"""`clew workflows`: stored workflows are listed, shown, compared and saved, at a server and offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.integration.command_line import clew, said, served, told
from tests.unit.api.serving import a_server, broken, straight


class Kept:
    """A folder with a database that has two versions of one workflow."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.db = folder, f"sqlite:///{folder}/clew.db"

    def write(self, name: str, document: Any) -> Path:
        path = self.folder / name
        path.write_bytes(orjson.dumps(document))
        return path


@pytest.fixture
async def kept(tmp_path: Path) -> Kept:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", straight("one", tags=["a"]), 201)
        await server.call("PUT", "/workflows/one", json=straight("one", name="Second", tags=["a"]))
        await server.post("/workflows", straight("two"), 201)
    return Kept(tmp_path)


def test_workflows_are_listed_the_last_changed_first(kept: Kept) -> None:
    lines = said("workflows", "list", "--db", kept.db).splitlines()
    assert [line.split()[0] for line in lines] == ["two@1", "one@2"]
    assert [row["id"] for row in told("workflows", "list", "--tag", "a", "--db", kept.db)["items"]] == ["one"]
    assert said("workflows", "list", "-q", "none", "--db", kept.db) == "no such workflows\n"


def test_a_list_goes_on_at_its_cursor(kept: Kept) -> None:
    first = clew("workflows", "list", "--limit", "1", "--db", kept.db)
    cursor = first.stderr.strip().removeprefix("more: --cursor ")
    assert said("workflows", "list", "--cursor", cursor, "--db", kept.db).startswith("one@2")


def test_versions_are_listed_newest_first(kept: Kept) -> None:
    lines = said("workflows", "versions", "one", "--db", kept.db).splitlines()
    assert [line.split()[0] for line in lines] == ["one@2", "one@1"]


def test_a_workflow_is_shown_with_what_it_is_made_of(kept: Kept) -> None:
    found = said("workflows", "show", "one", "--db", kept.db)
    assert "workflow  one@2, Second" in found
    assert "  n: integer, add" in found
    assert "  a: transform" in found
    assert "  __start__ -> a" in found
    assert told("workflows", "show", "one", "--version", "1", "--db", kept.db)["name"] is None


def test_edges_in_their_long_form_are_shown_too(kept: Kept) -> None:
    edges = [{"source": {"node": "__start__"}, "target": {"node": "a"}}, ["a", "__end__"]]
    said("workflows", "save", kept.write("long.json", straight("long", edges=edges)), "--db", kept.db)
    assert "  __start__ -> a\n  a -> __end__" in said("workflows", "show", "long", "--db", kept.db)


def test_a_document_is_written_changed_and_saved_again(kept: Kept) -> None:
    document = orjson.loads(said("workflows", "show", "one", "--document", "--db", kept.db))
    path = kept.write("one.json", {**document, "name": "Third"})
    assert said("workflows", "save", path, "--db", kept.db) == "saved one@3\n"
    assert said("workflows", "save", path, "--db", kept.db) == "saved one@3\n"
    assert said("workflows", "diff", "one", "2", "3", "--db", kept.db) == '  ~ /name = "Third"\n'


def test_a_new_document_is_saved_under_its_file_name(kept: Kept) -> None:
    document = straight()
    del document["id"]
    assert said("workflows", "save", kept.write("fresh.json", document), "--db", kept.db) == "saved fresh@1\n"


def test_a_document_with_errors_is_refused_with_all_of_them(kept: Kept) -> None:
    edges = [["__start__", "a"], ["a", "ghost"], ["spook", "__end__"], ["a", "__end__"]]
    result = clew("workflows", "save", kept.write("bad.json", broken("two") | {"edges": edges}), "--db", kept.db)
    assert (result.exit_code, "ghost" in result.stderr, "spook" in result.stderr) == (1, True, True)
    assert told("workflows", "show", "two", "--db", kept.db)["version"] == 1


def test_a_stored_workflow_is_validated_and_drawn(kept: Kept) -> None:
    assert said("workflows", "validate", "one", "--db", kept.db) == "one: valid\n"
    assert told("workflows", "validate", "one", "--db", kept.db)["valid"] is True
    drawn = said("workflows", "mermaid", "one", "--db", kept.db)
    assert drawn.startswith("flowchart")
    assert told("workflows", "mermaid", "one", "--db", kept.db) == {"mermaid": drawn}


@pytest.mark.parametrize(
    "words", [("show", "ghost"), ("versions", "ghost"), ("mermaid", "ghost"), ("diff", "one", "1", "9")]
)
def test_what_is_not_there_is_told(kept: Kept, words: tuple[str, ...]) -> None:
    result = clew("workflows", *words, "--db", kept.db)
    assert (result.exit_code, "there is no workflow" in result.stderr) == (1, True)


def test_a_file_that_owns_a_workflow_is_named_and_its_faults_too(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    file = folder / "owned.json"
    file.write_bytes(orjson.dumps(straight("owned")))

    def work(url: str) -> None:
        assert "by owned.json" in said("workflows", "show", "owned", "--url", url)
        copy = tmp_path / "copy.json"
        copy.write_bytes(orjson.dumps(straight("owned", name="other")))
        result = clew("workflows", "save", copy, "--url", url)
        assert (result.exit_code, "change it there" in result.stderr) == (1, True)

    served(tmp_path, work, "--workflows", str(folder))


def test_the_figures_of_a_workflow_are_told(kept: Kept) -> None:
    assert said("workflows", "stats", "two", "--db", kept.db) == "runs      0\n"
    for n in (1, 2):
        said("run", kept.write("two.json", straight("two")), "--input", f'{{"n": {n}}}', "--db", kept.db)
    lines = said("workflows", "stats", "two", "--db", kept.db).splitlines()
    assert lines[0].startswith("runs      2, the newest of 20")
    assert lines[1].split() == ["completed", "2"]
    assert lines[3].split() == ["completed", "100.0%"]
    assert lines[4].split()[:3] == ["they", "took", "p50"]
    assert told("workflows", "stats", "two", "--db", kept.db)["by_status"]["completed"] == 2


def test_a_document_alone_is_one_line_of_json(kept: Kept) -> None:
    lines = said("workflows", "show", "one", "--document", "--json", "--db", kept.db).splitlines()
    assert [orjson.loads(line)["name"] for line in lines] == ["Second"]
