"""Commands that move runs: `clew runs start|fork|replay|checkout|resume|edit|retry|cancel|delete`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli._app import MISUSED, stop
from api.cli._asks import answer_lines, asked_lines
from api.cli._beginning import Beginning, Webhook
from api.cli._listed import show_lines
from api.cli._options import grouped
from api.cli._reach import Reach, Where
from api.cli._runs import CheckpointArg, RunArg, an_object, parsed, path_of, runs, settings_of, text_of
from api.cli._shown import error_text, reason_text, said_lines, status_of, write_json
from api.cli._waits import waiting_lines
from engine.values import dataclass

WAIT_S = 10.0
UNSERVED = {
    "running": "nobody serves this database: tasks for workers wait until 'clew serve' does",
    "queued": "nobody serves this database: the run begins when 'clew serve' does",
}

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Write to the state; JSON, or else text. Repeat it for more keys."),
]
Config = Annotated[str | None, typer.Option(metavar="JSON", help="An object, laid over the run's config.")]
Wait = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="Time to wait for the run to rest; 0 does not wait.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Options of commands that write to the state."""

    sets: Set = None
    updates: Annotated[str | None, typer.Option(metavar="JSON", help="The same as --set, as one JSON object.")] = None

    def body(self) -> dict[str, Any]:
        """What these options say in the body of a request."""
        return {"updates": settings_of(self.sets or [], self.updates)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Again(Edit):
    """Options of commands that go on from a checkpoint."""

    goto: Annotated[
        list[str] | None, typer.Option(metavar="NODE", help="Run this node instead of what was in flight. Repeatable.")
    ] = None
    version: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Go on with this version of the workflow.", show_default=False),
    ] = None
    reuse: Annotated[
        bool, typer.Option("--reuse", help="Take over recorded answers to tasks whose input is the same.")
    ] = False
    reuse_interrupts: Annotated[
        bool, typer.Option("--reuse-interrupts", help="With --reuse: take over the answers of people too.")
    ] = False

    def body(self) -> dict[str, Any]:
        """What these options say in the body of a request. Stops the command where they do not fit each other."""
        if self.reuse_interrupts and not self.reuse:
            stop(MISUSED, "--reuse-interrupts goes with --reuse")
        said = {
            "goto": self.goto,
            "workflow_version": self.version,
            "reuse": "unchanged" if self.reuse else None,
            "reuse_interrupts": self.reuse_interrupts or None,
        }
        return {**Edit.body(self), **{name: value for name, value in said.items() if value}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Options that say when a run runs, and beside which others."""

    priority: Annotated[
        int | None, typer.Option(metavar="N", help="Higher goes first.", show_default="0", min=-1000, max=1000)
    ] = None
    concurrency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Of the runs with the same key one runs at a time.")
    ] = None
    start_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it begins, such as 2030-01-31T12:00:00Z.")
    ] = None

    def body(self) -> dict[str, Any]:
        """What these options say in the body of a request."""
        names = ("priority", "concurrency_key", "start_at")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@runs.command()
@grouped
def start(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Id of a workflow.", show_default=False)],
    given: Annotated[str, typer.Option("--input", metavar="JSON", help="The run's input: an object, or @FILE.")] = "{}",
    config: Config = None,
    version: Annotated[int | None, typer.Option(min=1, metavar="N", help="A version that is not the newest.")] = None,
    session: Annotated[
        str | None, typer.Option(metavar="SESSION", help="Go on from where this session stands; a new id begins one.")
    ] = None,
    on_busy: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT", help="Where a run of the session is not over: reject, enqueue, cancel, interrupt."
        ),
    ] = None,
    wait: Wait = WAIT_S,
    *,
    beginning: Beginning,
    placed: Placed,
    where: Where,
) -> None:
    """Start a run of a workflow."""
    asked = an_object(text_of(given), "--input")
    body: dict[str, Any] = {"workflow_id": workflow, "input": asked, **beginning.body(), **placed.body()}
    said = {"session_id": session, "on_busy": on_busy}
    body |= {name: value for name, value in said.items() if value is not None}
    if config is not None:
        body["config"] = an_object(config, "--config")
    if version is not None:
        body["version"] = version
    _move(None, "/runs", body, wait, where, beginning.headers())


@runs.command()
@grouped
def fork(
    checkpoint: CheckpointArg,
    config: Config = None,
    webhook: Webhook = None,
    wait: Wait = WAIT_S,
    *,
    again: Again,
    where: Where,
) -> None:
    """Start a new run from a checkpoint, with another state where --set or --updates says so."""
    body = {"checkpoint_id": checkpoint, **again.body()}
    if config is not None:
        body["config"] = an_object(config, "--config")
    if webhook is not None:
        body["webhook"] = webhook
    _move(_run_of(checkpoint), "/runs/fork", body, wait, where)


@runs.command()
@grouped
def replay(checkpoint: CheckpointArg, wait: Wait = WAIT_S, *, again: Again, where: Where) -> None:
    """Go on from a checkpoint within its run, on a new branch."""
    run = _run_of(checkpoint)
    _move(run, path_of(run, "replay"), {"checkpoint_id": checkpoint, **again.body()}, wait, where)


@runs.command()
@grouped
def resume(
    run: RunArg,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The answer, as JSON.", show_default=False)],
    interrupt: Annotated[str | None, typer.Option(metavar="ID", help="Which question, where several are open.")] = None,
    wait: Wait = WAIT_S,
    *,
    edit: Edit,
    where: Where,
) -> None:
    """Answer what a run asks."""
    answer = parsed(value, "VALUE")
    body = {"resume": answer if interrupt is None else {interrupt: answer}, **edit.body()}
    _move(run, path_of(run, "resume"), body, wait, where)


@runs.command()
@grouped
def checkout(
    run: RunArg,
    branch: Annotated[
        str, typer.Argument(metavar="BRANCH", help="A branch, as 'clew runs tree' names it.", show_default=False)
    ],
    wait: Wait = WAIT_S,
    *,
    where: Where,
) -> None:
    """Go on with another branch of a run."""
    _move(run, path_of(run, "branches", branch, "checkout"), {}, wait, where)


@runs.command()
@grouped
def edit(
    run: RunArg,
    after_node: Annotated[
        str | None, typer.Option(metavar="NODE", help="Write right after the next checkpoint of this node.")
    ] = None,
    *,
    edit: Edit,
    where: Where,
) -> None:
    """Write to the state of a run that goes on or waits; tasks that are activated later see it."""
    body = {**edit.body(), **({} if after_node is None else {"after_node": after_node})}
    told = where.reached(lambda reach: reach.post(path_of(run, "state"), body), writes=True)
    if where.as_json:
        return write_json(told)
    found = told["checkpoint"]
    typer.echo(f"written: {found['id']}" if found else f"waits for {told['pending']['after_node']}")
    return None


@runs.command()
@grouped
def retry(run: RunArg, config: Config = None, wait: Wait = WAIT_S, *, where: Where) -> None:
    """Start again what failed in a run."""
    body = {} if config is None else {"config": an_object(config, "--config")}
    _move(run, path_of(run, "retry"), body, wait, where)


@runs.command()
@grouped
def cancel(run: RunArg, *, where: Where) -> None:
    """End a run that is not over; what it did stays."""
    _move(run, path_of(run, "cancel"), {}, 0, where)


@runs.command()
@grouped
def delete(run: RunArg, *, where: Where) -> None:
    """Delete a run that is over, with its whole history. Forks of it must be deleted first."""
    where.reached(lambda reach: reach.delete(path_of(run)), writes=True)
    show_lines({"id": run, "deleted": True}, (f"deleted {run}",), where)


def _run_of(checkpoint: str) -> str:
    run, _, seq = checkpoint.rpartition(".")
    if not run or not seq.isdigit():
        stop(MISUSED, f"'{checkpoint}' is no checkpoint: RUN.SEQ, as 'clew runs show RUN' lists them")
    return run


def _move(
    before: str | None, path: str, body: Any, wait: float, where: Where, headers: dict[str, str] | None = None
) -> None:
    async def move(reach: Reach) -> tuple[Any, bool]:
        moved = await reach.post(path, body, headers)
        early = moved["reason"] == "start_at"
        rested = await _rested(reach, moved, 0 if reach.offline or early else wait)
        return {**rested, **({"dropped": moved["dropped"]} if "dropped" in moved else {})}, reach.offline

    moved, offline = where.reached(move, writes=True)
    if where.as_json:
        write_json(moved)
    else:
        _tell(moved, before)
    if offline and moved["status"] in UNSERVED:
        typer.echo(f"clew: {UNSERVED[moved['status']]}", err=True)


async def _rested(reach: Reach, run: Any, wait: float) -> Any:
    """The run once it rests, or as it is when the time is up."""
    import asyncio

    path = path_of(run["id"])
    try:
        async with asyncio.timeout(wait):
            async for _ in reach.events(f"{path}/stream", mode="tasks", until="interrupted"):
                pass
    except TimeoutError:
        pass
    return await reach.get(path)


def _tell(moved: Any, before: str | None) -> None:
    why = f": {error_text(moved['error'])}" if moved["error"] else reason_text(moved)
    typer.echo(f"{moved['id']} {status_of(moved)}{why}")
    for line in said_lines(moved["error"]):
        typer.echo(line)
    if before not in (None, moved["id"]):
        typer.echo(f"compare: clew runs compare {before} {moved['id']}")
    if moved.get("dropped"):
        typer.echo(
            f"dropped, since it has no place in version {moved['workflow_version']}: {', '.join(moved['dropped'])}"
        )
    answers = [] if moved["hold"] else answer_lines(moved)
    for line in (*waiting_lines(moved), *asked_lines(moved, labelled=False), *answers):
        typer.echo(line)
