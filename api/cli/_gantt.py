"""A trace as text: a line for each task, drawn over the time that the run took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from api.cli._shown import status_of

Shape = Mapping[str, Any]
WAITED, WORKED, LATER = "·", "━", "┄"
"""How the time before a task began is drawn, the time that it took, and that it goes on."""


def gantt(trace: Shape, width: int, now: float) -> list[str]:
    """The lines of a trace, by when tasks were activated. That of a run under way goes on to `now`, in seconds."""
    items = sorted(trace["items"], key=lambda item: item["created_at"])
    head = f"{trace['run_id']} {status_of(trace)}"
    if not items:
        return [head, "no task was activated yet"]
    first = min(_time(item["created_at"]) for item in items)
    last = max(_time(moment) for item in items for moment in _moments(item))
    if trace["status"] in ("queued", "running", "interrupted") and any(not item["finished_at"] for item in items):
        last = max(last, now)
    scale = width / max(last - first, 0.001)
    label = max(len(item["address"]) for item in items)
    lines = [f"{head}, {_seconds(last - first)}"]
    for item in items:
        bar = _bar(item, first, scale, width)
        lines.append(f"{item['address']:<{label}} |{bar}| {' '.join(_words(item))}".rstrip())
    return [*lines, *_open_joins(trace["joins"])]


def _moments(item: Shape) -> Iterator[str]:
    yield from (item[name] for name in ("created_at", "started_at", "finished_at") if item[name])
    yield from (wait["from"] for wait in item["waits"])


def _bar(item: Shape, first: float, scale: float, width: int) -> str:
    begin = _time(item["created_at"]) - first
    start = _time(item["started_at"]) - first if item["started_at"] else None
    end = _time(item["finished_at"]) - first if item["finished_at"] else None
    columns = [min(width - 1, int(moment * scale)) for moment in (begin, start if start is not None else begin)]
    if end is None:
        return (" " * columns[0] + WAITED * (columns[1] - columns[0])).ljust(width, LATER)
    worked = max(1, min(width, round(end * scale)) - columns[1])
    return (" " * columns[0] + WAITED * (columns[1] - columns[0]) + WORKED * worked)[:width].ljust(width)


def _words(item: Shape) -> Iterator[str]:
    """What is told behind the line: how long it took, what came of it, who did it, and what it waited for."""
    start, end = item["started_at"] or item["created_at"], item["finished_at"]
    if end is not None:
        yield _seconds(_time(end) - _time(start))
    if item["status"] != "completed":
        yield status_of(item)
    yield from (name for name in ("reused", "cached") if item[name])
    if item["worker_id"]:
        yield item["worker_id"]
    if len(item["attempts"]) > 1:
        yield f"{len(item['attempts'])} attempts"
    yield from (f"waited: {wait['reason']}" for wait in item["waits"])
    if (join := item["join"]) is not None:
        count = len(join["arrived"]) + len(join["missing"])
        yield f"{len(join['arrived'])} of {count} arrived, in {_seconds(join['waited_ms'] / 1000)}"


def _open_joins(joins: list[Any]) -> list[str]:
    return [
        f"'{join['node']}' waits: {len(join['arrived'])} arrived, not yet {_edges(join['missing'])}" for join in joins
    ]


def _edges(edges: list[Any]) -> str:
    return ", ".join(edge["from"] for edge in edges) or "any other"


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _seconds(value: float) -> str:
    return f"{value:.3f} s"
