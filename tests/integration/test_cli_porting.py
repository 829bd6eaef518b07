"""`clew runs export|import|release|trace`, between servers that are processes and databases that nobody serves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from tests.integration.command_line import clew, said, served, told
from tests.integration.moving import ASKS, ROUNDS, WORKS, begun, forked
from tests.unit.api.serving import a_server, straight


class Base:
    """A database that nobody serves: a run that asks, a fork of it, one that waits, and one in rounds."""

    def __init__(self, folder: Path) -> None:
        self.db = f"sqlite:///{folder}/clew.db"
        self.asks, self.fork, self.waits, self.rounds = asyncio.run(self._filled(folder))

    @staticmethod
    async def _filled(folder: Path) -> tuple[str, ...]:
        async with a_server(folder) as server:
            for document in (ASKS, WORKS, {**ROUNDS, "state_schema": {**ROUNDS["state_schema"], "items": EMPTY}}):
                await server.post("/workflows", document, 201)
            run = await begun(server, "asks")
            fork = await forked(server, f"{run}.2", updates={"n": 5})
            return run, fork, await begun(server, "works", 0), await begun(server, "rounds")


EMPTY = {"type": "array", "default": []}


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path / "base")


@pytest.fixture
def other(tmp_path: Path) -> str:
    """An empty database."""

    async def made() -> None:
        async with a_server(tmp_path / "other") as server:
            await server.post("/runs?wait=10", {"workflow": straight()}, 201)

    asyncio.run(made())
    return f"sqlite:///{tmp_path}/other/clew.db"


def test_a_run_moves_between_servers_and_is_the_same_file_after_it(base: Base, other: str, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one.ndjson", "two.ndjson")]
    served(tmp_path / "base", lambda url: void(said("runs", "export", base.fork, "-o", files[0], "--url", url)))

    def work(url: str) -> None:
        taken = told("runs", "import", files[0], "--url", url)
        assert (taken["id"], taken["status"], taken["hold"]) == (base.fork, "interrupted", "imported")
        said("runs", "export", base.fork, "-o", files[1], "--url", url)
        assert told("runs", "release", base.fork, "--url", url)["hold"] is None
        assert told("runs", "resume", base.fork, '"yes"', "--url", url)["state"]["last"] == 50

    served(tmp_path / "other", work)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert told("verify", base.fork, "--db", other)["problems"] == []


def test_the_same_is_done_offline(base: Base, other: str, tmp_path: Path) -> None:
    file = tmp_path / "run.ndjson"
    assert "bytes" in said("runs", "export", base.asks, "--output", file, "--db", base.db)
    assert "it is held" in said("runs", "import", file, "--db", other)
    assert said("runs", "export", base.asks, "--db", other).encode() == file.read_bytes()
    assert told("verify", base.asks, "--db", other)["problems"] == []
    shown = said("runs", "show", base.asks, "--db", other)
    assert ("\nheld      it came in from a file" in shown, f"clew runs release {base.asks}\n" in shown) == (True, True)
    assert "answer it" not in shown
    assert "  held\n" in said("runs", "list", "--db", other)
    refused = clew("runs", "resume", base.asks, "1", "--db", other)
    assert (refused.exit_code, "clew runs release RUN" in refused.stderr) == (1, True)
    again = told("runs", "import", file, "--start", "--db", other)
    assert (again["id"], again["hold"]) == (base.asks, None)


def test_an_export_replaces_nothing_and_leaves_nothing_behind(base: Base, tmp_path: Path) -> None:
    file = tmp_path / "run.ndjson"
    file.write_text("kept")
    assert clew("runs", "export", base.asks, "-o", file, "--db", base.db).exit_code == 1
    result = clew("runs", "export", "ghost", "-o", tmp_path / "ghost", "--db", base.db)
    assert (result.exit_code, "there is no run 'ghost'" in result.stderr) == (1, True)
    assert clew("runs", "export", base.asks, "-o", tmp_path / "no" / "file", "--db", base.db).exit_code == 1
    assert file.read_text() == "kept"
    assert {path.name for path in tmp_path.iterdir()} == {"base", "run.ndjson"}


def test_a_file_that_is_refused_is_told_with_its_line(base: Base, other: str, tmp_path: Path) -> None:
    file = tmp_path / "torn.ndjson"
    file.write_bytes(said("runs", "export", base.asks, "--db", base.db).encode()[:-80])
    result = clew("runs", "import", file, "--db", other)
    assert (result.exit_code, "line " in result.stderr) == (1, True)
    assert clew("runs", "import", tmp_path / "no", "--db", other).exit_code == 1


def test_a_trace_is_drawn(base: Base) -> None:
    lines = said("runs", "trace", base.rounds, "--width", "20", "--db", base.db).splitlines()
    assert lines[0].startswith(f"{base.rounds} completed, ")
    names = [line.split(" |")[0].partition("#")[0].rstrip() for line in lines[1:]]
    assert sorted(names) == sorted(("begin", "each", "beside", "count", "again") * 3)
    (count,) = [line for line in lines if line.startswith("count ")]
    assert "2 of 2 arrived" in count
    assert {len(line.split("|")[1]) for line in lines[1:]} == {20}
    assert "┄" in said("runs", "trace", base.waits, "--db", base.db)


def test_a_trace_goes_over_several_pages(base: Base) -> None:
    whole = told("runs", "trace", base.rounds, "--db", base.db)
    some = told("runs", "trace", base.rounds, "--limit", "5", "--db", base.db)
    assert (len(whole["items"]), whole["next_cursor"]) == (15, None)
    assert (some["items"], some["next_cursor"] is None) == (whole["items"][:5], False)
    assert orjson.loads(said("runs", "trace", base.asks, "--json", "--db", base.db))["run_id"] == base.asks


def void(text: str) -> None:
    assert text
