"""Every store keeps an idempotency key with what was made, in one transaction, for a day."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.claims import KEPT_MS, Claim, ClaimRow
from engine.errors import Conflict, StaleCommit
from engine.model import RunId
from engine.ports import Store
from tests.contract.samples import NOW, created, run, worker, workflow

ASKED = Claim(scope="POST /v1/runs", key="k", fingerprint="f")


def used(key: str = "k", at: int = NOW) -> ClaimRow:
    return replace(ASKED, key=key).on("run-0001", at)


async def test_a_key_is_written_with_the_run_that_it_made(store: Store) -> None:
    await store.commit(created(run(1), claims=[used()]))
    assert await store.claim(ASKED.scope, "k") == used()


async def test_the_same_key_of_another_operation_is_another_key(store: Store) -> None:
    await store.commit(created(run(1), claims=[used()]))
    assert await store.claim("POST /v1/workers", "k") is None


async def test_a_batch_that_is_refused_leaves_no_key(store: Store) -> None:
    await store.commit(created(run(1)))
    with pytest.raises(StaleCommit):
        await store.commit(created(run(2, id=RunId("run-0001")), claims=[used()]))
    assert await store.claim(ASKED.scope, "k") is None


async def test_the_first_answer_is_kept_with_its_key(store: Store) -> None:
    await store.commit(created(run(1), claims=[used()]))
    answered = replace(used(), status=201, headers={"location": "/v1/runs/run-0001"}, body=b'{"n": 1}')
    await store.keep_answer(answered)
    assert await store.claim(ASKED.scope, "k") == answered


async def test_an_answer_for_a_key_that_was_never_written_changes_nothing(store: Store) -> None:
    await store.keep_answer(replace(used(), status=201, body=b"{}"))
    assert await store.claim(ASKED.scope, "k") is None


async def test_old_keys_are_forgotten_when_new_ones_come(store: Store) -> None:
    await store.commit(created(run(1), claims=[used("old"), used("young", NOW + 1)]))
    await store.commit(created(run(2), claims=[used("new", NOW + KEPT_MS)]))
    assert await store.claim(ASKED.scope, "old") is None
    assert await store.claim(ASKED.scope, "young") is not None


async def test_a_key_that_has_grown_old_can_be_used_again(store: Store) -> None:
    await store.commit(created(run(1), claims=[used()]))
    await store.commit(created(run(2), claims=[used(at=NOW + KEPT_MS)]))
    assert await store.claim(ASKED.scope, "k") == used(at=NOW + KEPT_MS)


async def test_a_worker_is_added_with_its_key_or_not_at_all(store: Store) -> None:
    await store.put_worker(worker("a"), create=True, claim=ASKED)
    with pytest.raises(Conflict):
        await store.put_worker(worker("a"), create=True, claim=replace(ASKED, key="other"))
    kept = await store.claim(ASKED.scope, "k")
    assert kept is not None and kept.made == "a"
    assert await store.claim(ASKED.scope, "other") is None


async def test_a_workflow_is_added_with_its_key_or_not_at_all(store: Store) -> None:
    await store.put_workflow(workflow("w"), claim=ASKED)
    with pytest.raises(Conflict):
        await store.put_workflow(workflow("w"), claim=replace(ASKED, key="other"))
    kept = await store.claim(ASKED.scope, "k")
    assert kept is not None and kept.made == "w"
    assert await store.claim(ASKED.scope, "other") is None
