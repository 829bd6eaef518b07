"""Submitted work as the outbox keeps it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from dispatch._choose import Need
from engine.limits import Gate
from engine.line import Order
from engine.outbox import Work


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """Submitted work that is not over: in line (no worker), being delivered, or accepted: then a delivery is one that
    its transport stays with."""

    work: Work
    need: Need
    order: Order
    failed_by: str | None = None
    """The worker that has failed it: others that have room are asked before it."""
    gates: tuple[Gate, ...] = ()
    passed: int = 0
    worker_id: str | None = None
    delivery: asyncio.Task[None] | None = None
    accepted: bool = False
    holds: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return self.work.task_id

    @property
    def within(self) -> tuple[str, ...]:
        return self.work.limits.within
