"""Idempotency keys: what a request with a key has made, kept with it so that the same request makes nothing twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Protocol

from engine.values import dataclass

KEPT_MS = 24 * 60 * 60 * 1000
"""For so long a key is remembered, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A request with a key. `scope` is its method and path, `fingerprint` stands for its body; `made` is the id of what
    it has made already, where it comes again and its first answer was not kept."""

    scope: str
    key: str
    fingerprint: str
    made: str | None = None

    def on(self, made: str, at: int) -> ClaimRow:
        """The row that is written in the transaction that makes something."""
        return ClaimRow(scope=self.scope, key=self.key, fingerprint=self.fingerprint, made=made, at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """A key that was used. `status`, `headers` and `body` are the first answer, once it has been given."""

    scope: str
    key: str
    fingerprint: str
    made: str
    at: int
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


class Claims(Protocol):
    """The part of the store that keeps them. They are written with what they stand for: in a batch, or a change."""

    async def claim(self, scope: str, key: str) -> ClaimRow | None:
        """The row of a key, also where it is too old to count."""

    async def keep_answer(self, row: ClaimRow) -> None:
        """Keep the first answer with a key; nothing happens where the key is not there."""
