"""`clew worker`: hands over to the SDK, whose command it is."""

from __future__ import annotations

import typer

from api.cli._app import MISUSED, SERVING, app, stop


@app.command(
    rich_help_panel=SERVING,
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def worker(asked: typer.Context) -> None:
    """Serve tasks with a worker of the SDK; `clew worker --help` says how."""
    try:
        from clew.worker.command import work
    except ModuleNotFoundError as error:
        if error.name != "clew":
            raise
        stop(MISUSED, "this command is the SDK's: pip install clew-sdk, next to the worker's own code")
    raise typer.Exit(work(asked.args))
