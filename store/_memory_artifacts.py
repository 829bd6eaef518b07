"""Artifacts in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from engine.artifacts import Artifact, Lease, Totals, Upload
from engine.ports import Batch
from engine.values import replace
from store import _cursor as cursors
from store._artifact_refs import referred
from store._artifact_upload import Arrived, Receiving
from store._errors import artifact_in_use, no_artifact


@dataclass(slots=True)
class _Kept:
    """An artifact with its bytes, and its number in the order in which they came."""

    n: int
    artifact: Artifact
    content: bytes
    held_until: int


class MemoryArtifacts:
    """Artifacts by their SHA-256, and the pairs of a run and what it refers to."""

    def __init__(self) -> None:
        self._artifacts: dict[str, _Kept] = {}
        self._came = 0
        self._refs: set[tuple[int, str]] = set()

    async def claim_artifacts(self, owner: str) -> None:
        return None

    @asynccontextmanager
    async def receive(self) -> AsyncIterator[Upload]:
        yield Receiving(None, self._keep)

    async def _keep(self, arrived: Arrived, lease: Lease) -> Artifact:
        found = self._artifacts.get(arrived.sha256)
        if found is None:
            assert arrived.content is not None
            self._came += 1
            made = Artifact(
                sha256=arrived.sha256, size=arrived.size, media_type=arrived.media_type,
                created_at=lease.now, expires_at=lease.expires_at,
            )  # fmt: skip
            found = self._artifacts[arrived.sha256] = _Kept(self._came, made, arrived.content, lease.held_until)
        found.held_until = max(found.held_until, lease.held_until)
        return self._extend(found, lease.expires_at)

    @staticmethod
    def _extend(found: _Kept, expires_at: int) -> Artifact:
        later = max(found.artifact.expires_at, expires_at)
        found.artifact = replace(found.artifact, expires_at=later)
        return found.artifact

    async def artifact(self, sha256: str) -> Artifact | None:
        found = self._artifacts.get(sha256)
        return None if found is None else found.artifact

    async def artifacts(
        self, limit: int, cursor: str | None, run_key: int | None = None
    ) -> tuple[tuple[Artifact, ...], str | None]:
        after = cursors.read("artifacts", cursor, int)
        newest = sorted(self._artifacts.values(), key=lambda kept: -kept.n)
        wanted = (kept for kept in newest if run_key is None or (run_key, kept.artifact.sha256) in self._refs)
        found = [kept for kept in wanted if after is None or (kept.n,) < after]
        page = cursors.page("artifacts", found[: limit + 1], limit, lambda kept: (kept.n,))
        return tuple(kept.artifact for kept in page.items), page.next_cursor

    async def artifact_totals(self, run_key: int) -> Totals:
        kept = (self._artifacts.get(name) for key, name in self._refs if key == run_key)
        sizes = [found.artifact.size for found in kept if found is not None]
        return Totals(count=len(sizes), size=sum(sizes))

    async def read_artifact(self, sha256: str, first: int, last: int) -> AsyncIterator[bytes]:
        yield self._known(sha256).content[first : last + 1]

    async def hold_artifacts(self, names: Iterable[str], until: int) -> set[str]:
        listed = set(names)
        for name in listed & self._artifacts.keys():
            self._artifacts[name].held_until = max(self._artifacts[name].held_until, until)
        return listed - self._artifacts.keys()

    async def touch_artifact(self, sha256: str, expires_at: int) -> Artifact:
        return self._extend(self._known(sha256), expires_at)

    async def delete_artifact(self, sha256: str, now: int) -> None:
        if self._known(sha256).held_until > now or self._is_used(sha256):
            raise artifact_in_use(sha256)
        del self._artifacts[sha256]

    async def collect_artifacts(self, now: int) -> int:
        over = [name for name, kept in self._artifacts.items() if _is_over(kept, now) and not self._is_used(name)]
        for name in over:
            del self._artifacts[name]
        return len(over)

    def _known(self, sha256: str) -> _Kept:
        if sha256 not in self._artifacts:
            raise no_artifact(sha256)
        return self._artifacts[sha256]

    def _is_used(self, sha256: str) -> bool:
        return any(name == sha256 for _, name in self._refs)

    def _refer(self, batch: Batch) -> None:
        self._refs |= referred(batch)

    def _forget_refs(self, run_key: int) -> None:
        self._refs = {pair for pair in self._refs if pair[0] != run_key}


def _is_over(kept: _Kept, now: int) -> bool:
    return kept.artifact.expires_at <= now and kept.held_until <= now
