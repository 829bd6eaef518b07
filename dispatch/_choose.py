"""Which worker gets a task: a pure decision over the registered workers and how busy they are."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from engine.limits import LimitReason, RateRule
from engine.outbox import Work
from engine.ports import WorkerRow


@dataclass(frozen=True, slots=True)
class Need:
    """What a task asks of its worker; tasks with equal needs wait in one queue."""

    tags: frozenset[str] = frozenset()
    worker: str | None = None
    protocol: str | None = None
    prefers: str | None = None
    """The protocol of those that are taken first."""
    rate: tuple[str, RateRule] | None = None
    """The node whose attempts may be sent no more often than so."""


def need_of(work: Work) -> Need:
    rate = None if work.limits.rate is None else (work.limits.node, work.limits.rate)
    return Need(frozenset(work.tags), work.worker, work.protocol, work.prefers, rate)


class Reason(StrEnum):
    """Why no worker can take a task now: none that is active carries what it needs; those that do are all busy; those
    that do cannot be reached; those that can have no calls left in their rate limit."""

    NO_WORKER = "no_worker"
    CAPACITY = "capacity"
    UNREACHABLE = "unreachable"
    RATE_LIMIT = "rate_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """This worker gets the task."""

    worker_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoWorker:
    """Nobody can take the task now; `detail` says it in words."""

    reason: Reason | LimitReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How busy the workers are: slots taken by worker, the ids of those that must be left alone (circuit open, no
    calls left), and a number that grows with each choice and decides between equals."""

    taken: Mapping[str, int] = field(default_factory=dict)
    unreachable: Container[str] = ()
    limited: Container[str] = ()
    turn: int = 0


def fits(worker: WorkerRow, need: Need) -> bool:
    """Whether an active worker has all that a task needs, busy or not."""
    return (
        worker.status == "active"
        and (need.worker is None or worker.id == need.worker)
        and (need.protocol is None or worker.protocol == need.protocol)
        and need.tags.issubset(worker.tags)
    )


def fitting(workers: Iterable[WorkerRow], need: Need) -> tuple[WorkerRow, ...]:
    """The workers that a task may go to, by id. This changes with the registry only, so it can be kept."""
    return tuple(sorted((worker for worker in workers if fits(worker, need)), key=lambda worker: worker.id))


def has_room(worker: WorkerRow, load: Load) -> bool:
    """Whether a worker can take one more task now."""
    return load.taken.get(worker.id, 0) < worker.max_concurrent and not _is_left_alone(worker, load)


def _is_left_alone(worker: WorkerRow, load: Load) -> bool:
    return worker.id in load.unreachable or worker.id in load.limited


def choose(workers: Iterable[WorkerRow], need: Need, load: Load) -> Chosen | NoWorker:
    """The worker for a task with this need, or why there is none."""
    return choose_among(fitting(workers, need), load, need.prefers)


def choose_among(fit: Sequence[WorkerRow], load: Load, prefers: str | None = None) -> Chosen | NoWorker:
    """Choose among workers that fit, those of the protocol first that the task prefers."""
    if prefers is not None:
        first = _least_loaded([worker for worker in fit if worker.protocol == prefers], load)
        if first is not None:
            return first
    return _least_loaded(fit, load) or _nobody(fit, load)


def _least_loaded(fit: Sequence[WorkerRow], load: Load) -> Chosen | None:
    """The least loaded that has room, and of several such in turn."""
    least, best = 1.0, []
    for worker in fit:
        taken = load.taken.get(worker.id, 0)
        if taken >= worker.max_concurrent or _is_left_alone(worker, load):
            continue
        share = taken / worker.max_concurrent
        if share < least:
            least, best = share, [worker]
        elif share == least:
            best.append(worker)
    return Chosen(worker_id=best[load.turn % len(best)].id) if best else None


def _nobody(fit: Sequence[WorkerRow], load: Load) -> NoWorker:
    if not fit:
        return NoWorker(reason=Reason.NO_WORKER, detail="no active worker carries what the task needs")
    busy = sum(not _is_left_alone(worker, load) for worker in fit)
    limited = sum(worker.id not in load.unreachable for worker in fit)
    if not busy and limited:
        return NoWorker(reason=Reason.RATE_LIMIT, detail=f"{limited} of {len(fit)} workers have no calls left for now")
    if busy:
        return NoWorker(reason=Reason.CAPACITY, detail=f"{busy} of {len(fit)} workers are busy, none has a free slot")
    return NoWorker(reason=Reason.UNREACHABLE, detail=f"none of {len(fit)} workers can be reached")
