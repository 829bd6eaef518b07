"""Limits of nodes: how many of a node's tasks may be under way, which ones not at the same time, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from engine.values import dataclass

MAX_RATE = 10_000
"""The highest `limit` of a rate: each of so many times is remembered."""


class LimitReason(StrEnum):
    """Why a task waits that a worker might take: as many tasks of its node are under way as may be; another task has
    its key; its node was asked as often as it may be for now; workers hold as many tasks as the server allows."""

    MAX_CONCURRENCY = "max_concurrency"
    CONCURRENCY_KEY = "concurrency_key"
    NODE_RATE_LIMIT = "node_rate_limit"
    MAX_IN_FLIGHT = "max_in_flight"


LIMITED = frozenset(reason.value for reason in LimitReason)


@dataclass(frozen=True, slots=True)
class RateRule:
    """At most `limit` in any `per_ms` milliseconds."""

    limit: int
    per_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds a task's attempts: `node` names the node over all runs, `key` is what one task has at a time."""

    node: str = ""
    max_concurrency: int | None = None
    key: str | None = None
    rate: RateRule | None = None
    within: tuple[str, ...] = ()
    """The tasks with rooms that it is inside of, by their ids: they are over only after it."""


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Gate:
    """So many may be behind it; gates with the same reason and name are one."""

    reason: LimitReason
    name: str
    limit: int

    @property
    def id(self) -> tuple[LimitReason, str]:
        return self.reason, self.name


def gates_of(limits: Limits) -> tuple[Gate, ...]:
    """The gates of what has these limits, in the order in which all pass them: key before node, so that no two wait
    for each other."""
    found = []
    if limits.key is not None:
        found.append(Gate(LimitReason.CONCURRENCY_KEY, limits.key, 1))
    if limits.max_concurrency is not None:
        found.append(Gate(LimitReason.MAX_CONCURRENCY, limits.node, limits.max_concurrency))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The gates that a task passes before it begins, and is behind until it is over, and how often such tasks begin, by
    the names of their nodes."""

    gates: tuple[Gate, ...] = ()
    rates: tuple[tuple[str, RateRule], ...] = ()
    within: tuple[str, ...] = ()
    """The tasks with rooms that it is inside of, by their ids: they are over only after it."""

    @property
    def bounds(self) -> bool:
        """Whether there is anything to pass."""
        return bool(self.gates or self.rates)


NO_ROOM = Room()
ROOM = "room"
"""The kind of timer, with no time to wait for, that says durably that a task has its room."""


def rate_rule(given: Mapping[str, Any]) -> RateRule:
    """A rule as it is written."""
    return RateRule(int(given["limit"]), int(given["per_ms"]))


def rate_problem(given: Any) -> str | None:
    """What is wrong with a rule; None where it is one."""
    most = {"limit": MAX_RATE, "per_ms": 86_400_000}
    if not isinstance(given, Mapping) or given.keys() != most.keys():
        return "expected an object with `limit` and `per_ms`"
    for name, highest in most.items():
        if given[name].__class__ is not int or not 1 <= given[name] <= highest:
            return f"`{name}` must be a whole number from 1 to {highest}"
    return None
