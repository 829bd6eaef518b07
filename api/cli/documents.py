"""Commands on workflow documents in files: `clew validate` and `clew mermaid`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli._app import FAILED, AsJson, app, stop

if TYPE_CHECKING:
    from watcher.definitions import Definition


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
        stop(FAILED, f"{path}: {found.fault}")
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
        stop(FAILED, f"{file}: {error.message}", *(f"{fault['path']}: {fault['message']}" for fault in error.problems))
    typer.echo(drawn(graph))
