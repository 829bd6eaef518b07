"""A task of a run as `clew runs show --task` tells it."""

from __future__ import annotations

import sys

from api.cli._events import log_lines
from api.cli._shown import Shape, error_text, mark_of, reason_text, said_in, short, status_of
from api.cli._waits import why_waits


def task_record_lines(found: Shape) -> list[str]:
    """A task as `clew runs show --task` tells it: what it was asked, its attempts, and what came of it."""
    return [
        f"task      {found['id']}",
        f"is        {found['address']}",
        f"status    {status_of(found)}{mark_of(found)}"
        + (f": {error_text(found['error'])}" if found["error"] else reason_text(found)),
        f"attempt   {found['attempt']}" + (f" at {found['worker_id']}" if found["worker_id"] else ""),
        *([f"waits     {why}"] if (why := why_waits(found)) is not None else []),
        *(f"  {worker}: {why}" for worker, why in found["workers"].items()),
        *([f"ended     {found['finished_at']}"] if found["finished_at"] else []),
        *_asked(found["input"]),
        *(["attempts"] if found["attempts"] else []),
        *(f"  {attempt_line(attempt)}" for attempt in found["attempts"]),
        f"answered  {_answer_text(found)}",
        *_details(found["error"]),
        *(["log"] if found["log"] else []),
        *(f"  {line}" for line in log_lines(found["log"])),
    ]


def _asked(request: Shape | None) -> list[str]:
    """What a worker is asked; a node that asks none has no request."""
    if request is None:
        return ["asked     nobody"]
    given = {key: value for key, value in request.items() if value not in (None, [], {})}
    if not given:
        return ["asked     to work, with no prompt, input, state or parameters"]
    return ["asked", *(f"  {key} = {short(value)}" for key, value in given.items())]


def attempt_line(attempt: Shape) -> str:
    """What happened to an attempt."""
    number = f"attempt {attempt['attempt']}" if attempt.get("attempt") else ""
    by = f" at {attempt['worker']}" if attempt.get("worker") else ""
    why = attempt["error"]["message"] if attempt.get("error") else attempt.get("reason") or attempt.get("why")
    return f"{attempt['at']}  {attempt['kind']:<8}  {number}{by}{f': {why}' if why else ''}".rstrip()


def _details(error: Shape | None) -> list[str]:
    """What else a worker says of its own error."""
    known = error is not None and error["details"] is not None and said_in(error) is None
    return [f"details   {short(error['details'], sys.maxsize)}"] if error is not None and known else []


def _answer_text(found: Shape) -> str:
    """The whole answer to a task."""
    if found["output"] is None and not found["finished_at"]:
        return "nothing yet"
    if found["output"] is None and found["error"] is not None:
        said = said_in(found["error"])
        whole = said if isinstance(said, str) else short(said, sys.maxsize)
        return "nothing" if said is None else whole
    return short(found["output"], sys.maxsize)
