"""Every store keeps artifacts under what they hold, knows which runs refer to them, and collects the others."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from engine.artifacts import Artifact, Lease, Totals, reference
from engine.codec import write
from engine.errors import Conflict, NotFound, StaleCommit
from engine.ports import Batch, Store
from store import store_at
from store._artifact_upload import IN_DATABASE
from tests.contract.conftest import SCHEMES, address_of
from tests.contract.samples import NOW, commit, created, event, run
from tests.servers import ObjectServer

SMALL, LARGE = b"small", bytes(range(256)) * (IN_DATABASE // 64)
BOTH = pytest.mark.parametrize("content", [SMALL, LARGE, b""], ids=["small", "large", "empty"])
HOUR = 3_600_000


@pytest.fixture(params=[*SCHEMES, "objects"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """An open, empty store of each kind, and one whose large artifacts are objects elsewhere."""
    if request.param != "objects":
        found = store_at(address_of(request.param, tmp_path))
    else:
        objects: ObjectServer = request.getfixturevalue("object_server")
        for name, value in objects.env.items():
            monkeypatch.setenv(name, value)
        found = store_at(str(tmp_path / "clew.db"), objects.address(uuid4().hex))
    await found.open()
    await found.claim_artifacts("me")
    yield found
    await found.close()


def name_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def keep(store: Store, content: bytes, media_type: str = "text/plain", **lease: int) -> Artifact:
    async with store.receive() as upload:
        for start in range(0, len(content), 100_000):
            await upload.write(content[start : start + 100_000])
        return await upload.finish(media_type, Lease(**{"now": NOW, "expires_at": NOW + HOUR, **lease}))


async def read(store: Store, content: bytes, first: int = 0, last: int | None = None) -> bytes:
    last = len(content) - 1 if last is None else last
    return b"".join([part async for part in store.read_artifact(name_of(content), first, last)])


def referring(key: int, content: bytes, seq: int = 1) -> Batch:
    """A run whose first commit refers to an artifact."""
    body = write({"writes": [["out", reference(name_of(content), len(content), "text/plain")]]})
    return created(run(key), commits=[commit(key, seq, body=body)])


@BOTH
async def test_what_came_in_is_read_as_it_was(store: Store, content: bytes) -> None:
    found = await keep(store, content)

    assert found == Artifact(
        sha256=name_of(content), size=len(content), media_type="text/plain", created_at=NOW, expires_at=NOW + HOUR
    )
    assert await store.artifact(found.sha256) == found
    assert await read(store, content) == content


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_a_part_is_read_alone(store: Store, content: bytes) -> None:
    await keep(store, content)
    end = len(content) - 1

    assert await read(store, content, 1, 3) == content[1:4]
    assert await read(store, content, end, end) == content[-1:]
    assert await read(store, content, 2, end + 100) == content[2:]


@BOTH
async def test_the_same_bytes_are_one_artifact_with_the_longer_lease(store: Store, content: bytes) -> None:
    await keep(store, content)
    again = await keep(store, content, "image/png", now=NOW + 5, expires_at=NOW + 1)

    assert (again.media_type, again.created_at, again.expires_at) == ("text/plain", NOW, NOW + HOUR)
    assert (await store.artifacts(10, None))[0] == (again,)
    assert await read(store, content) == content


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_what_is_broken_off_has_never_been_there(store: Store, content: bytes) -> None:
    with pytest.raises(ConnectionError):
        async with store.receive() as upload:
            await upload.write(content)
            raise ConnectionError

    assert await store.artifact(name_of(content)) is None
    assert (await store.artifacts(10, None))[0] == ()


async def test_one_that_is_not_there_is_not_found(store: Store) -> None:
    nothing = name_of(b"nothing")

    assert await store.artifact(nothing) is None
    with pytest.raises(NotFound):
        await read(store, b"nothing")
    with pytest.raises(NotFound):
        await store.touch_artifact(nothing, NOW)
    with pytest.raises(NotFound):
        await store.delete_artifact(nothing, NOW)


async def test_they_are_listed_newest_first_page_by_page(store: Store) -> None:
    kept = [await keep(store, b"%d" % number) for number in range(5)]
    seen, cursor = list[Artifact](), None
    while True:
        page, cursor = await store.artifacts(2, cursor)
        seen += page
        if cursor is None:
            break

    assert seen == kept[::-1]


# ---- who refers to them


async def test_a_commit_says_which_artifacts_its_run_refers_to(store: Store) -> None:
    first, other = await keep(store, SMALL), await keep(store, LARGE)
    await store.commit(referring(1, SMALL))
    await store.commit(created(run(2)))

    assert (await store.artifacts(10, None, run_key=1))[0] == (first,)
    assert await store.artifact_totals(1) == Totals(count=1, size=len(SMALL))
    assert await store.artifact_totals(2) == Totals(count=0, size=0)
    with pytest.raises(Conflict) as refused:
        await store.delete_artifact(first.sha256, NOW + 2 * HOUR)
    assert refused.value.conflict == "artifact.in_use"
    await store.delete_artifact(other.sha256, NOW)


async def test_a_batch_that_is_refused_refers_to_nothing(store: Store) -> None:
    await keep(store, SMALL)
    await store.commit(created(run(1)))
    with pytest.raises(StaleCommit):
        await store.commit(referring(1, SMALL))

    assert await store.artifact_totals(1) == Totals(count=0, size=0)


async def test_inputs_and_answers_that_are_noted_refer_too(store: Store) -> None:
    kept = [await keep(store, content) for content in (b"a", b"b", b"c")]
    a, b, c = ({"deep": [found.reference()]} for found in kept)
    notes = [event(1, 1, kind="turn", body={"answer": b}), event(1, 2, kind="progress", body=c)]
    await store.commit(created(run(1, input=a), events=notes))

    assert [found.sha256 for found in (await store.artifacts(9, None, run_key=1))[0]] == [
        kept[1].sha256,
        kept[0].sha256,
    ]


async def test_a_text_that_only_speaks_of_an_artifact_refers_to_nothing(store: Store) -> None:
    found = await keep(store, SMALL)
    said = write({"writes": [["out", f"see artifact:sha256:{found.sha256} and {write(found.reference()).decode()}"]]})
    await store.commit(created(run(1), commits=[commit(1, 1, body=said)]))

    assert await store.artifact_totals(1) == Totals(count=0, size=0)


# ---- how long they stay


@BOTH
async def test_one_that_nobody_refers_to_goes_when_it_has_expired(store: Store, content: bytes) -> None:
    await keep(store, content)

    assert await store.collect_artifacts(NOW + HOUR - 1) == 0
    assert await store.collect_artifacts(NOW + HOUR) == 1
    assert await store.artifact(name_of(content)) is None
    assert await store.collect_artifacts(NOW + HOUR) == 0


async def test_a_lease_that_is_extended_lasts_longer_and_never_shorter(store: Store) -> None:
    found = await keep(store, SMALL)

    assert (await store.touch_artifact(found.sha256, NOW + 2 * HOUR)).expires_at == NOW + 2 * HOUR
    assert (await store.touch_artifact(found.sha256, NOW)).expires_at == NOW + 2 * HOUR
    assert await store.collect_artifacts(NOW + HOUR) == 0
    assert await store.collect_artifacts(NOW + 2 * HOUR) == 1


async def test_one_stays_as_long_as_a_run_refers_to_it(store: Store) -> None:
    await keep(store, SMALL)
    await store.commit(referring(1, SMALL))
    await store.commit(referring(2, SMALL))

    assert await store.collect_artifacts(NOW + HOUR) == 0
    await store.delete_run(1)
    assert await store.collect_artifacts(NOW + HOUR) == 0
    await store.delete_run(2)
    assert await store.collect_artifacts(NOW + HOUR) == 1


async def test_one_that_is_about_to_be_referred_to_is_held(store: Store) -> None:
    found = await keep(store, SMALL)
    missing = name_of(b"nothing")

    assert await store.hold_artifacts({found.sha256, missing}, NOW + 3 * HOUR) == {missing}
    assert await store.collect_artifacts(NOW + 2 * HOUR) == 0
    with pytest.raises(Conflict):
        await store.delete_artifact(found.sha256, NOW + 2 * HOUR)
    assert await store.collect_artifacts(NOW + 3 * HOUR) == 1


async def test_many_are_collected_whatever_stands_between_them(store: Store) -> None:
    for number in range(120):
        await keep(store, b"%d" % number, expires_at=NOW + number % 2)
    await store.commit(referring(1, b"0"))

    assert await store.collect_artifacts(NOW) == 59
    assert len((await store.artifacts(1000, None))[0]) == 61


# ---- stores that last


@BOTH
async def test_artifacts_and_references_are_there_after_a_restart(reopen: Callable[[], Store], content: bytes) -> None:
    store = reopen()
    await store.open()
    found = await keep(store, content)
    await store.commit(referring(1, content))
    await store.close()

    store = reopen()
    await store.open()
    assert await store.artifact(found.sha256) == found
    assert await read(store, content) == content
    assert await store.collect_artifacts(NOW + HOUR) == 0
    await store.close()
