"""Talk to a Clew server, and work for it: a typed client, and a kit for workers."""

from __future__ import annotations

from clew._version import __version__
from clew.client import Client, SyncClient
from clew.errors import (
    Changed,
    ClewError,
    Conflict,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    NotNow,
    Problem,
    TooLarge,
    TooMany,
    Unauthorized,
    Unreachable,
)
from clew.worker import Answer, Cancelled, Task, TaskError, Worker

__all__ = [
    "Answer",
    "Cancelled",
    "Changed",
    "ClewError",
    "Client",
    "Conflict",
    "Forbidden",
    "Invalid",
    "Malformed",
    "NotFound",
    "NotNow",
    "Problem",
    "SyncClient",
    "Task",
    "TaskError",
    "TooLarge",
    "TooMany",
    "Unauthorized",
    "Unreachable",
    "Worker",
    "__version__",
]
