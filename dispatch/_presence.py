"""Which workers are away: those that dial in and have no connection, or promised heartbeats and are silent."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from engine.model import TaskId

Heard = Callable[[str, bool], None]

BY_TRANSPORT, BY_ITSELF = "transport", "itself"
"""Who says that a worker is away: what reaches it, or the worker, by its heartbeats or for want of them."""


class Holdings(Protocol):
    """What workers have taken and not answered."""

    def accepted_by(self, worker_id: str) -> Collection[TaskId]:
        """The tasks that a worker has taken."""

    def lose(self, worker_id: str, task_id: TaskId, why: str) -> None:
        """A worker has lost a task that it had taken: the attempt has failed (`worker.lost`). Idempotent."""


class Nothing(Holdings):
    """Nobody holds anything."""

    def accepted_by(self, worker_id: str) -> Collection[TaskId]:
        return ()

    def lose(self, worker_id: str, task_id: TaskId, why: str) -> None:
        return None


class Presence:
    """Told by transports who is there; tells the outbox, which leaves those alone that are away. `holdings` knows what
    they hold."""

    def __init__(self) -> None:
        self._away: dict[str, dict[str, str | None]] = {}
        """Of each worker that is away, who says so, and why."""
        self._heard: list[Heard] = []
        self.holdings: Holdings = Nothing()

    def listen(self, heard: Heard) -> None:
        """Have `heard(worker_id, here)` called, on the event loop, whenever a worker comes or goes."""
        self._heard.append(heard)

    def set(self, worker_id: str, here: bool, why: str | None = None, by: str = BY_TRANSPORT) -> None:
        """A worker is there, or is away, as far as one can tell who says so: it is there where nobody says that it is
        away. `why` where it has said so itself. Idempotent."""
        says = {name: said for name, said in self._away.get(worker_id, {}).items() if name != by}
        says |= {} if here else {by: why}
        was_here = worker_id not in self._away
        if says:
            self._away[worker_id] = says
        else:
            self._away.pop(worker_id, None)
        if was_here is bool(says):
            for heard in self._heard:
                heard(worker_id, not says)

    def why(self, worker_id: str) -> str | None:
        """Why a worker is away that is connected, in words; None where it is not."""
        return next((why for why in self._away.get(worker_id, {}).values() if why is not None), None)

    def __contains__(self, worker_id: object) -> bool:
        """Whether a worker is away."""
        return worker_id in self._away
