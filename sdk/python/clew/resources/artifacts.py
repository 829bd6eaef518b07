"""Artifacts: bytes sent and fetched beside the state."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from clew._faces import F, Resource, call, listed
from clew._http import path_of
from clew._json import given
from clew.models import Artifact, Reference

Named = str | Reference | Mapping[str, Any]
"""What an artifact may be named by: its SHA-256, `artifact:sha256:…`, or a reference to it."""
_NAME = re.compile(r"(?:artifact:sha256:)?([0-9a-f]{64})", re.IGNORECASE)
SHOWN = 80


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
    async def fetch(self, artifact: Named) -> bytes:
        """The bytes of an artifact. It is named by its SHA-256, the text `artifact:sha256:…`, or a reference to it as
        it stands in a state or was returned by `send`. Raises NotFound; ValueError for what names none."""
        return (await self._http.call("GET", path_of("artifacts", name_of(artifact)))).content

    @listed
    def list(self, *, run_id: str | None = None, page: int | None = None) -> AsyncIterator[Artifact]:
        """All artifacts, or those that a run refers to, newest first."""
        return self._http.items(Artifact, "/artifacts", given(run_id=run_id, limit=page))

    @call
    async def touch(self, artifact: Named, *, ttl: int | None = None) -> Artifact:
        """Have an artifact stay longer that no run refers to."""
        kept = await self._http.call(
            "POST", path_of("artifacts", name_of(artifact), "touch"), query=given(ttl=ttl), again=True
        )
        return Artifact.model_validate_json(kept.content)

    @call
    async def delete(self, artifact: Named) -> None:
        """Delete an artifact. Raises Conflict while a run refers to it."""
        await self._http.call("DELETE", path_of("artifacts", name_of(artifact)))


def name_of(artifact: Named) -> str:
    """The SHA-256 of an artifact, of whatever refers to it. Raises ValueError."""
    named = artifact.ref if isinstance(artifact, Reference) else artifact
    if isinstance(named, Mapping):
        named = named.get("ref", named.get("sha256"))
    found = _NAME.fullmatch(named) if isinstance(named, str) else None
    if found is None:
        shown = repr(artifact)
        shown = shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 1]}…"
        raise ValueError(
            f"{shown} names no artifact: give its SHA-256 (64 hexadecimal digits), 'artifact:sha256:…' or a reference"
        )
    return found[1].lower()
