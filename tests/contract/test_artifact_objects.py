"""Large artifacts as objects of a bucket: whole or not there, of one server alone, and none is left behind."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import obstore
import pytest
from obstore.store import from_url

from engine.errors import Invalid, StoreUnavailable
from store import store_at
from store.sql import SqliteStore
from tests.contract.test_sqlite_artifacts import files_in
from tests.contract.test_store_artifacts import HOUR, LARGE, NOW, SMALL, keep, name_of, read
from tests.servers import ObjectServer, own_objects

HUGE = bytes(range(256)) * 40_000  # more than one piece on the way in, and more than one on the way out


def key_of(content: bytes) -> str:
    return f"{name_of(content)[:2]}/{name_of(content)[2:]}"


def used(objects: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A prefix of an object store that the environment names from now on."""
    for name, value in objects.env.items():
        monkeypatch.setenv(name, value)
    return objects.address(uuid4().hex)


@pytest.fixture
def address(object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> str:
    return used(object_server, monkeypatch)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """An object store that the test may stop; who waits for it gives up at once."""
    monkeypatch.setattr("store._artifact_objects._RETRY", {"max_retries": 0})
    with own_objects() as found:
        yield found


async def opened(path: Path, address: str | None, owner: str = "me") -> SqliteStore:
    store = SqliteStore(path, artifacts=address)
    await store.open()
    await store.claim_artifacts(owner)
    return store


@pytest.fixture
async def store(tmp_path: Path, address: str) -> AsyncIterator[SqliteStore]:
    found = await opened(tmp_path / "clew.db", address)
    yield found
    await found.close()


async def objects_in(address: str) -> list[str]:
    """The names of all objects but that of the owner."""
    found = [meta["path"] async for page in obstore.list(from_url(address)) for meta in page]
    return sorted(path for path in found if path != "clew-owner")


async def test_small_ones_are_rows_and_large_ones_objects(store: SqliteStore, address: str) -> None:
    await keep(store, SMALL)
    assert await objects_in(address) == []
    await keep(store, HUGE)
    assert await objects_in(address) == [key_of(HUGE)]
    assert files_in(store.path) == []
    assert await read(store, HUGE) == HUGE
    assert await read(store, HUGE, 4_000_000, 9_000_000) == HUGE[4_000_000:9_000_001]


async def test_the_object_goes_with_the_artifact(store: SqliteStore, address: str) -> None:
    await keep(store, LARGE)
    assert await store.collect_artifacts(NOW + HOUR) == 1
    assert await objects_in(address) == []
    await keep(store, LARGE)
    await store.delete_artifact(name_of(LARGE), NOW)
    assert await objects_in(address) == []


async def test_what_is_broken_off_leaves_no_object_and_no_file(store: SqliteStore, address: str) -> None:
    with pytest.raises(ConnectionError):
        async with store.receive() as upload:
            await upload.write(LARGE)
            raise ConnectionError
    assert (await objects_in(address), files_in(store.path)) == ([], [])


async def test_what_a_crash_has_left_goes_and_what_is_not_ours_stays(tmp_path: Path, address: str) -> None:
    store = await opened(tmp_path / "clew.db", address)
    await keep(store, LARGE)
    await store.close()
    await obstore.put_async(from_url(address), key_of(b"orphan"), b"orphan")
    await obstore.put_async(from_url(address), "ab/of-somebody", b"else")

    store = await opened(store.path, address)
    assert await store.collect_artifacts(NOW) == 0
    await store.close()
    assert await objects_in(address) == sorted([key_of(LARGE), "ab/of-somebody"])


async def test_of_a_place_that_was_not_claimed_nothing_is_removed(tmp_path: Path, address: str) -> None:
    await obstore.put_async(from_url(address), key_of(b"of another"), b"of another")
    store = SqliteStore(tmp_path / "clew.db", artifacts=address)
    await store.open()
    await store.collect_artifacts(NOW)
    await store.close()
    assert await objects_in(address) == [key_of(b"of another")]


async def test_a_place_belongs_to_one_database(tmp_path: Path, address: str) -> None:
    await (await opened(tmp_path / "one.db", address, "one")).close()
    other = SqliteStore(tmp_path / "two.db", artifacts=address)
    await other.open()
    with pytest.raises(StoreUnavailable, match="another database: give each a prefix of its own"):
        await other.claim_artifacts("two")
    await other.close()
    await (await opened(tmp_path / "one.db", address, "one")).close()


async def test_what_were_files_before_is_read_and_goes(tmp_path: Path, address: str) -> None:
    store = await opened(tmp_path / "clew.db", None)
    await keep(store, LARGE)
    await store.close()

    store = await opened(store.path, address)
    await keep(store, HUGE)
    assert (await read(store, LARGE), await read(store, HUGE)) == (LARGE, HUGE)
    assert await store.collect_artifacts(NOW + HOUR) == 2
    assert (await objects_in(address), files_in(store.path)) == ([], [])
    await store.close()


async def test_an_object_that_was_taken_away_is_told_and_may_come_again(store: SqliteStore, address: str) -> None:
    await keep(store, LARGE)
    await obstore.delete_async(from_url(address), key_of(LARGE))
    with pytest.raises(StoreUnavailable, match=f"{name_of(LARGE)}' are not in {address}"):
        await read(store, LARGE)
    await keep(store, LARGE)
    assert await read(store, LARGE) == LARGE


async def test_what_is_there_is_not_sent_again(store: SqliteStore, address: str) -> None:
    await keep(store, LARGE)
    await obstore.put_async(from_url(address), key_of(LARGE), LARGE[::-1])
    await keep(store, LARGE)
    assert await read(store, LARGE) == LARGE[::-1]


async def test_one_that_is_read_without_the_place_says_where_it_may_be(tmp_path: Path, address: str) -> None:
    store = await opened(tmp_path / "clew.db", address)
    await keep(store, LARGE)
    await store.close()
    store = await opened(store.path, None)
    with pytest.raises(StoreUnavailable, match="are they where an earlier start had --artifacts"):
        await read(store, LARGE)
    await store.close()


async def test_a_store_that_is_away_is_told_and_nothing_is_lost(
    tmp_path: Path, own: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(tmp_path / "clew.db", used(own, monkeypatch))
    await keep(store, LARGE)
    own.kill()
    with pytest.raises(StoreUnavailable, match=r"^s3://clew-tests/\w+: .*error sending request"):
        await keep(store, HUGE)
    with pytest.raises(StoreUnavailable):
        await read(store, LARGE)
    assert await store.artifact(name_of(HUGE)) is None
    assert files_in(store.path) == []
    await keep(store, SMALL)
    assert await read(store, SMALL) == SMALL
    await store.close()


async def test_what_could_not_be_removed_is_looked_for_again(
    tmp_path: Path, own: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = used(own, monkeypatch)
    store = await opened(tmp_path / "clew.db", address)
    await keep(store, LARGE)
    assert await store.collect_artifacts(NOW) == 0
    own.kill()
    with pytest.raises(StoreUnavailable):
        await store.collect_artifacts(NOW + HOUR)
    own.start()
    await obstore.put_async(from_url(address), key_of(LARGE), LARGE)  # it has forgotten what it had
    await store.collect_artifacts(NOW + HOUR)
    assert await objects_in(address) == []
    await store.close()


async def test_one_that_takes_its_time_holds_up_no_other(
    tmp_path: Path, own: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(tmp_path / "clew.db", used(own, monkeypatch))
    own.halt()
    slow = asyncio.create_task(keep(store, LARGE))
    again = asyncio.create_task(keep(store, LARGE))
    async with asyncio.timeout(20):
        while name_of(LARGE) not in store._names._locks:  # noqa: ASYNC110 - who holds a name tells nobody
            await asyncio.sleep(0.002)
    await keep(store, SMALL)
    assert await read(store, SMALL) == SMALL
    assert not (slow.done() or again.done())
    own.go_on()
    assert await slow == await again
    await store.close()


@pytest.mark.parametrize("address", ["bucket", "http://host/x", "s3://", "s3:///x", "s3://k:s@b/x", "s3://b/x?y"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(Invalid, match=r"it is s3://bucket/prefix") as refusal:
        SqliteStore(tmp_path / "clew.db", artifacts=address)
    assert refusal.value.reason == "artifacts.address"


def test_without_the_library_it_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    with pytest.raises(Invalid, match=r"pip install 'clew-engine\[objects\]'") as refusal:
        SqliteStore(tmp_path / "clew.db", artifacts="s3://bucket/prefix")
    assert refusal.value.reason == "artifacts.extra"


def test_a_store_in_memory_has_no_objects() -> None:
    with pytest.raises(Invalid, match="leave --artifacts out"):
        store_at("memory://", "s3://bucket/prefix")
