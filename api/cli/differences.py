"""Commands that say what differs, and who made it so: `clew runs diff|compare|blame`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli._options import PAGE, Cursor, Limit, grouped
from api.cli._reach import Reach, Refused, Where
from api.cli._runs import RunArg, path_of, runs
from api.cli._shown import blame_lines, patch_lines, task_lines, usage_line, write_json

Before = Annotated[str, typer.Argument(metavar="BEFORE", help="A run or a checkpoint.", show_default=False)]
After = Annotated[str, typer.Argument(metavar="AFTER", help="A run or a checkpoint.", show_default=False)]
SideA = Annotated[str, typer.Argument(metavar="A", help="A run or a checkpoint.", show_default=False)]
SideB = Annotated[str, typer.Argument(metavar="B", help="A run or a checkpoint.", show_default=False)]


@runs.command()
@grouped
def diff(before: Before, after: After, limit: Limit = PAGE, cursor: Cursor = None, *, where: Where) -> None:
    """Tell what changes from one checkpoint to another; a run stands for its newest one."""

    async def found(reach: Reach) -> Any:
        ends = [await _checkpoint(reach, end) for end in (before, after)]
        return await reach.get("/diff", **{"from": ends[0], "to": ends[1], "limit": limit, "cursor": cursor})

    told = where.reached(found)
    if where.as_json:
        return write_json(told)
    typer.echo(f"from {told['from']} to {told['to']}")
    _differences(told, "from", "to")
    return _tell_of_more(told)


async def _checkpoint(reach: Reach, named: str) -> str:
    if "." in named:
        return named
    latest = (await reach.get(path_of(named)))["latest_checkpoint_id"]
    if latest is None:
        raise Refused(f"run {named} has not begun, and has no checkpoint")
    return str(latest)


@runs.command()
@grouped
def compare(a: SideA, b: SideB, limit: Limit = PAGE, cursor: Cursor = None, *, where: Where) -> None:
    """Set two runs or checkpoints side by side: where they part, which tasks differ, and what each used."""
    told = where.reached(lambda reach: reach.get("/compare", a=a, b=b, limit=limit, cursor=cursor))
    if where.as_json:
        return write_json(told)
    if told["first_divergence"] is None and not told["patch"]:
        typer.echo("both are the same checkpoint")
        return None
    parting = told["first_divergence"]
    typer.echo(f"a {told['a']['checkpoint_id']}\nb {told['b']['checkpoint_id']}")
    typer.echo(f"common    {told['common_ancestor'] or 'nothing'}")
    if parting and parting["address"]:
        typer.echo(f"they part at {parting['address']}")
    _differences(told, "a", "b")
    typer.echo(f"usage     {usage_line(told['usage']['delta'])}")
    return _tell_of_more(told)


def _differences(told: Any, before: str, after: str) -> None:
    patch, tasks = patch_lines(told["patch"]), task_lines(told["tasks"], before, after)
    typer.echo("\n".join(("state", *(patch or ["  is the same"]), "tasks", *(tasks or ["  are the same"]))))


@runs.command()
@grouped
def blame(
    run: RunArg,
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A path into the state: notes, report.lines[3].", show_default=False)
    ],
    checkpoint: Annotated[
        str | None, typer.Option(metavar="CHECKPOINT", help="As it was at this checkpoint; else the newest.")
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    *,
    where: Where,
) -> None:
    """Tell who wrote a place in the state: every commit that changed it, the last one first."""
    asked = {"path": path, "checkpoint": checkpoint, "limit": limit, "cursor": cursor}
    told = where.reached(lambda reach: reach.get(path_of(run, "blame"), **asked))
    if where.as_json:
        return write_json(told)
    typer.echo("\n".join(blame_lines(told)))
    return _tell_of_more(told)


def _tell_of_more(told: Any) -> None:
    """Say how the next page is asked for, where there is one."""
    if told["next_cursor"]:
        typer.echo(f"more: --cursor {told['next_cursor']}", err=True)
