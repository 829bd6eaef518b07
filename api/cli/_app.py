"""What all commands share: the application that they register with, exit codes, and how they stop.

What is heavy is imported by the command that needs it.
"""

from __future__ import annotations

import logging
import sys
from typing import Annotated, NoReturn

import typer

app = typer.Typer(
    name="clew",
    help="A checkpointed state-graph engine.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

FAILED, MISUSED, UNANSWERED, BROKEN_OFF = 1, 2, 3, 130
"""Exit codes: what was looked at is wrong, or could not be done; the command itself was not understood; the run waits
for an answer that nobody gave; Ctrl-C."""

PARTS = SERVING, DOCUMENTS, RUNS, DATABASE = "Server", "Workflows", "Runs", "Database"
"""The parts of the help in which commands stand."""

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Database = Annotated[
    str, typer.Option("--db", envvar="CLEW_DB", metavar="ADDRESS", help="The database, sqlite:///FILE.")
]


def show_version(*, as_json: bool) -> None:
    """Write the version."""
    from importlib.metadata import version

    found = version("clew-engine")
    typer.echo(f'{{"name":"clew","version":"{found}"}}' if as_json else f"clew {found}")


def _version_and_end(wanted: bool) -> None:
    if wanted:
        show_version(as_json=False)
        raise typer.Exit


@app.callback()
def log_errors_only(
    version: Annotated[
        bool, typer.Option("--version", callback=_version_and_end, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    """A checkpointed state-graph engine."""
    keep_logs_from(logging.ERROR)


def keep_logs_from(level: int) -> None:
    """Have what is logged from this level on written to standard error, and nothing below it."""
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def stop(code: int, *messages: str) -> NoReturn:
    """End the command with these words on standard error."""
    for message in messages:
        typer.echo(f"clew: {message}", err=True)
    raise typer.Exit(code)
