"""Artifacts: bytes sent and fetched beside the state."""

from __future__ import annotations

from collections.abc import AsyncIterator

from clew._faces import F, Resource, call, listed
from clew._http import path_of
from clew._json import given
from clew.models import Artifact


class Artifacts(Resource[F]):
    """`/v1/artifacts`. An artifact is named by the SHA-256 of its bytes: sent twice, it is one."""

    @call
    async def send(
        self, content: bytes, media_type: str = "application/octet-stream", *, ttl: int | None = None
    ) -> Artifact:
        """Send bytes; what is returned may stand in an output. They go after `ttl` seconds unless a run refers to them.

        Raises TooLarge.
        """
        headers = {"Content-Type": media_type}
        made = await self._http.call(
            "POST", "/artifacts", content=content, headers=headers, query=given(ttl=ttl), again=True
        )
        return Artifact.model_validate_json(made.content)

    @call
    async def fetch(self, sha256: str) -> bytes:
        """The bytes of an artifact. Raises NotFound."""
        return (await self._http.call("GET", path_of("artifacts", sha256))).content

    @listed
    def list(self, *, run_id: str | None = None, page: int | None = None) -> AsyncIterator[Artifact]:
        """All artifacts, or those that a run refers to, newest first."""
        return self._http.items(Artifact, "/artifacts", given(run_id=run_id, limit=page))

    @call
    async def touch(self, sha256: str, *, ttl: int | None = None) -> Artifact:
        """Have an artifact stay longer that no run refers to."""
        kept = await self._http.call("POST", path_of("artifacts", sha256, "touch"), query=given(ttl=ttl), again=True)
        return Artifact.model_validate_json(kept.content)

    @call
    async def delete(self, sha256: str) -> None:
        """Delete an artifact. Raises Conflict while a run refers to it."""
        await self._http.call("DELETE", path_of("artifacts", sha256))
