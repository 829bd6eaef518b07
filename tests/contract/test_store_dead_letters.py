"""What every store promises of dead letters: there with their commits, listed, closed, gone with their run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import Invalid
from engine.model import TaskId
from engine.ports import Batch, Store
from tests.contract.samples import NOW, created, letter, run

LETTERS = [letter(1, 2), letter(1, 3, index=4, worker="w"), letter(2, 2)]


@pytest.fixture
async def filled(store: Store) -> Store:
    await store.commit(created(run(1), run(2), dead_letters=LETTERS[:2]))
    await store.commit(Batch(dead_letters=LETTERS[2:]))
    return store


async def test_letters_come_back_as_they_were_given(filled: Store) -> None:
    assert [await filled.dead_letter(item.id) for item in LETTERS] == LETTERS
    assert await filled.dead_letter("nothing") is None


async def test_letters_are_listed_newest_first_in_pages(filled: Store) -> None:
    first, cursor = await filled.dead_letters(None, 2, None)
    rest, end = await filled.dead_letters(None, 2, cursor)
    assert ([*first, *rest], end) == (LETTERS[::-1], None)
    with pytest.raises(Invalid):
        await filled.dead_letters(None, 2, "nonsense")


async def test_letters_of_one_run_are_listed(filled: Store) -> None:
    first, cursor = await filled.dead_letters("open", 1, None, 1)
    rest, end = await filled.dead_letters("open", 1, cursor, 1)
    assert ((*first, *rest), end) == ((LETTERS[1], LETTERS[0]), None)


async def test_a_letter_that_was_driven_again_is_closed(filled: Store) -> None:
    await filled.commit(Batch(redriven=[(LETTERS[0].id, NOW)]))
    closed = replace(LETTERS[0], status="redriven", redriven_at=NOW)
    assert (await filled.dead_letters("redriven", 10, None))[0] == (closed,)
    assert (await filled.dead_letters("open", 10, None))[0] == (LETTERS[2], LETTERS[1])


async def test_letters_go_with_their_run(filled: Store) -> None:
    await filled.delete_run(1)
    assert (await filled.dead_letters(None, 10, None))[0] == (LETTERS[2],)


async def test_a_retry_settles_the_open_letters_of_its_tasks(store: Store) -> None:
    failed = letter(1, 2)
    others = [replace(letter(1, 3), task_id=TaskId("another")), letter(2, 2)]
    await store.commit(created(run(1), run(2), dead_letters=[failed, *others]))
    await store.commit(Batch(retried=[(1, failed.task_id, NOW + 5)]))
    settled = replace(failed, status="redriven", redriven_at=NOW + 5)
    await store.commit(Batch(retried=[(1, failed.task_id, NOW + 9)]))
    assert (await store.dead_letters(None, 10, None))[0] == (*others[::-1], settled)
