"""Commands on a database: `clew verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from api.cli._app import FAILED, AsJson, Database, app, stop

if TYPE_CHECKING:
    from engine.verify import Report


@app.command()
def verify(
    run: Annotated[str, typer.Argument(help="Id of the run.", show_default=False)],
    db: Database,
    as_json: AsJson = False,
) -> None:
    """Check a run from its stored rows alone, also beside a server; exits with 1 when something is wrong."""
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
