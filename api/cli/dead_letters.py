"""Commands about tasks that have failed for good: `clew dead-letters list|show|redrive`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli._app import RUNS, app
from api.cli._listed import path_to, show_lines, show_page
from api.cli._options import Cursor, Limit, grouped
from api.cli._reach import Where
from api.cli._shown import error_text, said_lines, time_of

letters = typer.Typer(help="Look at tasks that have failed for good, and have them done again.", no_args_is_help=True)
app.add_typer(letters, name="dead-letters", rich_help_panel=RUNS)

LetterArg = Annotated[str, typer.Argument(metavar="LETTER", help="Id of a dead letter.", show_default=False)]


@letters.command("list")
@grouped
def list_letters(
    status: Annotated[str, typer.Option(metavar="STATUS", help="open, redriven, or all.")] = "open",
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Those of this run.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    *,
    where: Where,
) -> None:
    """List dead letters, newest first."""
    asked = {"status": None if status == "all" else status, "run_id": run, "limit": limit, "cursor": cursor}
    page = where.reached(lambda reach: reach.get("/dead-letters", **asked))
    show_page(page, letter_line, "no dead letters", where)


@letters.command()
@grouped
def show(letter: LetterArg, *, where: Where) -> None:
    """Show a dead letter."""
    found = where.reached(lambda reach: reach.get(path_to("dead-letters", letter)))
    again = f"have it done again: clew dead-letters redrive {found['id']}"
    lines = [
        f"letter    {found['id']}",
        f"status    {found['status']}" + (f" at {time_of(found['redriven_at'])}" if found["redriven_at"] else ""),
        f"run       {found['run_id']} of {found['workflow_id']}",
        f"task      {found['task_id']} of {found['node']}, attempt {found['attempt']}"
        + (f" at {found['worker_id']}" if found["worker_id"] else ""),
        f"failed    {time_of(found['created_at'])}: {error_text(found['error'])}",
        *said_lines(found["error"]),
        *([again] if found["status"] == "open" else []),
    ]
    show_lines(found, lines, where)


@letters.command()
@grouped
def redrive(letter: LetterArg, *, where: Where) -> None:
    """Have a failed task done again: a failed run is retried, one that ended otherwise is replayed from before."""
    driven = where.reached(lambda reach: reach.post(path_to("dead-letters", letter, "redrive"), {}), writes=True)
    show_lines(driven, (f"driven again, see: clew runs show {driven['run_id']}",), where)


def letter_line(found: Any) -> str:
    """A dead letter in a list."""
    return f"{found['id']}  {found['status']:<8}  {time_of(found['created_at'])}  {error_text(found['error'])}"
