"""Artifacts: bytes that are too many to stand in a state, kept under their SHA-256, and the references to them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from engine.values import dataclass

SCHEME = "artifact:sha256:"
MARK = f'"{SCHEME}'.encode()
"""What the JSON of every reference holds; text without it refers to nothing."""
_REFERENCE = re.compile(rb'"artifact:sha256:([0-9a-f]{64})"')
HOLD_MS = 600_000
"""For so long an artifact stays that is about to be referred to: between its coming and the commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What is known of an artifact. `size` in bytes; after `expires_at` (milliseconds since the epoch) it goes, unless
    a run refers to it."""

    sha256: str
    size: int
    media_type: str
    created_at: int
    expires_at: int

    def reference(self) -> dict[str, Any]:
        """What stands for it in a state."""
        return reference(self.sha256, self.size, self.media_type)


def reference(sha256: str, size: int, media_type: str) -> dict[str, Any]:
    """What stands for bytes in a state."""
    return {"ref": SCHEME + sha256, "media_type": media_type, "size": size, "sha256": sha256}


def is_reference(value: Any) -> bool:
    """Whether a value is a whole reference, and nothing else."""
    if not isinstance(value, dict) or value.keys() != {"ref", "media_type", "size", "sha256"}:
        return False
    return bool(value["ref"] == f"{SCHEME}{value['sha256']}")


def references_in(text: bytes) -> set[str]:
    """The SHA-256 of every artifact that a compact JSON text refers to: each string that is the name of one."""
    if MARK not in text:
        return set()
    return {found.decode() for found in _REFERENCE.findall(text)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How many artifacts a run refers to, and how many bytes they have."""

    count: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """For how long an artifact stays that nobody refers to: what people are told (`expires_at`), and at least until
    `held_until`. Milliseconds since the epoch."""

    now: int
    expires_at: int
    held_until: int = 0


class Upload(Protocol):
    """Bytes on their way in. What is not finished when the context is left has never been there."""

    async def write(self, part: bytes) -> None:
        """Add bytes. Raises StoreUnavailable where there is no room."""

    async def finish(self, media_type: str, lease: Lease) -> Artifact:
        """Keep what was written, durably. The same bytes again are the same artifact: it keeps its media type and the
        longer lease. Raises StoreUnavailable."""


class Artifacts(Protocol):
    """The part of the store that keeps artifacts. Which runs refer to them is written with the runs' commits."""

    async def claim_artifacts(self, owner: str) -> None:
        """Have the place of large artifacts be this server's alone, where it is one that others reach as well: what
        nobody refers to is removed there. `owner` names the server, the same after a restart. Raises StoreUnavailable
        where the place cannot be reached, or is another's."""

    def receive(self) -> AbstractAsyncContextManager[Upload]:
        """Take in bytes of any number, of which no more than a few are held in memory."""

    async def artifact(self, sha256: str) -> Artifact | None: ...

    async def artifacts(
        self, limit: int, cursor: str | None, run_key: int | None = None
    ) -> tuple[tuple[Artifact, ...], str | None]:
        """A page of all of them, or of those that a run refers to, newest first, and the cursor of the next one."""

    async def artifact_totals(self, run_key: int) -> Totals:
        """All that a run refers to and that is there."""

    def read_artifact(self, sha256: str, first: int, last: int) -> AsyncIterator[bytes]:
        """The bytes from `first` to `last`, both included, a part at a time. Raises NotFound before the first part
        where there is no such artifact, StoreUnavailable where its bytes cannot be read."""

    async def hold_artifacts(self, names: Iterable[str], until: int) -> set[str]:
        """Have artifacts stay at least until then; returns those of the names that are not there. Durable on return."""

    async def touch_artifact(self, sha256: str, expires_at: int) -> Artifact:
        """Have an artifact expire no earlier than that. Raises NotFound."""

    async def delete_artifact(self, sha256: str, now: int) -> None:
        """Delete an artifact. Raises NotFound; Conflict `artifact.in_use` while a run refers to it, or is about to."""

    async def collect_artifacts(self, now: int) -> int:
        """Delete all that have expired and that no run refers to, a few at a time, and what a crash has left of
        others; returns how many."""
