"""Commands that look at runs: `clew runs list|show|tail|tree`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli._options import PAGE, Cursor, Limit, grouped
from api.cli._reach import Reach, Refused, Where
from api.cli._runs import EitherArg, RunArg, path_of, runs
from api.cli._shown import (
    advice,
    checkpoint_lines,
    error_text,
    event_line,
    run_line,
    run_lines,
    status_of,
    task_record_lines,
    write_json,
)

NEWEST = 10


@runs.command("list")
@grouped
def list_runs(
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help="Statuses, separated by commas: failed,interrupted")
    ] = None,
    workflow: Annotated[str | None, typer.Option(metavar="ID", help="Id of a workflow.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="A tag of the runs.")] = None,
    query: Annotated[
        str | None, typer.Option("--query", "-q", metavar="TEXT", help="Part of a run's or workflow's id.")
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    *,
    where: Where,
) -> None:
    """List runs, newest first, with why they failed."""
    asked = {"status": status, "workflow_id": workflow, "tag": tag, "q": query, "limit": limit, "cursor": cursor}
    page = where.reached(lambda reach: reach.get("/runs", **asked))
    if where.as_json:
        return write_json(page)
    typer.echo("\n".join(run_line(run) for run in page["items"]) or "no such runs")
    if page["next_cursor"]:
        typer.echo(f"more: --cursor {page['next_cursor']}", err=True)
    return None


@runs.command()
@grouped
def show(
    run: EitherArg,
    task: Annotated[
        str | None, typer.Option(metavar="ID", help="Id of a task: shows what it was asked, and what came of it.")
    ] = None,
    newest: Annotated[int, typer.Option(min=0, max=PAGE, metavar="N", help="How many checkpoints to list.")] = NEWEST,
    *,
    where: Where,
) -> None:
    """Show a run: status, why it failed, state, newest checkpoints, open questions, and what can be done.

    Of a checkpoint: what it wrote, and the state there. Of a task: what it was asked, and what came of it.
    """

    async def found(reach: Reach) -> tuple[Any, list[str]]:
        if "." in run:
            shape = await reach.get(path_of(run.partition(".")[0], "checkpoints", run))
            return shape, checkpoint_lines(shape)
        if task is not None:
            shape = await reach.get(path_of(run, "tasks", task))
            return shape, task_record_lines(shape)
        shape = await reach.get(path_of(run))
        listed = [] if where.as_json else await _newest(reach, run, newest)
        return shape, [] if where.as_json else [*run_lines(shape, listed), *advice(shape, listed)]

    shape, lines = where.reached(found)
    if where.as_json:
        return write_json(shape)
    typer.echo("\n".join(lines))
    return None


async def _newest(reach: Reach, run: str, count: int) -> list[Any]:
    if count == 0:
        return []
    return list((await reach.get(path_of(run, "checkpoints"), limit=count))["items"])


@runs.command()
@grouped
def tail(
    run: RunArg,
    mode: Annotated[
        str, typer.Option(metavar="MODES", help="Modes, separated by commas: values,updates,tasks,custom,debug")
    ] = "tasks",
    after: Annotated[str | None, typer.Option(metavar="ID", help="Id of an event: goes on after it.")] = None,
    until: Annotated[
        str | None, typer.Option(metavar="STATUS", help="'interrupted' also ends where people are asked.")
    ] = None,
    *,
    where: Where,
) -> None:
    """Follow what happens in a run, from its beginning to its end."""

    async def follow(reach: Reach) -> None:
        ends = until
        if reach.offline:
            status = (await reach.get(path_of(run)))["status"]
            if status in ("queued", "running"):
                raise Refused("the run is under way, and offline nothing is followed: use --url, or 'clew runs show'")
            ends = "interrupted" if status == "interrupted" else until
        async for name, event, data in reach.events(path_of(run, "stream"), mode=mode, after=after, until=ends):
            if where.as_json:
                write_json({"id": name, "event": event, "data": data})
            else:
                typer.echo(event_line(event, data))

    where.reached(follow)


@runs.command()
@grouped
def tree(run: RunArg, *, where: Where) -> None:
    """Show a run's tasks by branch, and its forks below it."""

    async def found(reach: Reach) -> Any:
        return await _tree(reach, await reach.get(path_of(run)))

    whole = where.reached(found)
    if where.as_json:
        return write_json(whole)
    typer.echo("\n".join(_tree_lines(whole, "")))
    return None


async def _tree(reach: Reach, run: Any) -> dict[str, Any]:
    tasks = (await reach.get(path_of(run["id"], "tasks"), limit=PAGE))["items"]
    forks = (await reach.get("/runs", parent_id=run["id"], limit=PAGE))["items"]
    kept = ("id", "status", "error", "workflow_id", "branch", "forked_from")
    return {
        **{key: run[key] for key in kept},
        "branches": (run if "branches" in run else await reach.get(path_of(run["id"])))["branches"],
        "tasks": [{key: task[key] for key in ("id", "address", "status", "error")} for task in reversed(tasks)],
        "forks": [await _tree(reach, fork) for fork in reversed(forks)],
    }


def _tree_lines(run: Any, margin: str) -> list[str]:
    origin = f" from {run['forked_from']['checkpoint_id']}" if run["forked_from"] else ""
    lines = [f"{margin}{run['id']} {status_of(run)}{origin}"]
    for branch in run["branches"] if len(run["branches"]) > 1 else ():
        lines.append(f"{margin}  branch {branch['id']}{' (current)' if branch['current'] else ''}: {branch['head']}")
    for task in run["tasks"]:
        why = f": {error_text(task['error'])}" if task["error"] else ""
        lines.append(f"{margin}  {task['address']} {status_of(task)}{why}")
    for fork in run["forks"]:
        lines += _tree_lines(fork, f"{margin}    ")
    return lines
