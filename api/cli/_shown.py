"""How runs, their trees and their differences look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import typer

from api.cli._asks import answer_lines, asked_lines

WIDTH = 100
COLOURS = {
    "completed": "green",
    "failed": "red",
    "interrupted": "yellow",
    "cancelled": "magenta",
    "running": "cyan",
    "queued": "blue",
}

HELD = {
    "imported": "it came in from a file and does nothing before it is released",
    "ancestor": "no more than its beginning is here, which its forks read",
}
"""What it means that a run is held."""

Shape = Mapping[str, Any]


def write_json(value: Any) -> None:
    """A value as one line of JSON."""
    from engine.codec import dumps

    typer.echo(dumps(value).decode())


def write_text(name: str, text: str, *, as_json: bool) -> None:
    """A text, or as JSON an object with it under this name."""
    if as_json:
        write_json({name: text})
    else:
        typer.echo(text.rstrip("\n"))


def short(value: Any, width: int = WIDTH) -> str:
    """A value as JSON on one line, cut where it is long."""
    from engine.codec import dumps

    text = dumps(value).decode()
    return text if len(text) <= width else text[: width - 1] + "…"


def status_of(found: Shape) -> str:
    """A status in its colour; without a terminal the colour is left out."""
    return typer.style(found["status"], fg=COLOURS.get(found["status"]))


def mark_of(found: Shape) -> str:
    """That something came of an answer that was there already."""
    return next((f" ({name})" for name in ("reused", "cached") if found.get(name)), "")


def reason_text(found: Shape) -> str:
    """Why a run or a task waits, in parentheses; nothing for one that does not."""
    until = f" {found['start_at']}" if found["reason"] == "start_at" else ""
    return f" ({found['reason']}{until})" if found["reason"] else ""


def error_text(error: Shape) -> str:
    """An error in one line: where, what, and its code."""
    where = f"{error['node']}: " if error.get("node") else ""
    attempt = f", attempt {error['attempt']}" if error.get("attempt") else ""
    return f"{where}{error['message']} ({error['code']}{attempt})"


def said_in(error: Shape | None) -> Any:
    """What the worker had answered to what failed; None where that is not known."""
    details = error["details"] if error else None
    known = details if isinstance(details, Mapping) else {}
    return next((known[name] for name in ("answer", "answer_begins", "body") if known.get(name)), None)


def said_lines(error: Shape | None) -> list[str]:
    """The same in a line, cut where it is long."""
    said = said_in(error)
    return [] if said is None else [f"answered  {said_text(said, WIDTH)}"]


def said_text(said: Any, width: int) -> str:
    """An answer on one line: as JSON, or a text as it came."""
    if not isinstance(said, str):
        return short(said, width)
    text = " ".join(said.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def run_line(run: Shape) -> str:
    """A run in a list."""
    why = f"  {error_text(run['error'])}" if run["error"] else reason_text(run)
    status = f"{status_of(run)}{' ' * (11 - len(run['status']))}"
    what = f"{run['workflow_id']}@{run['workflow_version']}{'  held' if run['hold'] else ''}{why}"
    return f"{run['id']}  {status}  {time_of(run['created_at'])}  {what}"


def time_of(told: str) -> str:
    """A time to the second."""
    return f"{told[:19]}Z"


def _times(run: Shape) -> list[str]:
    """When a run began and ended."""
    lines = [f"started   {time_of(run['created_at'])}"]
    if run["finished_at"]:
        took = datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["created_at"])
        lines.append(f"ended     {time_of(run['finished_at'])}, after {lasting(took.total_seconds())}")
    return lines


def lasting(seconds: float) -> str:
    """How long something took."""
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{seconds:.3g} s"
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest:.0f} s"


def run_lines(run: Shape, checkpoints: Iterable[Shape]) -> list[str]:
    """A run as `clew runs show` tells it, with its newest checkpoints."""
    origin, listed = run["forked_from"], [f"  {checkpoint_line(found)}" for found in checkpoints]
    lines = [
        f"run       {run['id']}",
        f"workflow  {run['workflow_id']}@{run['workflow_version']}",
        f"status    {status_of(run)}" + (f": {error_text(run['error'])}" if run["error"] else reason_text(run)),
        *said_lines(run["error"]),
        *([f"held      {HELD.get(run['hold'], run['hold'])}"] if run["hold"] else []),
        *_times(run),
        *([f"trigger   {run['trigger']}"] if run["trigger"] != "api" else ()),
        *([f"priority  {run['priority']}"] if run["priority"] else ()),
        *([f"key       {run['concurrency_key']}"] if run["concurrency_key"] else ()),
        *([f"fork of   {origin['checkpoint_id'] or origin['run_id']}"] if origin else ()),
        *([f"session   {run['session_id']}"] if run["session_id"] else ()),
        f"branch    {run['branch']}, {run['checkpoint_count']} checkpoints",
        *([f"tags      {', '.join(run['tags'])}"] if run["tags"] else []),
        *([f"metadata  {short(run['metadata'])}"] if run["metadata"] else []),
        *_webhook(run["webhook"]),
        f"input     {short(run['input'])}",
        "state",
        *state_lines(run["state"]),
        *(["checkpoints, newest first", *listed] if listed else []),
    ]
    return [*lines, *asked_lines(run, labelled=True)]


def _webhook(hook: Shape | None) -> list[str]:
    """Who is told of a run, and what became of the last notice."""
    if hook is None:
        return []
    why = f": {hook['last_error']}" if hook["last_error"] and hook["status"] != "delivered" else ""
    notice = f"notice {hook['notice_id']} {hook['status']}{why}" if hook["notice_id"] else "nothing told yet"
    again = f"; tell it again: clew notices redrive {hook['notice_id']}" if hook["status"] == "failed" else ""
    return [f"webhook   {hook['url']}, {notice}{again}"]


def checkpoint_line(found: Shape) -> str:
    """A checkpoint in a list."""
    what = f"{found['node'] or ''}{mark_of(found)}"
    tail = error_text(found["error"]) if found.get("error") else short(found["writes"], 60) if found["writes"] else ""
    return f"{found['id']}  {time_of(found['created_at'])}  {found['kind']:<9} {what:<16} {tail}".rstrip()


def checkpoint_lines(found: Shape) -> list[str]:
    """A checkpoint as `clew runs show` tells it."""
    dropped = [f"dropped     {', '.join(found['dropped'])}"] if found["dropped"] else []
    return [
        f"checkpoint  {found['id']}",
        f"is          {found['kind']} {found['node'] or ''}".rstrip() + mark_of(found),
        f"at          {found['created_at']}, branch {found['branch']}, version {found['workflow_version']}",
        f"after       {found['parent_id'] or 'nothing'}",
        *([f"error       {error_text(found['error'])}"] if found.get("error") else []),
        f"writes      {short(found['writes'])}",
        f"next        {', '.join(found['next']) or 'nothing'}",
        *dropped,
        *(f"asks        {asked['id']} {asked['node']}: {asked['message']}" for asked in found["interrupts"]),
        "state",
        *state_lines(found["state"]),
    ]


def state_lines(state: Shape) -> list[str]:
    """The keys of a state."""
    return [f"  {key} = {short(value)}" for key, value in sorted(state.items())]


def blame_lines(told: Shape) -> list[str]:
    """Who wrote a place in the state, the last one first."""
    value = short(told["value"]) if told["exists"] else "nothing"
    return [f"{told['path']} is {value} at {told['checkpoint_id']}", *map(_blamed, told["items"])]


def _blamed(found: Shape) -> str:
    by = ", ".join(part for part in (found["address"] or found["kind"], found["worker_id"], found["actor"]) if part)
    did = "removes it" if found["removed"] else f"{found['effect']} {short(found['value'], 60)}"
    return f"  {found['checkpoint_id']}  {by}  {did}"


def advice(run: Shape, checkpoints: Iterable[Shape]) -> list[str]:
    """What can be done about a run that does not go on by itself."""
    if run["hold"] == "imported":
        return [f"have it go on: clew runs release {run['id']}"]
    if run["interrupts"]:
        return answer_lines(run)
    failed = next((found for found in checkpoints if found["kind"] == "failure" and found["parent_id"]), None)
    if run["status"] != "failed" or failed is None:
        return []
    return [
        f"try again as it is: clew runs retry {run['id']}",
        f"with another state: clew runs fork {failed['parent_id']} --set KEY=VALUE",
        f"see what its node was asked: clew runs show {run['id']} --task {failed['task_id']}",
    ]


def patch_lines(patch: Iterable[Shape]) -> list[str]:
    """The operations of a JSON Patch, one a line."""
    marks = {"add": "+", "remove": "-", "replace": "~"}
    return [
        f"  {marks[found['op']]} {found['path'] or '/'}"
        + ("" if found["op"] == "remove" else f" = {short(found['value'])}")
        for found in patch
    ]


def task_lines(tasks: Iterable[Shape], before: str, after: str) -> list[str]:
    """Tasks that differ, with what they gave on either side."""
    return [f"  {_task_line(found, before, after)}" for found in tasks if found["change"] != "same"]


def _task_line(found: Shape, before: str, after: str) -> str:
    one, other = _gave(found[before]), _gave(found[after])
    gave = f"{one} -> {other}" if one != other else f"{one}, and wrote something else"
    return f"{found['address']}: {found['change'].replace('_', ' in ')}  {gave}"


def _gave(side: Shape | None) -> str:
    if side is None:
        return "(none)"
    if side["error"]:
        return error_text(side["error"])
    if side["chosen"]:
        return f"to {' and '.join(side['chosen'])}"
    return str(side["status"]) if side["output"] is None else short(side["output"], 50)


def usage_line(delta: Shape) -> str:
    """How much more the second of two used than the first."""
    more = [f"{name.replace('_', ' ')} {amount:+.6g}" for name, amount in delta.items() if amount]
    return f"b against a: {', '.join(more)}" if more else "both used the same"


def show_problems(name: str, problems: list[Any], *, valid: bool) -> None:
    """What is wrong with a document, as a table."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"{name}: {'valid' if valid else 'not valid'}", markup=False, soft_wrap=True)
    if problems:
        table = Table("", "code", "where", "problem", box=None, pad_edge=False)
        for problem in problems:
            colour = "red" if problem["severity"] == "error" else "yellow"
            hint = f" ({problem['hint']})" if problem["hint"] else ""
            table.add_row(
                problem["severity"], problem["code"], problem["path"], problem["message"] + hint, style=colour
            )
        console.print(table, markup=False)
