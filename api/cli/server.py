"""`clew serve`, `clew drain` and `clew version`."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli._app import FAILED, MISUSED, SERVING, AsJson, app, show_version, stop
from api.cli._listed import show_lines
from api.cli._options import grouped
from api.cli._reach import Where
from api.cli._settings import Unfit, settings_from

MaxInline = Annotated[
    int | None,
    typer.Option(metavar="BYTES", help="A larger output of a task is kept as an artifact.", show_default="262144"),
]
ArtifactsAt = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Where large artifacts are: s3://BUCKET/PREFIX.",
        show_default="beside the database",
    ),
]
LocalWorkers = Annotated[
    bool | None, typer.Option("--local-workers", help="Allow workers that are Python functions in this process.")
]


@app.command(rich_help_panel=SERVING)
def serve(
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", help="Port to listen on; 0 takes any free one.", show_default="8080")
    ] = None,
    db: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="The database, sqlite:///FILE or memory://.", show_default="sqlite:///clew.db"
        ),
    ] = None,
    workflows: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of workflow files to load.")] = None,
    token: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="Bearer token that callers need; better: CLEW_TOKEN.")
    ] = None,
    public_url: Annotated[str | None, typer.Option(metavar="URL", help="Where workers reach this server.")] = None,
    max_inline_bytes: MaxInline = None,
    artifacts: ArtifactsAt = None,
    local_workers: LocalWorkers = None,
) -> None:
    """Serve the API until SIGTERM or Ctrl-C.

    Every option has an environment variable, CLEW_HOST and so on. Writes one line to standard output: `ready URL`.
    """
    try:
        settings = settings_from(
            host=host, port=port, db=db, workflows=workflows, token=token, public_url=public_url,
            max_inline_bytes=max_inline_bytes, artifacts=artifacts, local_workers=local_workers,
        )  # fmt: skip
    except Unfit as error:
        stop(MISUSED, *error.faults)
    _serve(settings)


def _serve(settings: Any) -> None:
    gc.disable()  # what is loaded now stays; the server turns it on again when it has all that it needs
    from api.serving import run
    from engine.errors import EngineError

    try:
        run(settings)
    except EngineError as error:
        stop(FAILED, error.message)
    except KeyboardInterrupt:
        raise typer.Exit(FAILED) from None


@app.command(rich_help_panel=SERVING)
@grouped
def drain(
    undo: Annotated[bool, typer.Option("--undo", help="Have the server take work again.")] = False,
    *,
    where: Where,
) -> None:
    """Have a server begin no runs and send no tasks, before it is ended."""
    if where.db is not None:
        stop(MISUSED, "a server is drained, not a database: give --url")
    told = where.reached(lambda reach: reach.post("/admin/drain", {"draining": not undo}))
    left = f"draining; {told['deliveries']} tasks are still with workers"
    show_lines(told, (left if told["draining"] else "the server takes work again",), where)


@app.command(rich_help_panel=SERVING)
def version(as_json: AsJson = False) -> None:
    """Tell the version."""
    show_version(as_json=as_json)
