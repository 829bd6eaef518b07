"""Commands that look at runs: `clew runs list|show|tail|tree`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from api.cli._asks import answer_lines
from api.cli._events import event_lines
from api.cli._moments import given_moment
from api.cli._options import PAGE, Cursor, Limit, Since, Until, grouped
from api.cli._reach import Reach, Refused, Where
from api.cli._record import task_record_lines
from api.cli._runs import EitherArg, RunArg, pairs_of, path_of, runs
from api.cli._shown import (
    advice,
    checkpoint_lines,
    error_text,
    mark_of,
    reason_text,
    run_line,
    run_lines,
    status_of,
    write_json,
)
from api.cli._waits import waiting_lines, waiting_of

NEWEST = 10
TASK_KEPT = ("id", "address", "status", "reason", "reused", "cached", "error")
Statuses = Annotated[
    str | None, typer.Option(metavar="STATUS", help="Statuses, separated by commas: failed,interrupted")
]


@runs.command("list")
@grouped
def list_runs(
    status: Statuses = None,
    workflow: Annotated[str | None, typer.Option(metavar="ID", help="Id of a workflow.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="A tag of the runs.")] = None,
    session: Annotated[str | None, typer.Option(metavar="SESSION", help="Id of a session.")] = None,
    query: Annotated[
        str | None, typer.Option("--query", "-q", metavar="TEXT", help="Part of a run's or workflow's id.")
    ] = None,
    since: Since = None,
    until: Until = None,
    described: Annotated[
        list[str] | None, typer.Option("--metadata", metavar="KEY=VALUE", help="Metadata of the runs. Repeatable.")
    ] = None,
    parent: Annotated[str | None, typer.Option(metavar="RUN", help="Forks of this run.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    *,
    where: Where,
) -> None:
    """List runs, newest first, with why they failed and what they wait for."""
    asked = {
        "status": status, "workflow_id": workflow, "tag": tag, "q": query, "limit": limit, "cursor": cursor,
        "created_after": given_moment(since, "--since"), "created_before": given_moment(until, "--until"),
        "session_id": session, "parent_id": parent,
        **{f"metadata.{key}": value for key, value in pairs_of(described, "--metadata")},
    }  # fmt: skip

    async def found(reach: Reach) -> tuple[Any, dict[str, list[str]]]:
        page = await reach.get("/runs", **asked)
        return page, {} if where.as_json else await waiting_of(reach, page["items"])

    page, waits = where.reached(found)
    if where.as_json:
        return write_json(page)
    told = [line for run in page["items"] for line in (run_line(run), *_below(waits.get(run["id"], ())))]
    typer.echo("\n".join(told) or "no such runs")
    if page["next_cursor"]:
        typer.echo(f"more: --cursor {page['next_cursor']}", err=True)
    return None


def _below(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]


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
        told = [*run_lines(shape, listed), *waiting_lines(shape), *advice(shape, listed)]
        return shape, [] if where.as_json else told

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
        waits = _Waits(reach, run)
        async for name, event, data in reach.events(path_of(run, "stream"), mode=mode, after=after, until=ends):
            if where.as_json:
                write_json({"id": name, "event": event, "data": data})
            else:
                typer.echo("\n".join(event_lines(event, data)))
            await waits.take(event, data)

    where.reached(follow)


class _Waits:
    """Tells on standard error what a run waits for, each thing once."""

    def __init__(self, reach: Reach, run: str) -> None:
        self._reach, self._run = reach, run
        self._told = set[str]()

    async def take(self, event: str, data: Any) -> None:
        """Something happened in the run."""
        if event not in ("run", "task") or data["status"] not in ("waiting", "interrupted"):
            return
        shape = await self._reach.get(path_of(self._run))
        asks = answer_lines(shape) if event == "run" and shape["status"] == "interrupted" else []
        for line in (*waiting_lines(shape), *asks):
            if line not in self._told:
                typer.echo(f"clew: {line}", err=True)
            self._told.add(line)


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
    kept = ("id", "status", "reason", "start_at", "error", "workflow_id", "branch", "forked_from")
    return {
        **{key: run[key] for key in kept},
        "branches": (run if "branches" in run else await reach.get(path_of(run["id"])))["branches"],
        "tasks": [{key: task[key] for key in TASK_KEPT} for task in reversed(tasks)],
        "forks": [await _tree(reach, fork) for fork in reversed(forks) if fork["forked_from"]],
    }


def _tree_lines(run: Any, margin: str) -> list[str]:
    origin = f" from {run['forked_from']['checkpoint_id']}" if run["forked_from"] else ""
    lines = [f"{margin}{run['id']} {status_of(run)}{reason_text(run)}{origin}"]
    for branch in run["branches"] if len(run["branches"]) > 1 else ():
        lines.append(f"{margin}  branch {branch['id']}{' (current)' if branch['current'] else ''}: {branch['head']}")
    for task in run["tasks"]:
        why = f": {error_text(task['error'])}" if task["error"] else reason_text(task)
        lines.append(f"{margin}  {task['address']} {status_of(task)}{mark_of(task)}{why}")
    for fork in run["forks"]:
        lines += _tree_lines(fork, f"{margin}    ")
    return lines
