"""Commands for sessions: `clew sessions list|show|delete`. Runs are started in them by `clew runs start --session`."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from api.cli._app import RUNS, app
from api.cli._options import Cursor, Limit, grouped
from api.cli._reach import Reach, Where
from api.cli._shown import run_line, state_lines, status_of, write_json

sessions = typer.Typer(help="Look at sessions, whose runs go on from one another.", no_args_is_help=True)
app.add_typer(sessions, name="sessions", rich_help_panel=RUNS)

SessionArg = Annotated[str, typer.Argument(metavar="SESSION", help="Id of a session.", show_default=False)]


def _path(session: str) -> str:
    return f"/sessions/{quote(session, safe='')}"


def _line(found: Any) -> str:
    status = status_of(found) if found["status"] else "-"
    return f"{found['id']}  {status}  {found['updated_at'][:19]}  {found['latest_checkpoint_id'] or '-'}"


@sessions.command("list")
@grouped
def list_sessions(limit: Limit = 20, cursor: Cursor = None, *, where: Where) -> None:
    """List sessions, those first in which something happened last."""
    page = where.reached(lambda reach: reach.get("/sessions", limit=limit, cursor=cursor))
    if where.as_json:
        return write_json(page)
    typer.echo("\n".join(map(_line, page["items"])) or "no sessions")
    if page["next_cursor"]:
        typer.echo(f"more: --cursor {page['next_cursor']}", err=True)
    return None


@sessions.command()
@grouped
def show(session: SessionArg, *, where: Where) -> None:
    """Show a session: where it stands, its newest state, and its newest 100 runs."""
    found = where.reached(lambda reach: reach.get(_path(session)))
    if where.as_json:
        return write_json(found)
    lines = [
        f"session   {found['id']}",
        f"status    {status_of(found) if found['status'] else '-'}",
        f"stands at {found['latest_checkpoint_id'] or '-'}",
        "state",
        *state_lines(found["state"]),
        "runs, newest first",
        *(f"  {run_line(run)}" for run in found["runs"]),
    ]
    typer.echo("\n".join(lines))
    return None


@sessions.command()
@grouped
def delete(session: SessionArg, *, where: Where) -> None:
    """Delete a session with all its runs, which have all ended."""

    async def gone(reach: Reach) -> None:
        await reach.delete(_path(session))

    where.reached(gone, writes=True)
    if where.as_json:
        write_json({"deleted": session})
    else:
        typer.echo(f"deleted: {session}")
