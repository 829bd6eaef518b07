"""Commands on a database: `clew verify` and `clew migrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli._app import DATABASE, FAILED, RUNS, AsJson, Database, app, stop
from api.cli._shown import write_json

if TYPE_CHECKING:
    from engine.verify import Report
    from store._migrate import SchemaState


@app.command(rich_help_panel=RUNS)
def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run.", show_default=False)],
    db: Database,
    as_json: AsJson = False,
) -> None:
    """Check a run from its stored rows alone, also beside a server.

    Exits with 1 when something is wrong.
    """
    import asyncio

    from engine.codec import dumps
    from engine.errors import EngineError

    try:
        report = asyncio.run(_verified(run, db))
    except EngineError as error:
        stop(FAILED, error.message)
    if as_json:
        shape = {"run_id": run, "commits": report.commits, "tasks": report.tasks, "problems": report.problems}
        typer.echo(dumps(shape).decode())
    else:
        said = "nothing is wrong" if not report.problems else f"{len(report.problems)} problems"
        typer.echo("\n".join((f"{run}: {report.commits} commits, {report.tasks} tasks: {said}", *report.problems)))
    if report.problems:
        raise typer.Exit(FAILED)


async def _verified(run: str, db: str) -> Report:
    from api.wiring import clock, store_to_read
    from api.workflows import Workflows
    from engine.model import RunId
    from engine.validate import DEFAULT_LIMITS
    from engine.verify import verify_run

    store = store_to_read(db)
    await store.open()
    try:
        return await verify_run(store, RunId(run), Workflows(store, DEFAULT_LIMITS, clock).graph)
    finally:
        await store.close()


@app.command(rich_help_panel=DATABASE)
def migrate(
    db: Database,
    check: Annotated[
        bool, typer.Option("--check", help="Only tell; exits with 1 when there is something to do.")
    ] = False,
    backup: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The backup that is written first.", show_default="DB.REVISION.backup"),
    ] = None,
    no_backup: Annotated[bool, typer.Option("--no-backup", help="Write no backup first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the schema of a database to the one that this version reads; no server may have the database.

    A backup is written first, and is the way back: 'clew restore' puts it in place again.
    """
    from engine.errors import EngineError, StoreLocked
    from store._address import path_of
    from store._migrate import migrate as bring
    from store._migrate import state_of

    try:
        path = path_of(db)
        before = state_of(path)
        todo = bool(before.pending) and not check
        kept = (backup or path.with_name(f"{path.name}.{before.found}.backup")).absolute()
        written = kept if todo and not no_backup else None
        if todo:
            bring(path, written)
    except StoreLocked as error:
        stop(FAILED, error.message, "end that server first; 'clew migrate --check' works beside it")
    except EngineError as error:
        stop(FAILED, error.message)
    if as_json:
        write_json({**before.as_json(), "migrated": todo, "backup": None if written is None else str(written)})
    else:
        typer.echo("\n".join(_migration_lines(before, todo, written)))
    if check and before.pending:
        raise typer.Exit(FAILED)


def _migration_lines(before: SchemaState, done: bool, backup: Path | None) -> list[str]:
    if not before.pending:
        return [f"schema {before.found}: the newest, there is nothing to do"]
    steps = [f"  {step.revision} {step.about}" for step in before.pending]
    end = (
        [f"backup {backup or 'none'}", f"migrated to {before.newest}"]
        if done
        else ["to bring it there, end the server, then: clew migrate"]
    )
    return [f"schema {before.found}, newest {before.newest}", *steps, *end]
