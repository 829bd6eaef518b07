"""Answers as bytes: JSON by our own codec, and the shapes of workflows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from api.auth import BASE
from engine.codec import write
from engine.dead_letters import DeadLetter
from engine.notices import Notice
from engine.outbox import Rate
from engine.ports import Page, WorkflowRow
from engine.times import rfc3339

JSON = "application/json"
CHUNK = 64 * 1024


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(write(body), status, headers, JSON)


def created(body: Mapping[str, Any], kind: str) -> Response:
    """201 with what was made, and where it is found."""
    return answer(body, 201, {"Location": location(kind, body["id"])})


def location(kind: str, name: str) -> str:
    """The path of a run, workflow or worker."""
    return f"{BASE}/{kind}/{quote(name, safe='')}"


def page(found: Page[Any]) -> Response:
    """A page of a list."""
    return answer({"items": list(found.items), "next_cursor": found.next_cursor})


def nothing() -> Response:
    """204, for what is gone."""
    return Response(status_code=204)


async def streamed_page(items: AsyncIterator[dict[str, Any]]) -> Response:
    """A page whose items are sent as they come; the last thing that comes is the page's `next_cursor`.

    Errors from before the first item are raised here.
    """
    first = await anext(items)
    return StreamingResponse(_chunks(first, items), media_type=JSON)


async def _chunks(first: dict[str, Any], rest: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    parts, size, item, mark = [b'{"items":['], 0, first, b""
    async for following in rest:
        text = write(item)
        parts += (mark, text)
        item, mark, size = following, b",", size + len(text)
        if size > CHUNK:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join((*parts, b'],"next_cursor":', write(item["next_cursor"]), b"}"))


async def streamed_lines(lines: AsyncIterator[bytes], kind: str) -> Response:
    """Lines that are sent as they come, many at a time. Errors from before the first one are raised here."""
    first = await anext(lines)
    return StreamingResponse(_gathered(first, lines), media_type=kind)


async def _gathered(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    parts, size = [first], len(first)
    async for line in rest:
        if size > CHUNK:
            yield b"".join(parts)
            parts, size = [], 0
        parts.append(line)
        size += len(line)
    yield b"".join(parts)


def workflow_json(row: WorkflowRow) -> dict[str, Any]:
    """A version of a workflow."""
    return {
        "id": row.id,
        "version": row.version,
        "name": row.name,
        "status": row.status,
        "source": row.source,
        "tags": list(row.tags),
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "definition": row.document,
    }


def dead_letter_json(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as it is listed."""
    return {
        "id": letter.id,
        "run_id": letter.run_id,
        "workflow_id": letter.workflow_id,
        "node": letter.node,
        "task_id": letter.task_id,
        "index": letter.index,
        "attempt": letter.attempt,
        "worker_id": letter.worker,
        "error": letter.error,
        "status": letter.status,
        "created_at": rfc3339(letter.created_at),
        "redriven_at": rfc3339(letter.redriven_at),
    }


def notice_json(notice: Notice) -> dict[str, Any]:
    """A notice, without what is sent."""
    return {
        "id": notice.id,
        "run_id": notice.run_id,
        "workflow_id": notice.workflow_id,
        "type": f"run.{notice.event}",
        "push_id": notice.push or None,
        "url": notice.url,
        "status": notice.status,
        "attempts": notice.attempts,
        "last_error": notice.last_error,
        "next_at": rfc3339(notice.due_at),
        "created_at": rfc3339(notice.created_at),
        "ended_at": rfc3339(notice.ended_at),
    }


def rate_json(worker_id: str, rate: Rate) -> dict[str, Any]:
    """What a worker has said of its rate limit."""
    reset = rate.limit.reset_ms
    return {
        "worker_id": worker_id,
        "remaining": rate.limit.remaining,
        "limit": rate.limit.limit,
        "reset_ms": reset,
        "reported_at": rfc3339(rate.at),
        "resets_at": rfc3339(rate.at + reset) if reset is not None else None,
    }
