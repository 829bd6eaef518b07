"""Artifacts as they come and go over HTTP: who may send and fetch them, and which part of one is asked for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from api.answers import sent_with
from api.auth import bears, refused
from api.errors import Refused
from engine.artifacts import HOLD_MS, Artifact, Lease
from engine.errors import NotFound
from engine.model import TaskId
from engine.ports import Store
from engine.times import rfc3339

UNSAID = "application/octet-stream"
MAX_MEDIA_TYPE = 200
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(\s*;[\x20-\x7e]*)?", re.ASCII)
_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)
_ALWAYS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, max-age=31536000, immutable",
    "Content-Security-Policy": "sandbox; default-src 'none'",  # whoever opens one in a browser runs nothing of it
    "X-Content-Type-Options": "nosniff",
}


class Artifacts:
    """Takes artifacts in and gives them out. `key` is the secret from which the tokens of tasks are made, `clock` gives
    milliseconds since the epoch, `ttl_ms` is how long one stays that nobody refers to."""

    def __init__(self, store: Store, key: bytes, clock: Callable[[], int], ttl_ms: int) -> None:
        self.store, self.key, self.clock, self.ttl_ms = store, key, clock, ttl_ms

    def require_right(self, headers: Headers, own: str | None, task_id: str | None, token: str | None) -> None:
        """Raises Refused unless a request bears the server's token (`own`), or that of a task."""
        if token is None:
            if not bears(headers, own):
                raise refused(headers)
        elif task_id is None:
            raise Refused(403, "task.token", "a token is that of a task: name it with task_id")
        else:
            sent_with(self.key, TaskId(task_id), token)

    async def take(self, parts: AsyncIterator[bytes], media_type: str | None, ttl_s: int | None) -> Artifact:
        """Keep bytes as they come; durable on return. Raises Refused (413, 415), StoreUnavailable."""
        kind = media_type_of(media_type)
        async with self.store.receive() as upload:
            async for part in parts:
                await upload.write(part)
            now = self.clock()
            return await upload.finish(kind, Lease(now=now, expires_at=now + self._ttl_ms(ttl_s)))

    async def keep(self, content: bytes, media_type: str) -> Artifact:
        """Keep bytes that a run is about to refer to; durable on return. Raises StoreUnavailable."""
        async with self.store.receive() as upload:
            await upload.write(content)
            now = self.clock()
            return await upload.finish(
                media_type, Lease(now=now, expires_at=now + self.ttl_ms, held_until=now + HOLD_MS)
            )

    async def touch(self, sha256: str, ttl_s: int | None) -> Artifact:
        """Have one stay for its time from now on. Raises NotFound."""
        return await self.store.touch_artifact(sha256, self.clock() + self._ttl_ms(ttl_s))

    async def delete(self, sha256: str) -> None:
        """Delete one. Raises NotFound, or Conflict while a run refers to it."""
        await self.store.delete_artifact(sha256, self.clock())

    async def response(self, sha256: str, headers: Mapping[str, str]) -> Response:
        """The bytes, or the part of them that is asked for. Raises NotFound, StoreUnavailable, Refused (416)."""
        found = await self.store.artifact(sha256)
        if found is None:
            raise NotFound(f"there is no artifact '{sha256[:80]}'; it may have expired")
        etag = f'"{found.sha256}"'
        own = {**_ALWAYS, "ETag": etag, "Content-Disposition": f'attachment; filename="{found.sha256}"'}
        if etag in _tags(headers.get("if-none-match", "")):
            return Response(status_code=304, headers=own)
        wanted = headers.get("range") if headers.get("if-range", etag) == etag else None
        part = range_of(wanted, found.size)
        first, last = part or (0, found.size - 1)
        if part is not None:
            own["Content-Range"] = f"bytes {first}-{last}/{found.size}"
        own |= {"Content-Length": str(last - first + 1), "Content-Type": found.media_type}
        body = await self._begun(sha256, first, last)
        return StreamingResponse(body, 200 if part is None else 206, own)

    async def _begun(self, sha256: str, first: int, last: int) -> AsyncIterator[bytes]:
        """Parts of which the first one could be read: what cannot is told before the response begins."""
        parts = self.store.read_artifact(sha256, first, last)
        return _rest(await anext(parts, b""), parts)

    def _ttl_ms(self, ttl_s: int | None) -> int:
        return self.ttl_ms if ttl_s is None else ttl_s * 1000


async def _rest(first: bytes, parts: Any) -> AsyncIterator[bytes]:
    async with aclosing(parts):
        yield first
        async for part in parts:
            yield part


def artifact_json(found: Artifact) -> dict[str, Any]:
    """An artifact: the reference to it, and when it came and goes."""
    return {**found.reference(), "created_at": rfc3339(found.created_at), "expires_at": rfc3339(found.expires_at)}


def media_type_of(given: str | None) -> str:
    """The type that a body is said to have. Raises Refused (415) for what is none."""
    kind = (given or UNSAID).strip()
    if len(kind) > MAX_MEDIA_TYPE or not _MEDIA_TYPE.fullmatch(kind):
        raise Refused(415, "request.media_type", f"'{kind[:80]}' is no media type; send one such as {UNSAID}")
    return kind


def range_of(given: str | None, size: int) -> tuple[int, int] | None:
    """The first and last byte that a Range header asks for; None for all of them, which is also the answer to what is
    no range of bytes, and to several ranges. Raises Refused (416) for one that begins behind the end."""
    found = _RANGE.fullmatch(given or "")
    if found is None or found[0].strip().endswith("=-"):
        return None
    first, last = (int(part) if part else None for part in found.groups())
    if first is not None and last is not None and last < first:
        return None
    if first is None:
        first, last = (size, size) if not last else (max(size - last, 0), size - 1)
    if first >= size:
        message = f"the artifact has {size} bytes, and the range begins behind them"
        raise Refused(416, "artifact.range", message, {"Content-Range": f"bytes */{size}"})
    return first, size - 1 if last is None else min(last, size - 1)


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}
