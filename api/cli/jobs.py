"""Commands for many runs at once: `clew runs bulk`, and `clew jobs list|show|runs|cancel` for what it has begun."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli._app import MISUSED, RUNS, app, stop
from api.cli._listed import show_page
from api.cli._moments import given_moment
from api.cli._options import Cursor, Limit, Since, Until, grouped
from api.cli._reach import Reach, Where
from api.cli._runs import an_object, runs
from api.cli._shown import write_json
from api.cli.travel import Again, Config
from engine.values import dataclass

jobs = typer.Typer(help="Look at what is done to many runs, and stop it.", no_args_is_help=True)
app.add_typer(jobs, name="jobs", rich_help_panel=RUNS)

ACTIONS = ("fork", "retry", "cancel", "delete")
JobArg = Annotated[str, typer.Argument(metavar="JOB", help="Id of a job.", show_default=False)]
STEP_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Options that say which runs are meant."""

    status: Annotated[
        list[str] | None, typer.Option("--status", metavar="STATUS", help="Runs with this status. Repeatable.")
    ] = None
    workflow: Annotated[str | None, typer.Option(metavar="WORKFLOW", help="Runs of this workflow.")] = None
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="Runs with this tag.")] = None
    since: Since = None
    until: Until = None
    parent: Annotated[str | None, typer.Option(metavar="RUN", help="Forks of this run.")] = None
    session: Annotated[str | None, typer.Option(metavar="SESSION", help="Runs of this session.")] = None
    query: Annotated[str | None, typer.Option("--query", "-q", metavar="TEXT", help="Part of an id.")] = None
    run: Annotated[
        list[str] | None, typer.Option("--run", metavar="RUN", help="This run, and no filter. Repeatable.")
    ] = None

    def body(self) -> dict[str, Any]:
        """The filter of a request."""
        said = {
            "status": self.status,
            "workflow_id": self.workflow,
            "tag": self.tag,
            "created_after": given_moment(self.since, "--since"),
            "created_before": given_moment(self.until, "--until"),
            "parent_id": self.parent,
            "session_id": self.session,
            "q": self.query,
            "ids": self.run,
        }
        return {name: value for name, value in said.items() if value}


@runs.command()
@grouped
def bulk(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="fork, retry, cancel or delete.", show_default=False)],
    checkpoint: Annotated[
        str | None,
        typer.Option(metavar="WHERE", help="Fork at: last_good (before the failure), first or last checkpoint."),
    ] = None,
    config: Config = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell which runs are meant, and do nothing.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the end of the job.")] = False,
    *,
    filter: Filter,
    again: Again,
    where: Where,
) -> None:
    """Fork, retry, cancel or delete many runs, in the background of the server. Ends with 1 where some could not be."""
    if action not in ACTIONS:
        stop(MISUSED, f"there is no action '{action}'; there are {', '.join(ACTIONS)}")
    said = {name: value for name, value in again.body().items() if value}
    body: dict[str, Any] = {"action": action, "filter": filter.body(), **said}
    if checkpoint is not None:
        body["checkpoint"] = checkpoint
    if config is not None:
        body["config"] = an_object(config, "--config")
    if dry_run:
        return _show_preview(where.reached(lambda reach: reach.post("/runs/bulk", {**body, "dry_run": True})), where)
    if detach and where.db is not None:
        stop(MISUSED, "--detach: nobody goes on with a job offline; leave it out, or give --url")
    told = where.reached(lambda reach: _followed(reach, body, where, detach), writes=True)
    if where.as_json:
        write_json(told)
    else:
        typer.echo(job_line(told))
    raise typer.Exit(1 if told["failed"] else 0)


async def _followed(reach: Reach, body: dict[str, Any], where: Where, detach: bool) -> Any:
    job = await reach.post("/runs/bulk", body)
    while job["status"] == "running" and not detach:
        job = await reach.get(f"/jobs/{job['id']}", wait=STEP_S)
        if not where.as_json:
            typer.echo(job_line(job), err=True)
    return job


def _show_preview(told: Any, where: Where) -> None:
    if where.as_json:
        return write_json(told)
    refused = {one["run_id"]: one["reason"] for one in told["refused"]}
    typer.echo(f"{told['action']} of {told['total']} runs; nothing was done")
    for run_id in told["runs"]:
        typer.echo(f"{run_id}  {refused[run_id]}" if run_id in refused else run_id)
    if told["total"] > len(told["runs"]):
        typer.echo(f"and {told['total'] - len(told['runs'])} more")
    return None


@jobs.command("list")
@grouped
def list_jobs(
    status: Annotated[str | None, typer.Option(metavar="STATUS", help="running, completed or cancelled.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    *,
    where: Where,
) -> None:
    """List jobs, newest first."""
    asked = {"status": status, "limit": limit, "cursor": cursor}
    show_page(where.reached(lambda reach: reach.get("/jobs", **asked)), job_line, "no jobs", where)


@jobs.command()
@grouped
def show(job: JobArg, *, where: Where) -> None:
    """Show how far a job is."""
    _show_job(where.reached(lambda reach: reach.get(_path(job))), where)


@jobs.command("runs")
@grouped
def list_runs(
    job: JobArg,
    status: Annotated[str | None, typer.Option(metavar="STATUS", help="pending, done, failed or cancelled.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    *,
    where: Where,
) -> None:
    """List the runs of a job, with what came of each."""
    asked = {"status": status, "limit": limit, "cursor": cursor}
    show_page(where.reached(lambda reach: reach.get(_path(job, "runs"), **asked)), _run_line, "no such runs", where)


@jobs.command()
@grouped
def cancel(job: JobArg, *, where: Where) -> None:
    """Have a job deal with no more runs; nothing that it has done is undone."""
    _show_job(where.reached(lambda reach: reach.post(_path(job, "cancel"), {}), writes=True), where)


def _path(job: str, *more: str) -> str:
    from urllib.parse import quote

    return "/".join(("/jobs", *(quote(part, safe="") for part in (job, *more))))


def job_line(job: Any) -> str:
    """A job on one line."""
    failed = f", {job['failed']} could not be" if job["failed"] else ""
    return f"{job['id']}  {job['action']:<6}  {job['status']:<9}  {job['progress']}{failed}"


def _run_line(one: Any) -> str:
    what = one["made"] or (one["error"] and f"{one['error']['message']} ({one['error']['code']})") or ""
    return f"{one['run_id']}  {one['status']:<9}  {what}".rstrip()


def _show_job(job: Any, where: Where) -> None:
    if where.as_json:
        return write_json(job)
    typer.echo(job_line(job))
    return None
