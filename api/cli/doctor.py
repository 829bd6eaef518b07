"""`clew doctor`: looks at everything that a server needs, and says what to do about what is not well."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli._app import FAILED, SERVING, AsJson, app, keep_logs_from
from api.cli._reach import Token, Url
from api.cli._settings import Unfit, settings_from
from api.cli._shown import write_json

if TYPE_CHECKING:
    from api.doctor.finding import Finding
    from api.settings import Settings

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@app.command(rich_help_panel=SERVING)
def doctor(
    db: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="The database, sqlite:///FILE.", envvar="CLEW_DB", show_default="sqlite:///clew.db"
        ),
    ] = None,
    workflows: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of workflow files.", envvar="CLEW_WORKFLOWS")
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Look at Python, SQLite, database, disk, workflow files, server, workers, port and clock, and say what to do.

    It takes the settings that 'clew serve' would. Exits with 1 when something does not work.
    """
    import asyncio
    import logging

    from api.doctor.finding import Level

    keep_logs_from(logging.CRITICAL)  # what is wrong with files is told below
    found = asyncio.run(_all(db, workflows, url, token, quiet=as_json))
    counts = {level: sum(finding.level is level for finding in found) for level in Level}
    if as_json:
        write_json({"ok": counts[Level.FAIL] == 0, "findings": [finding.as_json() for finding in found]})
    else:
        typer.echo(f"{counts[Level.OK]} ok, {counts[Level.WARN]} to look at, {counts[Level.FAIL]} not working")
    if counts[Level.FAIL]:
        raise typer.Exit(FAILED)


async def _all(
    db: str | None, workflows: Path | None, url: str | None, token: str | None, *, quiet: bool
) -> list[Finding]:
    found: list[Finding] = []
    async for finding in _findings(db, workflows, url, token):
        if (finding.check, finding.message) in {(one.check, one.message) for one in found}:
            continue  # a file that is not valid is so for the server as well
        found.append(finding)
        if not quiet:
            _show(finding)
    return found


def _show(finding: Finding) -> None:
    level = typer.style(f"{finding.level:<4}", fg=COLOURS[finding.level])
    typer.echo(f"{level}  {finding.check:<10} {finding.message}")
    if finding.advice is not None:
        typer.echo(f"{'':17}-> {finding.advice}")


async def _findings(
    db: str | None, workflows: Path | None, url: str | None, token: str | None
) -> AsyncIterator[Finding]:
    from api.doctor.database import database
    from api.doctor.definitions import definitions
    from api.doctor.finding import fail
    from api.doctor.machine import machine
    from api.wiring import clock
    from engine.validate import Limits

    for finding in machine():
        yield finding
    try:
        settings = settings_from(db=db, workflows=workflows, token=token)
    except Unfit as error:
        for fault in error.faults:
            yield fail("settings", fault, "see the options of 'clew serve', and the variables that begin with CLEW_")
        return
    for finding in database(settings.db, clock()):
        yield finding
    if settings.workflows is not None:
        for finding in await definitions(settings.workflows, settings.max_depth, Limits(max_nodes=settings.max_nodes)):
            yield finding
    async for finding in _of_server(settings, url):
        yield finding


async def _of_server(settings: Settings, url: str | None) -> AsyncIterator[Finding]:
    import httpx

    from api.doctor.database import is_served
    from api.doctor.finding import fail
    from api.doctor.server import free_port, server, silent
    from api.settings import local_url
    from api.wiring import clock

    token = settings.token.get_secret_value() if settings.token is not None else None
    address = (url or local_url(settings.host, settings.port)).rstrip("/").removesuffix("/v1")
    try:
        async for finding in server(address, token, clock()):
            yield finding
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        yield fail("server", f"'{address}' is no address of a server", "give one such as http://127.0.0.1:8080")
    except httpx.HTTPError:
        served = is_served(settings.db)
        yield silent(address, served=served, expected=url is not None)
        if not served and url is None:
            yield free_port(settings.host, settings.port)
