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

FAILED, MISUSED = 1, 2
"""Exit codes: what was looked at is wrong, or could not be done; the command itself was not understood."""


@app.callback()
def log_errors_only() -> None:
    """A checkpointed state-graph engine."""
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Database = Annotated[str, typer.Option("--db", envvar="CLEW_DB", help="sqlite:///FILE")]


def stop(code: int, *messages: str) -> NoReturn:
    """End the command with these words on standard error."""
    for message in messages:
        typer.echo(f"clew: {message}", err=True)
    raise typer.Exit(code)
