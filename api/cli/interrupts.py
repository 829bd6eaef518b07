"""Commands about open questions over all runs: `clew interrupts list|claim|release`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli._app import RUNS, app
from api.cli._asks import answer_line
from api.cli._listed import path_to, show_lines, show_page
from api.cli._options import Cursor, Limit, grouped
from api.cli._reach import Where

interrupts = typer.Typer(help="Look at what runs ask, and say who looks after it.", no_args_is_help=True)
app.add_typer(interrupts, name="interrupts", rich_help_panel=RUNS)

InterruptArg = Annotated[str, typer.Argument(metavar="INTERRUPT", help="Id of an interrupt.", show_default=False)]


@interrupts.command("list")
@grouped
def list_interrupts(
    status: Annotated[
        str, typer.Option(metavar="STATUS", help="open, resolved, cancelled, expired, suspended, or all.")
    ] = "open",
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Those of this run.")] = None,
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="node, worker or breakpoint.")] = None,
    assignee: Annotated[str | None, typer.Option(metavar="NAME", help="Those that NAME looks after.")] = None,
    claimed: Annotated[
        bool | None, typer.Option("--claimed/--unclaimed", help="Those that somebody looks after, or nobody.")
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    *,
    where: Where,
) -> None:
    """List interrupts over all runs, newest first, each with a command that answers it."""
    asked = {
        "status": None if status == "all" else status, "run_id": run, "kind": kind, "assignee": assignee,
        "claimed": None if claimed is None else str(claimed).lower(), "limit": limit, "cursor": cursor,
    }  # fmt: skip
    page = where.reached(lambda reach: reach.get("/interrupts", **asked))
    show_page(page, interrupt_line, "no such interrupts", where)


@interrupts.command()
@grouped
def claim(
    interrupt: InterruptArg,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who looks after it.", show_default=False)],
    *,
    where: Where,
) -> None:
    """Say that somebody looks after an open interrupt. It binds nobody."""
    path = path_to("interrupts", interrupt, "claim")
    found = where.reached(lambda reach: reach.post(path, {"assignee": name}), writes=True)
    show_lines(found, (interrupt_line(found),), where)


@interrupts.command()
@grouped
def release(interrupt: InterruptArg, *, where: Where) -> None:
    """Say that nobody looks after an interrupt any more."""
    found = where.reached(lambda reach: reach.delete(path_to("interrupts", interrupt, "claim")), writes=True)
    show_lines(found, (interrupt_line(found),), where)


def interrupt_line(found: Any) -> str:
    """An interrupt in a list, with how it is answered while it is open."""
    who = f", {found['assignee']} looks after it" if found["assignee"] else ""
    line = f"{found['id']}  {found['status']:<9}  run {found['run_id']}  {found['node']}: {found['message']}{who}"
    return f"{line}\n  {answer_line(found['run_id'], found, named=True)}" if found["status"] == "open" else line
