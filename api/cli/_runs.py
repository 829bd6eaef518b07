"""The group `clew runs`, which several modules add commands to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli._app import FAILED, MISUSED, RUNS, app, stop

runs = typer.Typer(help="Look at runs and travel in them, at a server or offline in a database.", no_args_is_help=True)
app.add_typer(runs, name="runs", rich_help_panel=RUNS)

RunArg = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run.", show_default=False)]
CheckpointArg = Annotated[
    str, typer.Argument(metavar="CHECKPOINT", help="Id of a checkpoint, RUN.SEQ.", show_default=False)
]
EitherArg = Annotated[str, typer.Argument(metavar="RUN|CHECKPOINT", help="A run or a checkpoint.", show_default=False)]


def path_of(run: str, *more: str) -> str:
    """The path of a run, or of something below it."""
    from urllib.parse import quote

    return "/".join(("/runs", *(quote(part, safe="") for part in (run, *more))))


def parsed(text: str, where: str) -> Any:
    """A value given as JSON. Stops the command where it is none."""
    from engine.codec import CodecError, loads

    try:
        return loads(text.encode())
    except CodecError as error:
        stop(MISUSED, f"{where}: {error.message}; text needs quotation marks inside the shell's: '\"text\"'")


def an_object(text: str, where: str) -> dict[str, Any]:
    """An object given as JSON. Stops the command where it is none."""
    found = parsed(text, where)
    if not isinstance(found, dict):
        stop(MISUSED, f'{where}: an object is needed, such as {{"key": 1}}')
    return found


def settings_of(pairs: list[str], updates: str | None) -> dict[str, Any]:
    """Updates of the state: an object, and over it KEY=VALUE pairs. A value that is no JSON is text."""
    from engine.codec import CodecError, loads

    found = an_object(updates, "--updates") if updates is not None else {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not sign or not key:
            stop(MISUSED, f"--set {pair}: give KEY=VALUE")
        try:
            found[key] = loads(text.encode())
        except CodecError:
            found[key] = text
    return found


def text_of(given: str) -> str:
    """What was given, or with `@FILE` what is in that file. Stops the command where it cannot be read."""
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        stop(FAILED, f"{given[1:]}: {error}")


def document_in(path: Path) -> Any:
    """The document in a file, under the file's name where it has no id. Stops the command where there is none."""
    from watcher.definitions import read_file

    found = read_file(path, 64)
    if found.fault is not None:
        stop(FAILED, f"{path}: {found.fault}")
    document = found.document
    return {"id": found.workflow_id, **document} if isinstance(document, dict) else document
