"""What a store in memory holds beside runs: workflows, workers, idempotency keys, the server's secret."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from engine.cache import Kept
from engine.claims import KEPT_MS, Claim, ClaimRow
from engine.codec import write
from engine.matching import workflow_matches
from engine.ports import Page, WorkerRow, WorkflowRow
from engine.values import replace
from store import _cursor as cursors
from store._cursor import Place
from store._errors import no_worker, no_workflow, version_differs, version_exists, worker_exists

T = TypeVar("T")


@dataclass(slots=True)
class _Workflow:
    status: str
    changed_at: int
    newest: int = 0
    versions: dict[int, WorkflowRow] = field(default_factory=dict)

    def row(self, version: int) -> WorkflowRow:
        row = self.versions[version]
        changed_at = self.changed_at if version == self.newest else row.updated_at
        return replace(row, status=self.status, updated_at=changed_at)


class MemoryCatalogue:
    """The part of the store that no run owns."""

    def __init__(self) -> None:
        self._workflows: dict[str, _Workflow] = {}
        self._workers: dict[str, WorkerRow] = {}
        self._server_secret = b""
        self._claims: dict[tuple[str, str], ClaimRow] = {}
        self._kept: dict[str, Kept] = {}

    # ---- workflows

    async def put_workflow(self, row: WorkflowRow, claim: Claim | None = None) -> None:
        found = self._workflows.setdefault(row.id, _Workflow(row.status, row.updated_at))
        if row.version in found.versions:
            raise version_exists(row)
        found.versions[row.version] = row
        if row.version > found.newest:
            found.newest, found.status, found.changed_at = row.version, row.status, row.updated_at
        self._add_claims([claim.on(row.id, row.created_at)] if claim is not None else [])

    async def workflow(self, workflow_id: str, version: int | None = None) -> WorkflowRow | None:
        found = self._workflows.get(workflow_id)
        if found is None or (version is not None and version not in found.versions):
            return None
        return found.row(found.newest if version is None else version)

    async def workflow_versions(self, workflow_id: str) -> list[WorkflowRow]:
        found = self._workflows.get(workflow_id)
        return [found.row(version) for version in sorted(found.versions, reverse=True)] if found else []

    async def last_version(self, workflow_id: str) -> int:
        found = self._workflows.get(workflow_id)
        return max(found.versions) if found else 0

    def _require_the_same(self, versions: Iterable[WorkflowRow]) -> None:
        """Raise Conflict where a version is there already that says something else."""
        for row in versions:
            found = self._workflows.get(row.id)
            there = found.versions.get(row.version) if found else None
            if there is not None and write(there.document) != write(row.document):
                raise version_differs(row)

    def _bring(self, versions: Iterable[WorkflowRow]) -> None:
        for row in sorted(versions, key=lambda row: -row.version):
            found = self._workflows.setdefault(row.id, _Workflow(row.status, row.updated_at, row.version))
            found.versions.setdefault(row.version, row)

    async def workflows(
        self, q: str | None, tag: str | None, status: str | None, limit: int, cursor: str | None
    ) -> Page[WorkflowRow]:
        after = cursors.read("workflows", cursor, int, str)
        newest = (found.row(found.newest) for found in self._workflows.values())
        wanted = (row for row in newest if workflow_matches(row, q, tag, status))
        return page_of("workflows", wanted, lambda row: (row.updated_at, row.id), limit, after)

    async def set_workflow_status(self, workflow_id: str, status: str, at: int) -> None:
        if workflow_id not in self._workflows:
            raise no_workflow(workflow_id)
        found = self._workflows[workflow_id]
        found.status, found.changed_at = status, at

    # ---- the server

    async def server_secret(self, fresh: bytes) -> bytes:
        self._server_secret = self._server_secret or fresh
        return self._server_secret

    async def claim(self, scope: str, key: str) -> ClaimRow | None:
        return self._claims.get((scope, key))

    async def keep_answer(self, row: ClaimRow) -> None:
        if (row.scope, row.key) in self._claims:
            self._claims[row.scope, row.key] = row

    async def kept_answer(self, key: str, now: int) -> Kept | None:
        found = self._kept.get(key)
        return found if found is not None and found.expires_at > now else None

    # ---- workers

    async def put_worker(self, row: WorkerRow, *, create: bool, claim: Claim | None = None) -> None:
        if create and row.id in self._workers:
            raise worker_exists(row.id)
        if not create and row.id not in self._workers:
            raise no_worker(row.id)
        self._workers[row.id] = row
        self._add_claims([claim.on(row.id, row.created_at)] if claim is not None else [])

    async def worker(self, worker_id: str) -> WorkerRow | None:
        return self._workers.get(worker_id)

    async def workers(self) -> list[WorkerRow]:
        return [self._workers[name] for name in sorted(self._workers)]

    async def delete_worker(self, worker_id: str) -> None:
        self._workers.pop(worker_id, None)

    def _add_claims(self, rows: Iterable[ClaimRow]) -> None:
        for row in rows:
            self._claims = {name: old for name, old in self._claims.items() if old.at > row.at - KEPT_MS}
            self._claims[row.scope, row.key] = row


def page_of(kind: str, found: Iterable[T], place: Callable[[T], Place], limit: int, after: Place | None) -> Page[T]:
    """The newest items of a list, in descending order of their places, that come after the cursor's."""
    rest = (item for item in found if after is None or place(item) < after)
    return cursors.page(kind, sorted(rest, key=place, reverse=True)[: limit + 1], limit, place)
