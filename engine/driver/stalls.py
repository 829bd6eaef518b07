"""Runs in which nothing happens any more: where `config.stall_timeout_ms` says so, they fail instead of waiting on.

What happens in a run is a commit, and whatever is noted between commits: that a task was sent, accepted or tried again,
what its worker tells of it. Runs that wait for their time or for people are not stalled. The attempts of a stalled run
are given up, or it would wait for its silent workers. The timer lives in memory alone: a server that was started again
has just taken up its runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.driver.turn import Live, Turn
from engine.failure import stalled
from engine.model import TERMINAL, RunStatus, TaskId, TaskStatus
from engine.run import Run

if TYPE_CHECKING:
    from engine.driver.delivery import Delivery

STALL = "stall"


def limit_of(run: Run) -> int | None:
    """For how many milliseconds nothing may happen in a run; None: for ever."""
    found = run.limits.get("stall_timeout_ms", run.config.get("stall_timeout_ms"))
    return None if found is None else int(found)


def watch(delivery: Delivery, live: Live, now: int) -> None:
    """Look at a run again once it has had the time to stall."""
    live.active_at = max(live.active_at, now)
    if (limit := limit_of(live.run)) is not None and live.run.status not in TERMINAL:
        _look_again(delivery, live, live.active_at + limit)


def look(delivery: Delivery, turn: Turn, live: Live) -> None:
    """Fail a run in which nothing has happened for too long, else look at it again in time."""
    run = live.run
    if (limit := limit_of(run)) is None or run.status in TERMINAL or run.failing:
        return
    quiet_since = turn.now if _waits_for_something(run) else live.active_at
    if quiet_since + limit <= turn.now:
        delivery.take(turn, live, stalled(run, limit, turn.now))
        for task_id in [name for name, one in run.progress.items() if one.status is TaskStatus.RUNNING]:
            delivery.give_up(turn, live, task_id, "nothing was heard of the worker, and the run came to a standstill")
    else:
        _look_again(delivery, live, quiet_since + limit)


def _look_again(delivery: Delivery, live: Live, due_at: int) -> None:
    delivery.timers.set(due_at, live.run.key, TaskId(live.run.id), STALL)


def _waits_for_something(run: Run) -> bool:
    """Whether it is known what comes next: an answer of a person, or a time."""
    if run.status is not RunStatus.RUNNING or run.interrupts:
        return True
    return any(one.sleeps or one.status is TaskStatus.RETRYING for one in run.progress.values())
