"""What every store promises of the log of all runs: one order, which stays as it was."""

from __future__ import annotations

from collections.abc import Callable

from engine.ports import Batch, Store
from tests.contract.samples import created, event, run, step


async def begun(store: Store, *keys: int) -> None:
    await store.commit(created(*(run(key) for key in keys)))


async def test_the_log_holds_the_commits_of_all_runs_as_they_were_written(store: Store) -> None:
    await begun(store, 1, 2)
    for key, seq in ((2, 1), (1, 1), (1, 2), (2, 2)):
        await store.commit(step(run(key), seq))
    found = await store.log_commits(0, 10)
    assert [(item.row.run_key, item.row.seq) for item in found] == [(2, 1), (1, 1), (1, 2), (2, 2)]
    assert [item.before for item in found] == [None, None, "running", "running"]
    places = [item.place for item in found]
    assert places == sorted(set(places))
    assert await store.log_commits(places[1], 1) == [found[2]]
    assert (await store.log_end())[0] == places[-1]


async def test_an_event_says_which_commit_it_follows(store: Store) -> None:
    await begun(store, 1)
    await store.commit(step(run(1), 1))
    await store.commit(Batch(events=[event(1, 1, seq=1), event(1, 2, seq=0)]))
    (commit,) = await store.log_commits(0, 10)
    found = await store.log_events(0, 10)
    assert [(item.row.n, item.follows, item.status) for item in found] == [(1, commit.place, "running"), (2, 0, None)]
    assert await store.log_events(found[0].place, 10) == found[1:]
    assert (await store.log_end())[1] == found[1].place


async def test_the_place_of_what_was_deleted_is_never_given_again(store: Store) -> None:
    await begun(store, 1, 2)
    for key in (1, 2):
        await store.commit(step(run(key), 1))
        await store.commit(Batch(events=[event(key, 1)]))
    last = await store.log_end()
    await store.delete_run(2)
    assert await store.log_end() == last
    await store.commit(step(run(1), 2))
    await store.commit(Batch(events=[event(1, 2), event(1, 3)]))
    assert [item.row.seq for item in await store.log_commits(last[0], 10)] == [2]
    assert [item.row.n for item in await store.log_events(last[1], 10)] == [2, 3]


async def test_places_go_on_after_a_restart(reopen: Callable[[], Store]) -> None:
    first = reopen()
    await first.open()
    await begun(first, 1, 2)
    await first.commit(step(run(2), 1))
    last = await first.log_end()
    await first.delete_run(2)
    await first.close()
    second = reopen()
    await second.open()
    await second.commit(step(run(1), 1))
    assert [item.row.run_key for item in await second.log_commits(last[0], 10)] == [1]
    await second.close()
