"""Sessions: runs that go on from each other."""

from __future__ import annotations

from collections.abc import AsyncIterator

from clew._faces import F, Resource, call, listed
from clew._http import path_of
from clew._json import given
from clew.models import Checkpoint, Session, SessionSummary


class Sessions(Resource[F]):
    """`/v1/sessions`. A run joins one with `runs.start(…, session_id=…)`."""

    @listed
    def list(self, *, page: int | None = None) -> AsyncIterator[SessionSummary]:
        """All sessions, the last used first."""
        return self._http.items(SessionSummary, "/sessions", given(limit=page))

    @call
    async def get(self, session_id: str) -> Session:
        """A session with its newest state and runs. Raises NotFound."""
        return await self._http.get(Session, path_of("sessions", session_id))

    @listed
    def checkpoints(
        self, session_id: str, *, node: str | None = None, state: bool = False, page: int | None = None
    ) -> AsyncIterator[Checkpoint]:
        """The commits of all its runs, newest first."""
        query = given(node=node, state=state or None, limit=page)
        return self._http.items(Checkpoint, path_of("sessions", session_id, "checkpoints"), query)

    @call
    async def delete(self, session_id: str) -> None:
        """Delete a session with its runs. Raises Conflict while one of them is not over."""
        await self._http.call("DELETE", path_of("sessions", session_id))
