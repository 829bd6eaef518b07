"""Commands that look at runs: `clew runs list|show|tail|tree|diff|compare`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli._app import AsJson
from api.cli._reach import Db, Reach, Refused, Token, Url, reached
from api.cli._runs import RunArg, path_of, runs
from api.cli._shown import (
    advice,
    error_text,
    event_line,
    patch_lines,
    run_line,
    run_lines,
    short,
    status_of,
    task_lines,
    write_json,
)

NEWEST = 10
PAGE = 1000
EitherArg = Annotated[str, typer.Argument(help="A run or a checkpoint.", show_default=False)]


@runs.command("list")
def list_runs(
    status: Annotated[str | None, typer.Option(help="Statuses, separated by commas: failed,interrupted")] = None,
    workflow: Annotated[str | None, typer.Option(help="Id of a workflow.")] = None,
    tag: Annotated[str | None, typer.Option(help="A tag of the runs.")] = None,
    query: Annotated[str | None, typer.Option("--query", "-q", help="Part of a run's or workflow's id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=PAGE, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="The next page, as the page before names it.")] = None,
    url: Url = None,
    token: Token = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first, with why they failed."""
    asked = {"status": status, "workflow_id": workflow, "tag": tag, "q": query, "limit": limit, "cursor": cursor}
    page = reached(lambda reach: reach.get("/runs", **asked), url, token, db)
    if as_json:
        return write_json(page)
    typer.echo("\n".join(run_line(run) for run in page["items"]) or "no such runs")
    if page["next_cursor"]:
        typer.echo(f"more: --cursor {page['next_cursor']}", err=True)
    return None


@runs.command()
def show(
    run: RunArg,
    task: Annotated[
        str | None, typer.Option(help="Id of a task: shows what it was asked, and what came of it.")
    ] = None,
    url: Url = None,
    token: Token = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Show a run: status, why it failed, state, newest checkpoints, open questions, and what can be done."""
    if task is not None:
        return write_json(reached(lambda reach: reach.get(path_of(run, "tasks", task)), url, token, db))

    async def found(reach: Reach) -> tuple[Any, list[Any]]:
        whole = await reach.get(path_of(run))
        if as_json:
            return whole, []
        return whole, (await reach.get(path_of(run, "checkpoints"), limit=NEWEST))["items"]

    whole, checkpoints = reached(found, url, token, db)
    if as_json:
        return write_json(whole)
    typer.echo("\n".join((*run_lines(whole, checkpoints), *advice(whole, checkpoints))))
    return None


@runs.command()
def tail(
    run: RunArg,
    mode: Annotated[str, typer.Option(help="Modes, separated by commas: values,updates,tasks,custom,debug")] = "tasks",
    after: Annotated[str | None, typer.Option(help="Id of an event: goes on after it.")] = None,
    until: Annotated[str | None, typer.Option(help="'interrupted' also ends where people are asked.")] = None,
    url: Url = None,
    token: Token = None,
    db: Db = None,
    as_json: AsJson = False,
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
            if as_json:
                write_json({"id": name, "event": event, "data": data})
            else:
                typer.echo(event_line(event, data))

    reached(follow, url, token, db)


@runs.command()
def tree(run: RunArg, url: Url = None, token: Token = None, db: Db = None, as_json: AsJson = False) -> None:
    """Show a run's tasks by branch, and its forks below it."""

    async def found(reach: Reach) -> Any:
        return await _tree(reach, await reach.get(path_of(run)))

    whole = reached(found, url, token, db)
    if as_json:
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
        "tasks": [{key: task[key] for key in ("id", "address", "status", "error")} for task in tasks],
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


@runs.command()
def diff(
    before: EitherArg, after: EitherArg, url: Url = None, token: Token = None, db: Db = None, as_json: AsJson = False
) -> None:
    """Tell what changes from one checkpoint to another; a run stands for its newest one."""

    async def found(reach: Reach) -> Any:
        ends = [await _checkpoint(reach, end) for end in (before, after)]
        return await reach.get("/diff", **{"from": ends[0], "to": ends[1]})

    told = reached(found, url, token, db)
    if as_json:
        return write_json(told)
    typer.echo(f"from {told['from']} to {told['to']}")
    _differences(told, "from", "to")
    return None


async def _checkpoint(reach: Reach, named: str) -> str:
    if "." in named:
        return named
    return str((await reach.get(path_of(named)))["latest_checkpoint_id"])


@runs.command()
def compare(
    a: EitherArg, b: EitherArg, url: Url = None, token: Token = None, db: Db = None, as_json: AsJson = False
) -> None:
    """Set two runs or checkpoints side by side: where they part, which tasks differ, and what each used."""
    told = reached(lambda reach: reach.get("/compare", a=a, b=b), url, token, db)
    if as_json:
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
    typer.echo(f"b used more by {short(told['usage']['delta'])}")
    return None


def _differences(told: Any, before: str, after: str) -> None:
    patch, tasks = patch_lines(told["patch"]), task_lines(told["tasks"], before, after)
    typer.echo("\n".join(("state", *(patch or ["  is the same"]), "tasks", *(tasks or ["  are the same"]))))
