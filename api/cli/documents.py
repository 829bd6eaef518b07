"""Commands on workflow documents in files: `clew validate` and `clew mermaid`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli._app import DOCUMENTS, FAILED, AsJson, app, stop
from api.cli._shown import show_problems, write_json, write_text

if TYPE_CHECKING:
    from watcher.definitions import Definition


@app.command(rich_help_panel=DOCUMENTS)
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Workflow documents.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Tell what is wrong with workflow documents.

    Exits with 1 when one has errors.
    """
    from engine.validate import validate as problems_of

    found = {str(path): [problem.as_json() for problem in problems_of(_definition(path).document)] for path in files}
    valid = {name: not any(problem["severity"] == "error" for problem in problems) for name, problems in found.items()}
    if as_json:
        shapes = [{"file": name, "valid": valid[name], "problems": problems} for name, problems in found.items()]
        write_json(shapes)
    else:
        for name, problems in found.items():
            show_problems(name, problems, valid=valid[name])
    if not all(valid.values()):
        raise typer.Exit(FAILED)


def _definition(path: Path) -> Definition:
    from watcher.definitions import read_file

    found = read_file(path, 64)
    if found.fault is not None:
        stop(FAILED, f"{path}: {found.fault}")
    return found


@app.command(rich_help_panel=DOCUMENTS)
def mermaid(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A workflow document.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Draw a workflow document, as Mermaid text."""
    from engine.errors import Invalid
    from engine.mermaid import mermaid as drawn
    from engine.parse import load

    found = _definition(file)
    try:
        graph = load(found.document, found.workflow_id, 1)
    except Invalid as error:
        stop(FAILED, f"{file}: {error.message}", *(f"{fault['path']}: {fault['message']}" for fault in error.problems))
    write_text("mermaid", drawn(graph), as_json=as_json)
