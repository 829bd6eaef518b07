"""Workflows follow the files of a folder: versions, faults, archives, and what editors do to files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.workflows import Workflows
from engine.errors import NotFound
from engine.validate import DEFAULT_LIMITS
from store.memory import MemoryStore
from tests.unit.api.serving import a_server, broken, straight
from watcher.definitions import Definitions, FolderUnreadable, changes_in

PATIENCE_S = 10.0
NEVER_MS = 3_600_000


class Followed:
    """A folder, and the workflows that follow it."""

    def __init__(self, folder: Path, store: MemoryStore | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.store = folder, store or MemoryStore("memory://")
        self.workflows = Workflows(self.store, DEFAULT_LIMITS, lambda: 1)
        self.definitions = Definitions(folder, 64, self.workflows)

    def write(self, name: str, document: Any) -> None:
        (self.folder / name).write_bytes(document if isinstance(document, bytes) else orjson.dumps(document))

    async def sync(self) -> None:
        await self.definitions.sync()

    async def state(self, workflow_id: str = "one") -> tuple[int, str] | None:
        row = await self.store.workflow(workflow_id)
        return None if row is None else (row.version, row.status)

    @property
    def faults(self) -> list[tuple[str, str | None]]:
        return [(fault.file, fault.workflow_id) for fault in self.definitions.faults]


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path / "workflows")


async def test_a_changed_file_is_a_new_version(followed: Followed) -> None:
    followed.write("a.json", straight("one"))
    await followed.sync()
    followed.write("a.json", straight("one", name="changed"))
    await followed.sync()
    assert await followed.state() == (2, "active")


async def test_a_file_that_is_touched_or_written_again_is_none(followed: Followed) -> None:
    followed.write("a.json", straight("one"))
    await followed.sync()
    (followed.folder / "a.json").touch()
    await followed.sync()
    followed.write("a.json", orjson.dumps(straight("one"), option=orjson.OPT_INDENT_2))
    await followed.sync()
    assert await followed.state() == (1, "active")


@pytest.mark.parametrize("bad", [broken("one"), b"{", b""])
async def test_the_last_good_version_stays_while_a_file_is_not_valid(followed: Followed, bad: Any) -> None:
    followed.write("a.json", straight("one"))
    await followed.sync()
    followed.write("a.json", bad)
    await followed.sync()
    assert (await followed.state(), followed.faults) == ((1, "active"), [("a.json", "one")])
    assert followed.definitions.owned == {"one": "a.json"}
    followed.write("a.json", straight("one", name="mended"))
    await followed.sync()
    assert (await followed.state(), followed.faults) == ((2, "active"), [])


async def test_the_problems_of_a_document_are_told(followed: Followed) -> None:
    followed.write("a.json", broken("one"))
    await followed.sync()
    assert [problem["code"] for problem in followed.definitions.faults[0].problems] == ["edge.node"]
    assert followed.definitions.fault_of("one") == followed.definitions.faults[0]


async def test_a_file_that_goes_archives_its_workflow_and_brings_it_back(followed: Followed) -> None:
    followed.write("a.json", straight("one"))
    await followed.sync()
    (followed.folder / "a.json").unlink()
    await followed.sync()
    assert (await followed.state(), followed.definitions.owned) == ((1, "archived"), {})
    followed.write("a.json", straight("one"))
    await followed.sync()
    assert await followed.state() == (1, "active")


async def test_a_renamed_file_changes_nothing(followed: Followed) -> None:
    followed.write("a.json", straight("one"))
    await followed.sync()
    (followed.folder / "a.json").rename(followed.folder / "b.json")
    await followed.sync()
    assert (await followed.state(), followed.definitions.owned) == ((1, "active"), {"one": "b.json"})


async def test_a_file_that_gets_another_id_is_another_workflow(followed: Followed) -> None:
    followed.write("a.json", straight("one"))
    await followed.sync()
    followed.write("a.json", broken("two"))
    await followed.sync()
    assert (await followed.state("one"), await followed.state("two")) == ((1, "active"), None)
    followed.write("a.json", straight("two"))
    await followed.sync()
    assert (await followed.state("one"), await followed.state("two")) == ((1, "archived"), (1, "active"))


async def test_a_rival_file_takes_over_when_the_first_goes(followed: Followed) -> None:
    followed.write("b.json", straight("one", name="b"))
    await followed.sync()
    followed.write("a.json", straight("one", name="a"))
    await followed.sync()
    assert (await followed.state(), followed.faults) == ((1, "active"), [("a.json", "one")])
    assert "b.json" in followed.definitions.faults[0].message
    (followed.folder / "b.json").unlink()
    await followed.sync()
    assert (await followed.state(), followed.faults) == ((2, "active"), [])


async def test_what_went_while_nobody_looked_is_archived(followed: Followed) -> None:
    followed.write("a.json", straight("one"))
    await followed.sync()
    (followed.folder / "a.json").unlink()
    later = Followed(followed.folder, followed.store)
    await later.sync()
    assert await later.state() == (1, "archived")


async def test_but_not_beside_a_file_that_may_be_its_own(followed: Followed) -> None:
    followed.write("a.json", straight("one"))
    await followed.sync()
    followed.write("a.json", b'{"id": "one", ')
    later = Followed(followed.folder, followed.store)
    await later.sync()
    assert await later.state() == (1, "active")


async def test_a_folder_that_goes_takes_nothing_with_it(followed: Followed) -> None:
    followed.write("a.json", straight("one"))
    await followed.sync()
    (followed.folder / "a.json").unlink()
    followed.folder.rmdir()
    with pytest.raises(FolderUnreadable):
        await followed.sync()
    assert await followed.state() == (1, "active")


async def signs(*acts: Any) -> AsyncIterator[None]:
    for act in acts:
        act()
        yield None


async def test_following_reports_a_folder_that_is_gone_and_goes_on_when_it_is_back(followed: Followed) -> None:
    folder = followed.folder
    followed.write("a.json", straight("one"))
    away = folder.with_name("away")
    seen: list[Any] = []
    await followed.definitions.follow(
        signs(
            lambda: folder.rename(away),
            lambda: (seen.append(followed.faults), away.rename(folder)),
        )
    )
    assert (seen, followed.faults, await followed.state()) == ([[("", None)]], [], (1, "active"))


async def test_an_atomic_rename_is_a_sign_of_change(followed: Followed) -> None:
    followed.write("a.json", straight("one"))
    changes = changes_in(followed.folder, NEVER_MS)
    sign = asyncio.ensure_future(anext(changes))
    draft = followed.folder / "draft"
    draft.write_bytes(orjson.dumps(straight("one", name="new")))
    async with asyncio.timeout(PATIENCE_S):
        while not sign.done():  # the watch may begin after a write, so it is done again until one is seen
            draft.write_bytes(orjson.dumps(straight("one", name="new")))
            draft.rename(followed.folder / "a.json")
            await asyncio.wait([sign], timeout=0.2)
    assert any(Path(path).name == "a.json" for _, path in sign.result())
    await changes.aclose()


async def test_a_server_follows_its_folder_and_tells_of_its_faults(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "a.json").write_bytes(orjson.dumps(straight("one")))
    async with a_server(tmp_path, workflows=folder) as server:
        found = await server.get("/workflows/one")
        assert (found["file"], found["fault"]) == ("a.json", None)
        refusal = await server.refused("PUT", "/workflows/one", 409, json=straight("one", name="x"))
        assert (refusal["code"], "a.json" in refusal["detail"]) == ("workflow.file_owned", True)
        (folder / "a.json").write_bytes(orjson.dumps(broken("one")))
        assert server.wired.definitions is not None
        await server.wired.definitions.sync()
        found = await server.get("/workflows/one")
        assert (found["version"], found["fault"]["problems"][0]["code"]) == (1, "edge.node")
        assert (await server.get("/admin/info"))["workflows"]["faults"] == [found["fault"]]


async def test_an_id_that_a_file_names_cannot_be_created_over_rest(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "a.json").write_bytes(orjson.dumps(broken("one")))
    async with a_server(tmp_path, workflows=folder) as server:
        refusal = await server.refused("POST", "/workflows", 409, json=straight("one"))
        assert refusal["code"] == "workflow.file_owned"


async def test_why_a_workflow_of_a_file_is_not_there_is_told(followed: Followed) -> None:
    followed.workflows.broken = followed.definitions.broken
    followed.write("a.json", straight("one"))
    followed.write("b.json", broken("two"))
    followed.write("torn.json", b"{")
    await followed.sync()
    (followed.folder / "a.json").unlink()
    await followed.sync()
    for name, why in (
        ("one", "there is no workflow 'one': it is archived since its file was removed"),
        ("two", "there is no workflow 'two': its file b.json is not valid"),
        ("torn", "there is no workflow 'torn': its file torn.json is not valid"),
        ("none", "there is no workflow 'none'"),
    ):
        with pytest.raises(NotFound) as refused:
            await followed.workflows.get(name)
        assert refused.value.message == why
