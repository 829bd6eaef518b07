"""What lists may be narrowed down to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from engine.kinds import RunStatus
from engine.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptFilter:
    """Which interrupts a list holds; empty fields do not filter."""

    kind: str | None = None
    assignee: str | None = None
    claimed: bool | None = None


EVERY_INTERRUPT = InterruptFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs a list holds; empty fields do not filter. `q` is looked for in ids and workflow ids."""

    status: tuple[RunStatus, ...] = ()
    workflow_id: str | None = None
    tag: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_after: int | None = None
    created_before: int | None = None
    parent_id: str | None = None
    session_id: str | None = None
    q: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentFilter:
    """Which runs a list by their last change holds; empty fields do not filter. `since` is the earliest change, in
    milliseconds since the epoch; `code` is the code of the error that a run has, `but_code` one that it has not.
    `asks_only` is the kind that all of its open interrupts are of, `asks_but` one that not all are of."""

    status: tuple[RunStatus, ...] = ()
    workflow_id: str | None = None
    session_id: str | None = None
    since: int | None = None
    code: str | None = None
    but_code: str | None = None
    asks_only: str | None = None
    asks_but: str | None = None
