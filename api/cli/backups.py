"""Commands that keep a database: `clew backup`, `clew restore` and `clew compact`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from api.cli._app import DATABASE, FAILED, AsJson, Database, app, stop
from api.cli._shown import write_json

T = TypeVar("T")

Target = Annotated[Path, typer.Argument(metavar="FILE", help="File to write; it must not exist.", show_default=False)]
Backup = Annotated[Path, typer.Argument(metavar="FILE", help="A file that `clew backup` wrote.", show_default=False)]


@app.command(rich_help_panel=DATABASE)
def backup(target: Target, db: Database, as_json: AsJson = False) -> None:
    """Copy a database to a file, also beside a server that is writing to it."""
    from store._address import path_of
    from store._backup import write_backup

    size = _done(lambda: write_backup(path_of(db), target.absolute()))
    _say(as_json, f"{target}: {size} bytes", file=str(target), bytes=size)


@app.command(rich_help_panel=DATABASE)
def restore(
    backup: Backup,
    db: Database,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of the database there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a database from a backup; no server may have it.

    A backup of an older version is migrated by 'clew migrate', or by the server that begins on it.
    """
    from store._address import path_of
    from store._backup import restore as put_back

    path = _done(lambda: path_of(db))
    _done(lambda: put_back(backup.absolute(), path, replace=replace))
    _say(as_json, f"{path}: restored from {backup}", database=str(path), file=str(backup))


@app.command(rich_help_panel=DATABASE)
def compact(db: Database, as_json: AsJson = False) -> None:
    """Give the room of deleted runs back to the disk; no server may have the database.

    Every checkpoint stays.
    """
    from store._address import path_of
    from store._backup import compact as write_anew

    before, after = _done(lambda: write_anew(path_of(db)))
    _say(as_json, f"{before} bytes before, {after} after", before=before, after=after)


def _done(work: Callable[[], T]) -> T:
    from engine.errors import EngineError

    try:
        return work()
    except EngineError as error:
        stop(FAILED, error.message)


def _say(as_json: bool, text: str, **shape: str | int) -> None:
    if as_json:
        write_json(shape)
    else:
        typer.echo(text)
