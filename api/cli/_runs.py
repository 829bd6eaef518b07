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
        stop(MISUSED, f"{where}: {error.message}", _meant(text))


def _meant(text: str) -> str:
    """What may have been meant by a text that is no JSON."""
    import json
    import shlex

    pairs = [pair.partition("=") for pair in text.split(",")]
    if all(sign and key.strip().isidentifier() for key, sign, _ in pairs):
        found = {key.strip(): _value(value) for key, _, value in pairs}
        return f"as an object: {shlex.quote(json.dumps(found, ensure_ascii=False))}"
    quoted = shlex.quote(json.dumps(text, ensure_ascii=False))
    return f"text needs quotation marks inside the shell's: {quoted}"


def _value(text: str) -> Any:
    """JSON, or else text."""
    from engine.codec import CodecError, loads

    try:
        return loads(text.encode())
    except CodecError:
        return text


def an_object(text: str, where: str) -> dict[str, Any]:
    """An object given as JSON. Stops the command where it is none."""
    found = parsed(text, where)
    if not isinstance(found, dict):
        stop(MISUSED, f'{where}: an object is needed, such as {{"key": 1}}')
    return found


def pairs_of(given: list[str] | None, option: str) -> list[tuple[str, str]]:
    """Texts by keys, as KEY=VALUE. Stops the command for what is none."""
    found = [pair.partition("=") for pair in given or ()]
    if wrong := [key for key, sign, _ in found if not sign or not key]:
        stop(MISUSED, f"{option} {wrong[0]}: give KEY=VALUE")
    return [(key, value) for key, _, value in found]


def settings_of(pairs: list[str], updates: str | None, option: str = "--set") -> dict[str, Any]:
    """Updates of the state: an object, and over it KEY=VALUE pairs. A value that is no JSON is text."""
    found = an_object(updates, "--updates") if updates is not None else {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not sign or not key:
            stop(MISUSED, f"{option} {pair}: give KEY=VALUE")
        found[key] = _value(text)
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
