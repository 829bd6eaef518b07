"""The words that runs, tasks and checkpoints are described with: their statuses and kinds."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """Statuses of a run (language 3.6)."""

    QUEUED = "queued"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})


class TaskStatus(StrEnum):
    """Statuses of a task (language 3.6)."""

    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    WAITING = "waiting"
    INTERRUPTED = "interrupted"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class Kind(StrEnum):
    """Kinds of checkpoints (language 3.4)."""

    START = "start"
    NODE = "node"
    SEND = "send"
    ITEM = "item"
    INTERRUPT = "interrupt"
    RESUME = "resume"
    STATE = "state"
    FAILURE = "failure"
    RETRY = "retry"
    CANCEL = "cancel"
    END = "end"
    FORK = "fork"
    REPLAY = "replay"
    CHECKOUT = "checkout"


BY_REQUEST = "api"
"""The trigger of a run, and the actor of a commit, that somebody asked for over REST."""

EDITS = frozenset({Kind.FORK, Kind.REPLAY, Kind.RESUME, Kind.STATE, Kind.CHECKOUT})
"""Commits whose writes are an edit: outside the causal order, placed by the time of the commit (language 3.4)."""

JUMPS = frozenset({Kind.REPLAY, Kind.CHECKOUT})
"""Commits that follow another one than the one before them: the head moves to another line."""

TURNS = frozenset({*JUMPS, Kind.RETRY})
"""Commits that say how a run is to be read or goes on from here, and that loading a run looks up."""

CAUSAL = frozenset({Kind.START, Kind.NODE, Kind.SEND, Kind.ITEM})
"""Commits that take part in the causal order: they have a level, and what they activate has them as a cause."""

WORKER, AUTH = "worker", "auth"
"""The kinds of interrupts by which workers ask: for a value, and for a right, which may be given elsewhere too."""
BY_WORKERS = (WORKER, AUTH)
