"""Interrupts: the inbox of questions over all runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from clew._faces import F, Resource, call, listed
from clew._http import path_of
from clew._json import given
from clew.models import Interrupt, Json, Run


class Interrupts(Resource[F]):
    """`/v1/interrupts`."""

    @listed
    def list(
        self,
        *,
        status: str | None = "open",
        run_id: str | None = None,
        kind: str | None = None,
        assignee: str | None = None,
        claimed: bool | None = None,
        page: int | None = None,
    ) -> AsyncIterator[Interrupt]:
        """The questions that fit; `status=None` lists those that are over too."""
        query = given(status=status, run_id=run_id, kind=kind, assignee=assignee, claimed=claimed, limit=page)
        return self._http.items(Interrupt, "/interrupts", query)

    @call
    async def get(self, interrupt_id: str) -> Interrupt:
        """A question. Raises NotFound."""
        return await self._http.get(Interrupt, path_of("interrupts", interrupt_id))

    @call
    async def resume(self, interrupt_id: str, resume: Any = None, *, updates: Json | None = None) -> Run:
        """Answer a question; gives the run. Raises Conflict when it is over, Invalid where its schema says so."""
        body = {"resume": resume, **given(updates=updates)}
        return await self._http.post(Run, path_of("interrupts", interrupt_id, "resume"), body)

    @call
    async def claim(self, interrupt_id: str, assignee: str) -> Interrupt:
        """Say who looks after a question."""
        return await self._http.post(Interrupt, path_of("interrupts", interrupt_id, "claim"), {"assignee": assignee})

    @call
    async def unclaim(self, interrupt_id: str) -> Interrupt:
        """Say that nobody looks after it any more."""
        left = await self._http.call("DELETE", path_of("interrupts", interrupt_id, "claim"))
        return Interrupt.model_validate_json(left.content)
