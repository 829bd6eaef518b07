"""The figures of a workflow's runs, over more of them than one page holds."""

from __future__ import annotations

from api.statistics import PAGE, RECENT, statistics
from engine.model import RunHead, RunStatus
from store.memory import MemoryStore
from tests.contract.samples import NOW, created, run


def ended(key: int, status: RunStatus = RunStatus.COMPLETED) -> RunHead:
    """A run that took as many milliseconds as its key says; the one with the highest key ended last."""
    return run(key, status=status, created_at=NOW, updated_at=NOW + key, finished_at=NOW + key)


async def test_durations_are_of_the_nearest_rank_among_those_that_ended_last() -> None:
    store = MemoryStore()
    await store.commit(created(*(ended(key) for key in range(1, RECENT + PAGE + 1))))
    found = await statistics(store, "review")
    first = PAGE + 1
    assert found["recent"]["duration_ms"] == {"p50": first + 49, "p95": first + 94, "max": RECENT + PAGE}
    assert (found["runs"], found["recent"]["runs"], found["recent"]["success_rate"]) == (RECENT + PAGE, RECENT, 1.0)


async def test_what_was_cancelled_is_counted_and_says_nothing_of_how_runs_go() -> None:
    store = MemoryStore()
    ends = (RunStatus.CANCELLED, RunStatus.FAILED, RunStatus.FAILED)
    await store.commit(created(*(ended(key, status) for key, status in enumerate(ends, 1))))
    found = await statistics(store, "review")
    assert found["by_status"]["cancelled"] == 1
    assert found["recent"]["success_rate"] == 0.0
    assert found["recent"]["duration_ms"] is None
