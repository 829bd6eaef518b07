"""Large artifacts are files beside the database: never half there, and none is left behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from engine.errors import StoreFull, StoreUnavailable
from store._artifact_files import ArtifactFiles, folder_of
from store._backup import restore
from store.sql import SqliteStore
from tests.contract.samples import NOW
from tests.contract.test_store_artifacts import HOUR, LARGE, SMALL, keep, name_of, read


def files_in(path: Path) -> list[str]:
    """The files of the artifacts of a database, those on their way included."""
    folder = folder_of(path)
    return sorted(str(found.relative_to(folder)) for found in folder.rglob("*") if found.is_file())


async def opened(path: Path) -> SqliteStore:
    store = SqliteStore(path)
    await store.open()
    return store


async def test_small_ones_are_rows_and_large_ones_files(tmp_path: Path) -> None:
    store = await opened(tmp_path / "clew.db")
    await keep(store, SMALL)
    assert not folder_of(store.path).exists()
    await keep(store, LARGE)
    name = name_of(LARGE)
    assert files_in(store.path) == [f"{name[:2]}/{name[2:]}"]
    assert store._files.place_of(name).read_bytes() == LARGE
    await store.close()


async def test_the_file_goes_with_the_artifact(tmp_path: Path) -> None:
    store = await opened(tmp_path / "clew.db")
    await keep(store, LARGE)
    assert await store.collect_artifacts(NOW + HOUR) == 1
    assert files_in(store.path) == []
    await keep(store, LARGE)
    await store.delete_artifact(name_of(LARGE), NOW)
    assert files_in(store.path) == []
    await store.close()


async def test_what_is_broken_off_leaves_no_file(tmp_path: Path) -> None:
    store = await opened(tmp_path / "clew.db")
    with pytest.raises(ConnectionError):
        async with store.receive() as upload:
            await upload.write(LARGE)
            assert len(files_in(store.path)) == 1
            raise ConnectionError
    assert files_in(store.path) == []
    await store.close()


async def test_what_a_crash_has_left_goes_and_what_is_known_stays(tmp_path: Path) -> None:
    store = await opened(tmp_path / "clew.db")
    await keep(store, LARGE)
    await store.close()
    files = ArtifactFiles(folder_of(store.path))
    number, coming = files.begin()  # the process ended while it was written
    os.write(number, b"half")
    os.close(number)
    number, whole = files.begin()  # the process ended before its row was written
    os.close(number)
    files.adopt(whole, name_of(b""))

    store = await opened(store.path)
    assert not coming.exists()
    assert await store.collect_artifacts(NOW) == 0
    assert list(files.names()) == [name_of(LARGE)]
    await store.close()


async def test_a_full_disk_is_told_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await opened(tmp_path / "clew.db")

    def full(number: int, part: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("store._artifact_upload.os.write", full)
    with pytest.raises(StoreFull):
        await keep(store, LARGE)
    assert files_in(store.path) == []
    await store.close()


async def test_a_file_that_was_taken_away_is_told(tmp_path: Path) -> None:
    store = await opened(tmp_path / "clew.db")
    await keep(store, LARGE)
    store._files.place_of(name_of(LARGE)).unlink()
    with pytest.raises(StoreUnavailable):
        await read(store, LARGE)
    await keep(store, LARGE)
    assert await read(store, LARGE) == LARGE
    await store.close()


async def test_a_backup_has_the_files_too(tmp_path: Path) -> None:
    store = await opened(tmp_path / "clew.db")
    await keep(store, SMALL)
    await keep(store, LARGE)
    await store.backup(str(tmp_path / "copy.db"))
    await store.close()
    restore(tmp_path / "copy.db", tmp_path / "again.db")

    again = await opened(tmp_path / "again.db")
    assert (await read(again, SMALL), await read(again, LARGE)) == (SMALL, LARGE)
    await again.close()
