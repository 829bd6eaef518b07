"""The part of the store that keeps what runs are made of: workflows, the server's secret, workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from engine.claims import Claim

if TYPE_CHECKING:
    from engine.ports import Page, WorkerRow, WorkflowRow


class Catalogue(Protocol):
    """Workflows and workers; all writes are durable on return."""

    # workflows

    async def put_workflow(self, row: WorkflowRow, claim: Claim | None = None) -> None:
        """Add a version, and the key it was asked with. Raises Conflict when that version exists."""

    async def workflow(self, workflow_id: str, version: int | None = None) -> WorkflowRow | None:
        """A version, or the newest; archived ones too."""

    async def workflow_versions(self, workflow_id: str) -> list[WorkflowRow]:
        """All versions, newest first."""

    async def last_version(self, workflow_id: str) -> int:
        """The highest number of its versions, also where that is not the newest; 0 for none."""

    async def workflows(
        self, q: str | None, tag: str | None, status: str | None, limit: int, cursor: str | None
    ) -> Page[WorkflowRow]:
        """Newest versions, last updated first; archived ones only when asked for by status."""

    async def set_workflow_status(self, workflow_id: str, status: str, at: int) -> None: ...

    # the server

    async def server_secret(self, fresh: bytes) -> bytes:
        """The secret that is kept for the server; `fresh` becomes it where there is none yet."""

    # workers

    async def put_worker(self, row: WorkerRow, *, create: bool, claim: Claim | None = None) -> None:
        """Add (Conflict when the id is taken) or replace a worker, with the key it was asked with."""

    async def worker(self, worker_id: str) -> WorkerRow | None: ...
    async def workers(self) -> list[WorkerRow]: ...
    async def delete_worker(self, worker_id: str) -> None: ...
