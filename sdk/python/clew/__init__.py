"""Talk to a Clew server, and work for it: a typed client, and a kit for workers."""

from __future__ import annotations

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

__all__ = [
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
    "TooLarge",
    "TooMany",
    "Unauthorized",
    "Unreachable",
]
