"""Commands that exchange workflows with other systems and programs: `clew import` and `clew export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from api.cli._app import DOCUMENTS, FAILED, MISUSED, app, stop
from api.cli._options import grouped
from api.cli._reach import Reach, Refused, Where
from api.cli._runs import document_in
from api.cli._shown import show_problems, write_json, write_text

if TYPE_CHECKING:
    from engine.foreign import Converted

OUTCOMES = ("mapped", "approximated", "unmapped")
COLOURS = {"info": None, "warning": "yellow", "error": "red"}

FormatOption = Annotated[
    str | None, typer.Option("--format", metavar="FORMAT", help="Its format; found out where absent.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would become of it, and save nothing.")]
Id = Annotated[str | None, typer.Option("--id", metavar="ID", help="Of the workflow; the document's where absent.")]


@app.command("import", rich_help_panel=DOCUMENTS)
@grouped
def import_document(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A document of another system.", show_default=False)],
    format: FormatOption = None,
    id: Id = None,
    dry_run: DryRun = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the document to this file, and save nothing."),
    ] = None,
    details: Annotated[bool, typer.Option("--all", help="Tell also what was taken over as it is.")] = False,
    *,
    where: Where,
) -> None:
    """Take over a workflow of another system: as a new workflow, or the next version of the one with its id.

    Tells what became of each part. With --dry-run or --output no server is asked. Exits with 1 when the result is not
    valid, or not saved.
    """
    found, stays = _converted(file, format, id), dry_run or output is not None
    report, saved = found.report(), None
    if not where.as_json:
        _tell(file, report, details)
        if stays or not found.complete:
            _tell_problems(report)
    if output is not None:
        _write(output, found.document)
    if not stays and found.complete:
        saved = where.reached(lambda reach: _saved(reach, found.document), writes=True)
        report |= {"valid": True, "errors": []}  # it may run workflows that only the server has
    _end(where, report, saved)


def _converted(file: Path, name: str | None, id: str | None) -> Converted:
    from dataclasses import replace

    from engine.errors import Invalid
    from engine.foreign import convert

    try:
        found = convert(_read(file), name)
    except Invalid as error:
        stop(FAILED, f"{file}: {error.message}")
    return found if id is None else replace(found, document={**found.document, "id": id})


def _read(file: Path) -> Any:
    from engine.codec import CodecError, loads

    try:
        return loads(file.read_bytes(), unique=True)
    except OSError as error:
        stop(FAILED, f"{file}: {error.strerror or error}")
    except CodecError as error:
        stop(FAILED, f"{file}: {error.message}")


def _write(output: Path, document: Any) -> None:
    import json

    try:
        output.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        stop(FAILED, f"{output}: {error.strerror or error}")


async def _saved(reach: Reach, document: Any) -> Any:
    """The row of a new workflow, or of a new version of the one that is there."""
    try:
        return await reach.post("/workflows", document)
    except Refused as error:
        if error.code != "workflow.exists":
            raise
    return await reach.put(f"/workflows/{quote(document['id'], safe='')}", document)


def _end(where: Where, report: Any, saved: Any) -> None:
    """Tell what was saved, and end."""
    if where.as_json:
        write_json({"report": report, "workflow": saved})
    elif saved is not None:
        typer.echo(f"saved {saved['id']}@{saved['version']}")
    if not report["valid"]:
        raise typer.Exit(FAILED)


def _tell(file: Path, report: Any, details: bool) -> None:
    told = ", ".join(f"{report['counts'][outcome]} {outcome}" for outcome in OUTCOMES)
    typer.echo(f"{file}: {report['format']}; {told}")
    for outcome in OUTCOMES if details else OUTCOMES[1:]:
        for note in report[outcome]:
            hint = f" ({note['hint']})" if note["hint"] else ""
            mark = typer.style(f"{outcome:<12}", fg=COLOURS[note["severity"]])
            typer.echo(f"{mark}  {note['path'] or '/'}  {note['part']}: {note['message']}{hint}")


def _tell_problems(report: Any) -> None:
    if problems := [*report["errors"], *report["warnings"]]:
        show_problems("the result", problems, valid=not report["errors"])


@app.command("export", rich_help_panel=DOCUMENTS)
@grouped
def export_workflow(
    workflow: Annotated[
        str, typer.Argument(metavar="WORKFLOW", help="Id of a workflow, or a FILE.json with one.", show_default=False)
    ],
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As Mermaid text.")] = False,
    dot: Annotated[bool, typer.Option("--dot", help="In the language of Graphviz.")] = False,
    *,
    where: Where,
) -> None:
    """Write a workflow for other programs: as a drawing, or else its document."""
    if mermaid and dot:
        stop(MISUSED, "--mermaid or --dot, not both")
    kind = "mermaid" if mermaid else "dot" if dot else None
    if workflow.endswith(".json"):
        document = document_in(Path(workflow))
        text = None if kind is None else _drawn(workflow, document, kind)
    else:
        path = f"/workflows/{quote(workflow, safe='')}"
        document, text = where.reached(lambda reach: _asked(reach, path, kind))
    if kind is not None:
        write_text(kind, text or "", as_json=where.as_json)
    elif where.as_json:
        write_json(document)
    else:
        import json

        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


async def _asked(reach: Reach, path: str, kind: str | None) -> tuple[Any, str | None]:
    """The document of a stored workflow, or its drawing."""
    if kind is None:
        return (await reach.get(path))["definition"], None
    return None, await reach.text(f"{path}/{kind}")


def _drawn(name: str, document: Any, kind: str) -> str:
    from engine.dot import dot
    from engine.errors import Invalid
    from engine.mermaid import mermaid
    from engine.parse import load

    try:
        graph = load(document, str(document.get("id")), 1)
    except Invalid as error:
        stop(FAILED, f"{name}: {error.message}", *(f"{fault['path']}: {fault['message']}" for fault in error.problems))
    return {"mermaid": mermaid, "dot": dot}[kind](graph)
