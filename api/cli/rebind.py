"""`clew runs rebind`: tasks of a run are taken from their workers and given to others."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli._listed import show_lines
from api.cli._options import grouped
from api.cli._reach import Reach, Where
from api.cli._runs import RunArg, path_of, runs


@runs.command()
@grouped
def rebind(
    run: RunArg,
    to: Annotated[str | None, typer.Option(metavar="WORKER", help="Who gets them; anybody else where absent.")] = None,
    held_by: Annotated[
        str | None, typer.Option("--from", metavar="WORKER", help="Only what this worker holds.")
    ] = None,
    node: Annotated[str | None, typer.Option(metavar="NODE", help="Only the tasks of this node.")] = None,
    drain: Annotated[bool, typer.Option("--drain", help="Drain the workers that they are taken from.")] = False,
    *,
    where: Where,
) -> None:
    """Take tasks of a run from the workers that hold them, and give them to others."""
    given = {"worker_id": to, "held_by": held_by, "node": node}
    body = {"drain": drain, **{name: value for name, value in given.items() if value is not None}}

    async def moved(reach: Reach) -> Any:
        return await reach.post(path_of(run, "rebind"), body)

    found = where.reached(moved, writes=True)
    lines = [f"{task['node']}: taken from {task['worker_id']}" for task in found["items"]]
    lines += [f"drained {worker}" for worker in found["drained"]]
    show_lines(found, lines or ("no worker holds such a task",), where)
