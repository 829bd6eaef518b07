"""`clew serve` and `clew version`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli._app import FAILED, MISUSED, app, stop


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 takes any free one.", show_default="8080")
    ] = None,
    db: Annotated[
        str | None, typer.Option(help="sqlite:///FILE or memory://", show_default="sqlite:///clew.db")
    ] = None,
    workflows: Annotated[Path | None, typer.Option(help="Folder of workflow files to load.")] = None,
    token: Annotated[str | None, typer.Option(help="Bearer token that callers need; better: CLEW_TOKEN.")] = None,
    public_url: Annotated[str | None, typer.Option(help="Where workers reach this server.")] = None,
    local_workers: Annotated[
        bool | None, typer.Option("--local-workers", help="Allow workers that are Python functions in this process.")
    ] = None,
) -> None:
    """Serve the API. Every option has an environment variable, CLEW_HOST and so on."""
    from pydantic import ValidationError

    from api.settings import Settings

    given = {
        "host": host, "port": port, "db": db, "workflows": workflows, "token": token, "public_url": public_url,
        "local_workers": local_workers,
    }  # fmt: skip
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # the model checks each one
    except ValidationError as error:
        stop(MISUSED, *(_fault(found["loc"], found["msg"]) for found in error.errors()))
    _serve(settings)


def _fault(place: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    return f"{place[0]}: {text}" if place else text


def _serve(settings: Any) -> None:
    from api.serving import run
    from engine.errors import EngineError

    try:
        run(settings)
    except EngineError as error:
        stop(FAILED, error.message)
    except KeyboardInterrupt:
        raise typer.Exit(FAILED) from None


@app.command()
def version() -> None:
    """Tell the version."""
    from importlib.metadata import version as installed

    typer.echo(f"clew {installed('clew-engine')}")
