"""Commands on stored workflows: `clew workflows list|show|versions|diff|stats|validate|mermaid|save`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli._app import DOCUMENTS, FAILED, app
from api.cli._listed import show_lines
from api.cli._options import Cursor, Limit, grouped
from api.cli._reach import Reach, Refused, Where
from api.cli._runs import document_in
from api.cli._shown import lasting, patch_lines, show_problems, time_of, write_json, write_text

workflows = typer.Typer(
    help="Look at workflows and save them, at a server or offline in a database.", no_args_is_help=True
)
app.add_typer(workflows, name="workflows", rich_help_panel=DOCUMENTS)

IdArg = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Id of a workflow.", show_default=False)]
Version = Annotated[int | None, typer.Option(min=1, metavar="N", help="A version that is not the newest.")]


def _path(workflow: str, *more: str) -> str:
    from urllib.parse import quote

    return "/".join(("/workflows", *(quote(part, safe="") for part in (workflow, *more))))


@workflows.command("list")
@grouped
def list_workflows(
    status: Annotated[str | None, typer.Option(metavar="STATUS", help="draft, active, paused or archived.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="A tag of the workflows.")] = None,
    query: Annotated[str | None, typer.Option("--query", "-q", metavar="TEXT", help="Part of an id or a name.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    *,
    where: Where,
) -> None:
    """List workflows, the last changed first."""
    asked = {"status": status, "tag": tag, "q": query, "limit": limit, "cursor": cursor}
    _write_page(where.reached(lambda reach: reach.get("/workflows", **asked)), "no such workflows", where)


@workflows.command()
@grouped
def versions(workflow: IdArg, limit: Limit = 20, cursor: Cursor = None, *, where: Where) -> None:
    """List the versions of a workflow, newest first."""
    asked = {"limit": limit, "cursor": cursor}
    _write_page(where.reached(lambda reach: reach.get(_path(workflow, "versions"), **asked)), "no versions", where)


def _write_page(page: Any, nothing: str, where: Where) -> None:
    if where.as_json:
        return write_json(page)
    typer.echo("\n".join(map(_line, page["items"])) or nothing)
    if page["next_cursor"]:
        typer.echo(f"more: --cursor {page['next_cursor']}", err=True)
    return None


def _line(row: Any) -> str:
    fault = f"  {row['file']} is not valid" if row["fault"] else ""
    return (
        f"{row['id']}@{row['version']}  {row['status']:<8}  {row['source']:<4}  {time_of(row['updated_at'])}  "
        f"{row['name'] or ''}{fault}"
    ).rstrip()


@workflows.command()
@grouped
def show(
    workflow: IdArg,
    version: Version = None,
    document: Annotated[
        bool, typer.Option("--document", help="Write the document alone, as a file to be changed and saved again.")
    ] = False,
    *,
    where: Where,
) -> None:
    """Show a workflow: its state, nodes and edges, and what is wrong with its file."""
    path = _path(workflow) if version is None else _path(workflow, "versions", str(version))
    row = where.reached(lambda reach: reach.get(path))
    if where.as_json:
        write_json(row["definition"] if document else row)
    elif document:
        typer.echo(_indented(row["definition"]))
    else:
        typer.echo("\n".join(_lines(row)))


def _indented(document: Any) -> str:
    import json

    return json.dumps(document, indent=2, ensure_ascii=False)


def _lines(row: Any) -> list[str]:
    found = row["definition"]
    return [
        f"workflow  {row['id']}@{row['version']}" + (f", {row['name']}" if row["name"] else ""),
        f"status    {row['status']}, saved {time_of(row['updated_at'])} by {row['file'] or row['source']}",
        *([f"fault     {row['fault']['message']}"] if row["fault"] else []),
        "state",
        *(f"  {key}: {_kind(entry)}" for key, entry in found.get("state_schema", {}).items()),
        "nodes",
        *(f"  {name}: {node.get('type', 'task')}" for name, node in found["nodes"].items()),
        "edges",
        *(f"  {_end(edge, 0)} -> {_end(edge, 1)}" for edge in found["edges"]),
    ]


def _kind(entry: Any) -> str:
    reducer = f", {entry['reducer']}" if "reducer" in entry else ""
    return f"{entry.get('type', 'anything')}{reducer}"


def _end(edge: Any, place: int) -> str:
    if isinstance(edge, list):
        return str(edge[place])
    end = edge[("source", "target")[place]]
    return f"{end['node']}:{end['port']}" if place == 0 and end.get("port") else str(end["node"])


@workflows.command()
@grouped
def diff(
    workflow: IdArg,
    before: Annotated[int, typer.Argument(metavar="BEFORE", min=1, help="A version.", show_default=False)],
    after: Annotated[int, typer.Argument(metavar="AFTER", min=1, help="A version.", show_default=False)],
    *,
    where: Where,
) -> None:
    """Tell what changes in the document from one version to another."""
    told = where.reached(lambda reach: reach.get(_path(workflow, "versions", str(before), "diff", str(after))))
    if where.as_json:
        return write_json(told)
    typer.echo("\n".join(patch_lines(told["patch"])) or "they are the same")
    return None


@workflows.command()
@grouped
def stats(workflow: IdArg, *, where: Where) -> None:
    """Tell how the runs of a workflow fare: how many there are in each status, and how the last ones went."""
    told = where.reached(lambda reach: reach.get(_path(workflow, "statistics")))
    show_lines(told, _figures(told), where)


def _figures(told: Any) -> list[str]:
    recent, counts = told["recent"], [(status, n) for status, n in told["by_status"].items() if n]
    lines = [
        f"runs      {told['runs']:,}" + (f", the newest of {time_of(told['last_run_at'])}" if told["runs"] else ""),
        *(f"  {status:<11}  {n:>9,}" for status, n in counts),
    ]
    if not recent["runs"]:
        return lines
    lines.append(f"of the last {recent['runs']} that ended by themselves, since {time_of(recent['since'])}")
    lines.append(f"  completed    {recent['success_rate']:.1%}")
    if (lasted := recent["duration_ms"]) is not None:
        lines.append(
            "  they took    " + ", ".join(f"{name} {lasting(lasted[name] / 1000)}" for name in ("p50", "p95", "max"))
        )
    return lines


@workflows.command()
@grouped
def validate(workflow: IdArg, *, where: Where) -> None:
    """Tell what is wrong with the newest version, by what the server knows now.

    Exits with 1 when it has errors.
    """
    report = where.reached(lambda reach: reach.post(_path(workflow, "validate"), None))
    if where.as_json:
        write_json(report)
    else:
        show_problems(workflow, [*report["errors"], *report["warnings"]], valid=report["valid"])
    if not report["valid"]:
        raise typer.Exit(FAILED)


@workflows.command()
@grouped
def mermaid(workflow: IdArg, *, where: Where) -> None:
    """Draw the newest version, as Mermaid text."""
    drawn = where.reached(lambda reach: reach.text(_path(workflow, "mermaid")))
    write_text("mermaid", drawn, as_json=where.as_json)


@workflows.command()
@grouped
def save(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A workflow document.", show_default=False)],
    *,
    where: Where,
) -> None:
    """Save a document: as a new workflow, or as the next version of the one with its id."""
    document = document_in(file)

    async def saved(reach: Reach) -> Any:
        try:
            return await reach.post("/workflows", document)
        except Refused as error:
            if error.code != "workflow.exists":
                raise
        return await reach.put(_path(document["id"]), document)

    row = where.reached(saved, writes=True)
    if where.as_json:
        return write_json(row)
    typer.echo(f"saved {row['id']}@{row['version']}")
    return None


@workflows.command()
@grouped
def pause(workflow: IdArg, *, where: Where) -> None:
    """Have no runs of a workflow started any more; those that are there go on."""
    _turned(where.reached(lambda reach: reach.post(_path(workflow, "pause"), {}), writes=True), where)


@workflows.command()
@grouped
def activate(workflow: IdArg, *, where: Where) -> None:
    """Have runs of a workflow started again."""
    _turned(where.reached(lambda reach: reach.post(_path(workflow, "activate"), {}), writes=True), where)


@workflows.command()
@grouped
def archive(workflow: IdArg, *, where: Where) -> None:
    """Take a workflow out of the list; its runs stay as they are."""
    where.reached(lambda reach: reach.delete(_path(workflow)), writes=True)
    show_lines({"id": workflow, "status": "archived"}, (f"{workflow} archived",), where)


def _turned(row: Any, where: Where) -> None:
    show_lines(row, (f"{row['id']}@{row['version']} {row['status']}",), where)
