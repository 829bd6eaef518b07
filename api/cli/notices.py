"""Commands about what webhooks of runs are told: `clew notices list|redrive`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli._app import RUNS, app
from api.cli._listed import path_to, show_lines, show_page
from api.cli._options import Cursor, Limit, grouped
from api.cli._reach import Where
from api.cli._shown import time_of

notices = typer.Typer(
    help="Look at what webhooks of runs and pushes of tasks were told, and tell it again.", no_args_is_help=True
)
app.add_typer(notices, name="notices", rich_help_panel=RUNS)


@notices.command("list")
@grouped
def list_notices(
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help="pending, delivered, failed or withdrawn.")
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Those of this run.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    *,
    where: Where,
) -> None:
    """List notices, newest first."""
    asked = {"status": status, "run_id": run, "limit": limit, "cursor": cursor}
    page = where.reached(lambda reach: reach.get("/notices", **asked))
    show_page(page, notice_line, "no notices", where)


@notices.command()
@grouped
def redrive(
    notice: Annotated[str, typer.Argument(metavar="NOTICE", help="Id of a notice.", show_default=False)],
    *,
    where: Where,
) -> None:
    """Tell a notice again that could not be delivered."""
    found = where.reached(lambda reach: reach.post(path_to("notices", notice, "redrive"), {}), writes=True)
    show_lines(found, (notice_line(found),), where)


def notice_line(found: Any) -> str:
    """A notice in a list."""
    tried = f"{found['attempts']} attempts" if found["attempts"] != 1 else "1 attempt"
    why = f": {found['last_error']}" if found["last_error"] and found["status"] != "delivered" else ""
    when, what = time_of(found["created_at"]), f"{found['type']} of {found['run_id']} to {found['url']}"
    return f"{found['id']}  {found['status']:<9}  {when}  {what}, {tried}{why}"
