"""Which worker gets a task: a pure decision over the registered workers and how busy they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum

from dispatch._resources import NO_OWNERS, Resource, resource_of
from engine.limits import LimitReason, RateRule
from engine.outbox import Work
from engine.ports import WorkerRow
from engine.values import dataclass


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
    resource: Resource | None = None
    """What only one worker has."""
    avoid: str | None = None
    """The worker that it was taken from."""


def need_of(work: Work) -> Need:
    rate = None if work.limits.rate is None else (work.limits.node, work.limits.rate)
    tags, resource = frozenset(work.tags), resource_of(work.request)
    return Need(tags, work.worker, work.protocol, work.prefers, rate, resource, work.avoid)


class Reason(StrEnum):
    """Why no worker can take a task now: none that is active carries what it needs; those that do are all busy; those
    that do cannot be reached; those that can have no calls left in their rate limit; those that do ask for their tasks,
    and none asks now; the one that has its resource cannot take it."""

    NO_WORKER = "no_worker"
    CAPACITY = "capacity"
    UNREACHABLE = "unreachable"
    RATE_LIMIT = "rate_limit"
    NOT_ASKED = "not_asked"
    RESOURCE = "resource"


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
    calls left, not asking for the tasks that they come for), and a number that grows with each choice and decides
    between equals."""

    taken: Mapping[str, int] = field(default_factory=dict)
    unreachable: Container[str] = ()
    limited: Container[str] = ()
    silent: Container[str] = ()
    turn: int = 0


def unfit(worker: WorkerRow, need: Need, owners: Mapping[str, str] = NO_OWNERS) -> str | None:
    """What a worker lacks that a task needs, in words; None where it has all of it. `owners` are the ids of the workers
    that have resources, by the resources' ids."""
    if worker.status != "active":
        return f"it is {worker.status}"
    if need.worker is not None and worker.id != need.worker:
        return f"the task is for worker '{need.worker}'"
    if need.avoid == worker.id:
        return "the task was taken from it"
    if need.protocol is not None and worker.protocol != need.protocol:
        return f"the task is for the protocol {need.protocol}"
    if not need.tags.issubset(worker.tags):
        return f"it lacks the tags {', '.join(sorted(need.tags.difference(worker.tags)))}"
    if need.resource is not None and need.resource.owner(owners) != worker.id:
        return f"it does not have the resource '{need.resource.id}'"
    return None


def fits(worker: WorkerRow, need: Need, owners: Mapping[str, str] = NO_OWNERS) -> bool:
    """Whether an active worker has all that a task needs, busy or not."""
    return unfit(worker, need, owners) is None


def fitting(workers: Iterable[WorkerRow], need: Need, owners: Mapping[str, str] = NO_OWNERS) -> tuple[WorkerRow, ...]:
    """The workers that a task may go to, by id. This changes with the registry and with what workers say that they
    have, so it can be kept."""
    return tuple(sorted((worker for worker in workers if fits(worker, need, owners)), key=lambda worker: worker.id))


def why_not(worker: WorkerRow, load: Load) -> Reason | None:
    """Why a worker cannot take one more task now, if it cannot."""
    if worker.id in load.unreachable:
        return Reason.UNREACHABLE
    if worker.id in load.limited:
        return Reason.RATE_LIMIT
    if load.taken.get(worker.id, 0) >= worker.max_concurrent:
        return Reason.CAPACITY
    return Reason.NOT_ASKED if worker.id in load.silent else None


def in_words(reason: Reason | None) -> str | None:
    """Why a worker that has all that a task needs cannot take it now."""
    return None if reason is None else _SAID[reason]


_SAID = {
    Reason.CAPACITY: "all of its slots are taken",
    Reason.NOT_ASKED: "it asks for its tasks, and does not now",
    Reason.RATE_LIMIT: "it has no calls left for now",
    Reason.UNREACHABLE: "it cannot be reached",
}


def has_room(worker: WorkerRow, load: Load) -> bool:
    """Whether a worker can take one more task now."""
    return why_not(worker, load) is None


def choose(workers: Iterable[WorkerRow], need: Need, load: Load) -> Chosen | NoWorker:
    """The worker for a task with this need, or why there is none."""
    return choose_among(fitting(workers, need), load, need)


def choose_among(fit: Sequence[WorkerRow], load: Load, need: Need, failed_by: str | None = None) -> Chosen | NoWorker:
    """Choose among workers that fit: any other one before the one that has `failed`, and then those of the protocol
    first that the task prefers."""
    if failed_by is not None:
        others = [worker for worker in fit if worker.id != failed_by]
        if (other := _best(others, load, need)) is not None:
            return other
    return _best(fit, load, need) or _nobody(fit, load, need)


def _best(fit: Sequence[WorkerRow], load: Load, need: Need) -> Chosen | None:
    if need.prefers is not None:
        first = _least_loaded([worker for worker in fit if worker.protocol == need.prefers], load)
        if first is not None:
            return first
    return _least_loaded(fit, load)


def _least_loaded(fit: Sequence[WorkerRow], load: Load) -> Chosen | None:
    """The least loaded that has room, and of several such in turn."""
    least, best = 1.0, []
    for worker in fit:
        if why_not(worker, load) is not None:
            continue
        share = load.taken.get(worker.id, 0) / worker.max_concurrent
        if share < least:
            least, best = share, [worker]
        elif share == least:
            best.append(worker)
    return Chosen(worker_id=best[load.turn % len(best)].id) if best else None


_IN_WORDS = {
    Reason.CAPACITY: "{few} of {all} workers are busy, none has a free slot",
    Reason.NOT_ASKED: "{few} of {all} workers ask for their tasks, and none asks now",
    Reason.RATE_LIMIT: "{few} of {all} workers have no calls left for now",
    Reason.UNREACHABLE: "none of {all} workers can be reached",
}
"""What tasks wait for, what promises most first."""


def _nobody(fit: Sequence[WorkerRow], load: Load, need: Need) -> NoWorker:
    if need.resource is not None:
        return NoWorker(reason=Reason.RESOURCE, detail=f"no worker can take it that has '{need.resource.id}'")
    why = Counter(why_not(worker, load) for worker in fit)
    for reason, words in _IN_WORDS.items():
        if why[reason]:
            return NoWorker(reason=reason, detail=words.format(few=why[reason], all=len(fit)))
    return NoWorker(reason=Reason.NO_WORKER, detail="no active worker carries what the task needs")
