"""`clew run`: plays a workflow in this process, without a server and without workers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli._app import DOCUMENTS, FAILED, UNANSWERED, AsJson, app
from api.cli._reach import LOCAL, Reach, finished, within
from api.cli._runs import an_object, document_in, parsed, path_of, text_of
from api.cli._shown import error_text, short, status_of, write_json
from api.cli._tasks import Tasks

if TYPE_CHECKING:
    from api.wiring import Wired
    from dispatch._script import Script


@app.command(rich_help_panel=DOCUMENTS)
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A workflow document.", show_default=False)],
    given: Annotated[str, typer.Option("--input", metavar="JSON", help="The run's input: an object, or @FILE.")] = "{}",
    answers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What tasks and interrupts are answered, by node.")
    ] = None,
    config: Annotated[str, typer.Option(metavar="JSON", help="An object, laid over the workflow's config.")] = "{}",
    db: Annotated[
        str, typer.Option("--db", metavar="ADDRESS", help="Where the run is kept: sqlite:///FILE, or not at all.")
    ] = "memory://",
    as_json: AsJson = False,
) -> None:
    """Play a workflow here and now, without a server and without workers.

    Exits with 0 when it completed, 1 when it failed or was refused, 3 when it waits for an answer.
    """
    body = {
        "workflow": document_in(file),
        "input": an_object(text_of(given), "--input"),
        "config": an_object(config, "--config"),
    }
    script = {} if answers is None else parsed(text_of(f"@{answers}"), str(answers))
    ended, unused = finished(_play(body, script, db, as_json))
    if as_json:
        write_json(ended)
    else:
        _tell(ended)
    for node, count in unused.items():
        typer.echo(f"clew: {count} of the answers for node '{node}' were not needed", err=True)
    if ended["status"] == "interrupted":
        raise typer.Exit(UNANSWERED)
    if ended["status"] != "completed":
        raise typer.Exit(FAILED)


async def _play(body: Any, script: Any, db: str, as_json: bool) -> tuple[Any, dict[str, int]]:
    from api.settings import Settings
    from api.wiring import clock, running
    from dispatch._script import parse_script
    from dispatch._scripted import Scripted

    lines = parse_script(script, _nodes(body["workflow"]))
    settings = Settings(db=db, workflows=None, token=None, host="127.0.0.1", public_url=None, grace_s=0)
    if db.startswith("memory://"):
        settings = settings.model_copy(update={"artifacts": None})
    async with running(settings, LOCAL, Scripted(lines, clock)) as wired, within(wired) as reach:
        begun = await reach.post("/runs", body)
        return await _to_its_end(wired, reach, begun["id"], lines, as_json), lines.unused()


def _nodes(document: Any) -> set[str]:
    """The names of the nodes of a document, and of those in the graphs inside it."""
    if not isinstance(document, dict):
        return set()
    nodes, named = (found if isinstance(found := document.get(key), dict) else {} for key in ("nodes", "subgraphs"))
    inner = [*named.values(), *(node.get("definition") for node in nodes.values() if isinstance(node, dict))]
    return set(nodes).union(*map(_nodes, inner))


async def _to_its_end(wired: Wired, reach: Reach, run_id: str, script: Script, as_json: bool) -> Any:
    after, modes = None, frozenset({"tasks"})
    while True:
        with Tasks(quiet=as_json) as tasks:
            async for told in wired.streams.stream(
                run_id, modes=modes, after=after, from_now=False, until="interrupted"
            ):
                for event in told:
                    after = event.id
                    tasks.take(event.event, event.data)
        found = await reach.get(path_of(run_id))
        if found["status"] != "interrupted":
            return found
        answer = {asked["id"]: value for asked in found["interrupts"] for value in _answers(asked, script, as_json)}
        if not answer:
            return found
        await reach.post(path_of(run_id, "resume"), {"resume": answer})


def _answers(asked: Any, script: Script, as_json: bool) -> list[Any]:
    """The answer to an interrupt, if there is one."""
    line = script.next(asked["node"])
    if line is not None:
        return [line.value]
    if as_json or not sys.stdin.isatty():
        return []
    typer.echo(f"{asked['node']} asks: {asked['message']}")
    for action in asked["actions"] or ():
        typer.echo(f"  {action['label']}: {short(action['value'])}")
    return [parsed(typer.prompt("answer (JSON)"), "the answer")]


def _tell(ended: Any) -> None:
    why = f": {error_text(ended['error'])}" if ended["error"] else ""
    typer.echo(f"{status_of(ended)}{why}")
    shown = ended["output"] if ended["status"] == "completed" else ended["state"]
    for key, value in sorted(shown.items()) if isinstance(shown, dict) else ():
        typer.echo(f"  {key} = {short(value)}")
    for asked in ended["interrupts"]:
        typer.echo(
            f'{asked["node"]} asks: {asked["message"]}\n  answer it in --answers: "{asked["node"]}": {{"resume": …}}'
        )
