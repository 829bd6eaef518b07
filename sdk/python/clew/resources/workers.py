"""Workers: who is registered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Unpack

from clew._faces import F, Resource, call, listed
from clew._http import path_of
from clew._json import given
from clew.fields import WorkerFields
from clew.models import Beaten, Leased, NewlyRegistered, RateLimit, RegisteredAs


class Workers(Resource[F]):
    """`/v1/workers`."""

    @call
    async def register(
        self, worker_id: str, *, protocol: str, key: str | None = None, **fields: Unpack[WorkerFields]
    ) -> NewlyRegistered:
        """Register a worker. Raises Conflict when the id is taken, Invalid for what it could not be reached by."""
        body = {"id": worker_id, "protocol": protocol, **fields}
        return await self._http.create(NewlyRegistered, "/workers", body, key=key)

    @call
    async def change(
        self, worker_id: str, *, protocol: str | None = None, **fields: Unpack[WorkerFields]
    ) -> RegisteredAs:
        """Change the fields that are given, and no others; None takes a value away. Raises NotFound or Invalid."""
        changed = await self._http.call(
            "PATCH", path_of("workers", worker_id), body={**given(protocol=protocol), **fields}
        )
        return RegisteredAs.model_validate_json(changed.content)

    @call
    async def get(self, worker_id: str) -> RegisteredAs:
        """A worker. Raises NotFound."""
        return await self._http.get(RegisteredAs, path_of("workers", worker_id))

    @listed
    def list(self, *, page: int | None = None) -> AsyncIterator[RegisteredAs]:
        """All workers, by id."""
        return self._http.items(RegisteredAs, "/workers", given(limit=page))

    @listed
    def rate_limits(self, *, page: int | None = None) -> AsyncIterator[RateLimit]:
        """What workers last said of their rate limits, by worker."""
        return self._http.items(RateLimit, "/rate-limits", given(limit=page))

    @call
    async def lease(
        self,
        worker_id: str | None = None,
        *,
        tags: Sequence[str] | None = None,
        max: int = 1,
        wait_ms: int = 0,
        lease_ms: int | None = None,
    ) -> Sequence[Leased]:
        """Ask for tasks: for a registered worker of the protocol `pull`, or for anybody who has these tags.

        With `wait_ms` (60,000 at most) it answers as soon as there is one. Raises NotFound for an unknown worker.
        """
        body = given(worker_id=worker_id, tags=tags, max=max, wait_ms=wait_ms, lease_ms=lease_ms)
        found = await self._http.call("POST", "/tasks/lease", body=body, wait_s=wait_ms / 1000)
        return [Leased.model_validate(item) for item in found.json()["items"]]

    @call
    async def heartbeat(
        self, worker_id: str, *, status: str | None = None, inventory: Any = None, resources: Any = None,
        metrics: Any = None,
    ) -> Beaten:  # fmt: skip
        """Say that a worker is there, and how it is; what is left out stays as it was. Raises NotFound."""
        body = given(status=status, inventory=inventory, resources=resources, metrics=metrics)
        return await self._http.post(Beaten, path_of("workers", worker_id, "heartbeat"), body)

    @call
    async def drain(
        self, worker_id: str, *, draining: bool = True, mode: Literal["finish", "hand_back"] = "finish"
    ) -> RegisteredAs:
        """Have a worker get nothing more, or tasks again; with `hand_back` others get what it has. Raises NotFound."""
        body = {"draining": draining, "mode": mode}
        return await self._http.post(RegisteredAs, path_of("workers", worker_id, "drain"), body)

    @call
    async def remove(self, worker_id: str) -> None:
        """Remove a worker; what it holds may still be answered. Raises NotFound."""
        await self._http.call("DELETE", path_of("workers", worker_id))
