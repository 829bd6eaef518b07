"""The command line. What is heavy is imported by the command that needs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from engine.verify import Report
    from watcher.definitions import Definition

app = typer.Typer(
    name="clew",
    help="A checkpointed state-graph engine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

FAILED, MISUSED = 1, 2
"""Exit codes: what was looked at is wrong, or could not be done; the command itself was not understood."""

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


def main() -> None:
    """The `clew` command."""
    app()


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
) -> None:
    """Serve the API. Every option has an environment variable, CLEW_HOST and so on."""
    from pydantic import ValidationError

    from api.settings import Settings

    given = {"host": host, "port": port, "db": db, "workflows": workflows, "token": token, "public_url": public_url}
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # the model checks each one
    except ValidationError as error:
        _stop(MISUSED, *(_fault(found["loc"], found["msg"]) for found in error.errors()))
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
        _stop(FAILED, error.message)
    except KeyboardInterrupt:
        raise typer.Exit(FAILED) from None


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(help="Workflow documents.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Tell what is wrong with workflow documents; exits with 1 when one has errors."""
    from engine.codec import dumps
    from engine.validate import validate as problems_of

    found = {str(path): [problem.as_json() for problem in problems_of(_definition(path).document)] for path in files}
    valid = {name: not any(problem["severity"] == "error" for problem in problems) for name, problems in found.items()}
    if as_json:
        shapes = [{"file": name, "valid": valid[name], "problems": problems} for name, problems in found.items()]
        typer.echo(dumps(shapes).decode())
    else:
        for name, problems in found.items():
            _show(name, problems, valid=valid[name])
    if not all(valid.values()):
        raise typer.Exit(FAILED)


def _show(name: str, problems: list[dict[str, Any]], *, valid: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"{name}: {'valid' if valid else 'not valid'}", markup=False, soft_wrap=True)
    if problems:
        table = Table("", "code", "where", "problem", box=None, pad_edge=False)
        for problem in problems:
            colour = "red" if problem["severity"] == "error" else "yellow"
            hint = f" ({problem['hint']})" if problem["hint"] else ""
            table.add_row(
                problem["severity"], problem["code"], problem["path"], problem["message"] + hint, style=colour
            )
        console.print(table, markup=False)


def _definition(path: Path) -> Definition:
    from watcher.definitions import read_file

    found = read_file(path, 64)
    if found.fault is not None:
        _stop(FAILED, f"{path}: {found.fault}")
    return found


@app.command()
def mermaid(file: Annotated[Path, typer.Argument(help="A workflow document.", show_default=False)]) -> None:
    """Draw a workflow document, as Mermaid text."""
    from engine.errors import Invalid
    from engine.mermaid import mermaid as drawn
    from engine.parse import load

    found = _definition(file)
    try:
        graph = load(found.document, found.workflow_id, 1)
    except Invalid as error:
        _stop(FAILED, f"{file}: {error.message}", *(f"{fault['path']}: {fault['message']}" for fault in error.problems))
    typer.echo(drawn(graph))


@app.command()
def verify(
    run: Annotated[str, typer.Argument(help="Id of the run.", show_default=False)],
    db: Annotated[str, typer.Option(envvar="CLEW_DB", help="sqlite:///FILE")],
    as_json: AsJson = False,
) -> None:
    """Check a run from its stored rows alone, also beside a server; exits with 1 when something is wrong."""
    import asyncio

    from engine.codec import dumps
    from engine.errors import EngineError

    try:
        report = asyncio.run(_verified(run, db))
    except EngineError as error:
        _stop(FAILED, error.message)
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


@app.command()
def version() -> None:
    """Tell the version."""
    from importlib.metadata import version as installed

    typer.echo(f"clew {installed('clew-engine')}")


def _stop(code: int, *messages: str) -> NoReturn:
    for message in messages:
        typer.echo(f"clew: {message}", err=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    main()
