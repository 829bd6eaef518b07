"""Commands that move runs between servers, and show them in time: `clew runs export|import|release|trace`."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from api.cli._app import FAILED, stop
from api.cli._gantt import gantt
from api.cli._options import grouped
from api.cli._reach import Reach, Where
from api.cli._runs import RunArg, path_of, runs
from api.cli._shown import status_of, write_json

CHUNK = 64 * 1024
PAGE = 500
STANDARD = Path("-")

Target = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="File to write; it must not exist. `-`: standard output.")
]
Source = Annotated[
    Path, typer.Argument(metavar="FILE", help="What an export has written; `-`: standard input.", show_default=False)
]


@runs.command("export")
@grouped
def export_run(run: RunArg, output: Target = STANDARD, *, where: Where) -> None:
    """Write a run with its whole history to a file, which another server can import."""
    if output == STANDARD:
        return where.reached(lambda reach: _written(reach, run, sys.stdout.buffer))
    if output.exists():
        stop(FAILED, f"{output} exists already; an export replaces nothing")
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as file:
            where.reached(lambda reach: _written(reach, run, file))
        part.rename(output)
    except OSError as error:
        stop(FAILED, f"{output}: {error.strerror or error}")
    finally:
        part.unlink(missing_ok=True)
    size = output.stat().st_size
    if where.as_json:
        return write_json({"run_id": run, "file": str(output), "bytes": size})
    typer.echo(f"{output}: {size} bytes")
    return None


async def _written(reach: Reach, run: str, file: IO[bytes]) -> None:
    """Write a run to a file as its lines come, also where the server is in this process."""
    path = path_of(run, "export")
    async for part in reach.download(path) if reach.wired is None else reach.wired.porting.export(run):
        file.write(part)
    file.flush()


@runs.command("import")
@grouped
def import_run(
    file: Source,
    start: Annotated[bool, typer.Option("--start", help="Release it at once, where it has not ended.")] = False,
    *,
    where: Where,
) -> None:
    """Take in a run that was exported. One that has not ended is held until it is released."""
    params = {"start": "true"} if start else {}
    try:
        with sys.stdin.buffer if file == STANDARD else file.open("rb") as source:
            found = where.reached(lambda reach: reach.upload("/runs/import", _parts(source), **params), writes=True)
    except OSError as error:
        stop(FAILED, f"{file}: {error.strerror or error}")
    _tell(found, where)


async def _parts(file: IO[bytes]) -> AsyncIterator[bytes]:
    while part := file.read(CHUNK):
        yield part


@runs.command()
@grouped
def release(run: RunArg, *, where: Where) -> None:
    """Have a run that was imported go on where it was."""
    _tell(where.reached(lambda reach: reach.post(path_of(run, "release"), {}), writes=True), where)


def _tell(found: Any, where: Where) -> None:
    if where.as_json:
        return write_json(found)
    typer.echo(f"{found['id']} {status_of(found)}, {found['checkpoint_count']} checkpoints")
    if found["hold"]:
        typer.echo(f"it is held; have it go on: clew runs release {found['id']}")
    return None


@runs.command()
@grouped
def trace(
    run: RunArg,
    branch: Annotated[str | None, typer.Option(help="A branch; the current one where it is left out.")] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many tasks at most.")] = 200,
    width: Annotated[int, typer.Option(min=10, metavar="N", help="Columns of the time line.")] = 60,
    *,
    where: Where,
) -> None:
    """Show a run in time: when its tasks began and ended, what they waited for, and what came of joins."""
    told = where.reached(lambda reach: _traced(reach, run, branch, limit))
    if where.as_json:
        return write_json(told)
    typer.echo("\n".join(gantt(told, width, time.time())))
    if told["next_cursor"]:
        typer.echo(f"more: --limit {limit * 2}", err=True)
    return None


async def _traced(reach: Reach, run: str, branch: str | None, limit: int) -> Any:
    items, cursor = list[Any](), None
    while True:
        size = min(PAGE, limit - len(items))
        page = await reach.get(path_of(run, "trace"), branch=branch, limit=size, cursor=cursor)
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None or len(items) >= limit:
            return {**page, "items": items}
