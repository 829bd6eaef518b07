"""Every store keeps answers with the commits that they come from, as long as they count."""

from __future__ import annotations

import pytest

from engine.cache import Kept
from engine.errors import StaleCommit
from engine.model import RunId
from engine.ports import Store
from tests.contract.samples import NOW, created, run


def kept(key: str = "k", answer: object = "a", expires_at: int = NOW + 1000) -> Kept:
    return Kept(key=key, answer={"output": answer}, worker="w", expires_at=expires_at)


async def test_an_answer_is_found_by_its_key_while_it_counts(store: Store) -> None:
    await store.commit(created(run(1), kept=[kept()]))

    assert await store.kept_answer("k", NOW) == kept()
    assert await store.kept_answer("k", NOW + 1000) is None
    assert await store.kept_answer("other", NOW) is None


async def test_a_later_answer_takes_the_place_of_an_earlier_one(store: Store) -> None:
    await store.commit(created(run(1), kept=[kept(), kept(answer="b", expires_at=NOW + 2000)]))

    assert await store.kept_answer("k", NOW + 1500) == kept(answer="b", expires_at=NOW + 2000)


async def test_a_batch_that_is_refused_keeps_none(store: Store) -> None:
    await store.commit(created(run(1)))
    with pytest.raises(StaleCommit):
        await store.commit(created(run(2, id=RunId("run-0001")), kept=[kept()]))

    assert await store.kept_answer("k", NOW) is None
