"""Dead letters: tasks that have failed for good."""

from __future__ import annotations

from collections.abc import AsyncIterator

from clew._faces import F, Resource, call, listed
from clew._http import path_of
from clew._json import given
from clew.models import DeadLetter


class DeadLetters(Resource[F]):
    """`/v1/dead-letters`."""

    @listed
    def list(
        self, *, status: str | None = None, run_id: str | None = None, page: int | None = None
    ) -> AsyncIterator[DeadLetter]:
        """Those that fit, newest first. `status` is open or redriven."""
        return self._http.items(DeadLetter, "/dead-letters", given(status=status, run_id=run_id, limit=page))

    @call
    async def get(self, letter_id: str) -> DeadLetter:
        """One of them. Raises NotFound."""
        return await self._http.get(DeadLetter, path_of("dead-letters", letter_id))

    @call
    async def redrive(self, letter_id: str) -> DeadLetter:
        """Try its task again. Raises Conflict where that cannot be done."""
        return await self._http.post(DeadLetter, path_of("dead-letters", letter_id, "redrive"))
