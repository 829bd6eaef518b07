"""Commands that move runs: `clew runs fork|replay|resume|retry|cancel`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli._app import MISUSED, AsJson, stop
from api.cli._reach import Db, Reach, Token, Url, reached
from api.cli._runs import CheckpointArg, RunArg, an_object, parsed, path_of, runs, settings_of
from api.cli._shown import error_text, status_of, write_json

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Write to the state; JSON, or else text. Repeat it for more keys."),
]
Updates = Annotated[str | None, typer.Option(help="The same as one JSON object.")]
Config = Annotated[str | None, typer.Option(help="A JSON object, laid over the run's config.")]
Reuse = Annotated[bool, typer.Option("--reuse", help="Take over recorded answers to tasks whose input is the same.")]
Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait for the run to rest; 0 does not wait.")]
WAIT_S = 10.0
OFFLINE = "nobody serves this database: tasks for workers wait until 'clew serve' does"


@runs.command()
def fork(
    checkpoint: CheckpointArg,
    sets: Set = None,
    updates: Updates = None,
    config: Config = None,
    reuse: Reuse = False,
    wait: Wait = WAIT_S,
    url: Url = None,
    token: Token = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Start a new run from a checkpoint, with another state where --set or --updates says so."""
    body = {"checkpoint_id": checkpoint, "updates": settings_of(sets or [], updates)}
    if config is not None:
        body["config"] = an_object(config, "--config")
    if reuse:
        body["reuse"] = "unchanged"
    _move(_checkpoint_run(checkpoint), "/runs/fork", body, wait, url, token, db, as_json)


@runs.command()
def replay(
    checkpoint: CheckpointArg,
    sets: Set = None,
    updates: Updates = None,
    reuse: Reuse = False,
    wait: Wait = WAIT_S,
    url: Url = None,
    token: Token = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Go on from a checkpoint within its run, on a new branch."""
    body: dict[str, Any] = {"checkpoint_id": checkpoint, "updates": settings_of(sets or [], updates)}
    if reuse:
        body["reuse"] = "unchanged"
    run = _checkpoint_run(checkpoint)
    _move(run, path_of(run, "replay"), body, wait, url, token, db, as_json)


@runs.command()
def resume(
    run: RunArg,
    value: Annotated[str, typer.Argument(help="The answer, as JSON.", show_default=False)],
    interrupt: Annotated[str | None, typer.Option(help="Which question, where several are open.")] = None,
    sets: Set = None,
    updates: Updates = None,
    wait: Wait = WAIT_S,
    url: Url = None,
    token: Token = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Answer what a run asks."""
    answer = parsed(value, "VALUE")
    body = {"resume": answer if interrupt is None else {interrupt: answer}, "updates": settings_of(sets or [], updates)}
    _move(run, path_of(run, "resume"), body, wait, url, token, db, as_json)


@runs.command()
def retry(
    run: RunArg,
    config: Config = None,
    wait: Wait = WAIT_S,
    url: Url = None,
    token: Token = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Start again what failed in a run."""
    body = {} if config is None else {"config": an_object(config, "--config")}
    _move(run, path_of(run, "retry"), body, wait, url, token, db, as_json)


@runs.command()
def cancel(run: RunArg, url: Url = None, token: Token = None, db: Db = None, as_json: AsJson = False) -> None:
    """End a run that is not over; what it did stays."""
    _move(run, path_of(run, "cancel"), {}, 0, url, token, db, as_json)


def _checkpoint_run(checkpoint: str) -> str:
    run, _, seq = checkpoint.rpartition(".")
    if not run or not seq.isdigit():
        stop(MISUSED, f"'{checkpoint}' is no checkpoint: RUN.SEQ, as 'clew runs show RUN' lists them")
    return run


def _move(
    run: str, path: str, body: Any, wait: float, url: str | None, token: str | None, db: str | None, as_json: bool
) -> None:
    async def move(reach: Reach) -> tuple[Any, bool]:
        moved = await reach.post(path, body)
        return await _rested(reach, moved, 0 if reach.offline else wait), reach.offline

    moved, offline = reached(move, url, token, db, writes=True)
    if as_json:
        write_json(moved)
    else:
        _tell(moved, run)
    if offline and moved["status"] == "running":
        typer.echo(f"clew: {OFFLINE}", err=True)


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


def _tell(moved: Any, before: str) -> None:
    why = f": {error_text(moved['error'])}" if moved["error"] else ""
    typer.echo(f"{moved['id']} {status_of(moved)}{why}")
    if moved["id"] != before:
        typer.echo(f"compare: clew runs compare {before} {moved['id']}")
    for found in moved["interrupts"]:
        typer.echo(f"asks {found['id']} {found['node']}: {found['message']}")
