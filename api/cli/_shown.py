"""How runs, their trees and their differences look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import typer

WIDTH = 100
COLOURS = {"completed": "green", "done": "green", "failed": "red", "interrupted": "yellow", "cancelled": "magenta"}

Shape = Mapping[str, Any]


def write_json(value: Any) -> None:
    """A value as one line of JSON."""
    from engine.codec import dumps

    typer.echo(dumps(value).decode())


def short(value: Any, width: int = WIDTH) -> str:
    """A value as JSON on one line, cut where it is long."""
    from engine.codec import dumps

    text = dumps(value).decode()
    return text if len(text) <= width else text[: width - 1] + "…"


def status_of(found: Shape) -> str:
    """A status in its colour; without a terminal the colour is left out."""
    return typer.style(found["status"], fg=COLOURS.get(found["status"]))


def error_text(error: Shape) -> str:
    """An error in one line: where, what, and its code."""
    where = f"{error['node']}: " if error.get("node") else ""
    attempt = f", attempt {error['attempt']}" if error.get("attempt") else ""
    return f"{where}{error['message']} ({error['code']}{attempt})"


def run_line(run: Shape) -> str:
    """A run in a list."""
    why = f"  {error_text(run['error'])}" if run["error"] else ""
    status = f"{status_of(run)}{' ' * (11 - len(run['status']))}"
    return f"{run['id']}  {status}  {run['created_at'][:19]}  {run['workflow_id']}@{run['workflow_version']}{why}"


def run_lines(run: Shape, checkpoints: Iterable[Shape]) -> list[str]:
    """A run as `clew runs show` tells it, with its newest checkpoints and what can be done next."""
    origin = run["forked_from"]
    lines = [
        f"run       {run['id']}",
        f"workflow  {run['workflow_id']}@{run['workflow_version']}",
        f"status    {status_of(run)}" + (f": {error_text(run['error'])}" if run["error"] else ""),
        *([f"fork of   {origin['checkpoint_id'] or origin['run_id']}"] if origin else ()),
        f"branch    {run['branch']}, {run['checkpoint_count']} checkpoints",
        f"input     {short(run['input'])}",
        "state",
        *(f"  {key} = {short(value)}" for key, value in sorted(run["state"].items())),
        "checkpoints, newest first",
        *(f"  {checkpoint_line(found)}" for found in checkpoints),
    ]
    for found in run["interrupts"]:
        lines.append(f"asks      {found['id']} {found['node']}: {found['message']}")
    return lines


def checkpoint_line(found: Shape) -> str:
    """A checkpoint in a list."""
    what = found["node"] or ""
    tail = error_text(found["error"]) if found.get("error") else short(found["writes"], 60) if found["writes"] else ""
    return f"{found['id']}  {found['kind']:<9} {what:<16} {tail}".rstrip()


def advice(run: Shape, checkpoints: Iterable[Shape]) -> list[str]:
    """What can be done about a run that does not go on by itself."""
    if run["interrupts"]:
        return [f"answer it: clew runs resume {run['id']} VALUE"]
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
    return [
        f"  {found['address']}: {found['change'].replace('_', ' in ')}  {_gave(found[before])} -> {_gave(found[after])}"
        for found in tasks
        if found["change"] != "same"
    ]


def _gave(side: Shape | None) -> str:
    if side is None:
        return "(none)"
    if side["error"]:
        return error_text(side["error"])
    return short(side["chosen"] if side["chosen"] else side["output"], 50)


def event_line(name: str, data: Shape) -> str:
    """An event of a stream in one line."""
    kept = {key: value for key, value in data.items() if key not in {"run_id", "at", "seq", "ns"} and value is not None}
    return f"{data.get('at', '')[11:23]:<12}  {name:<10} {short(kept)}"
