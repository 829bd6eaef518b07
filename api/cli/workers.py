"""Commands about workers: `clew workers list|show|add|set|drain|remove`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from api.cli._app import MISUSED, SERVING, app, stop
from api.cli._listed import path_to, show_lines, show_page
from api.cli._options import Cursor, Limit, grouped
from api.cli._reach import Where
from api.cli._runs import pairs_of, settings_of
from api.cli._shown import short
from engine.values import dataclass

workers = typer.Typer(help="Look at workers, register and change them.", no_args_is_help=True)
app.add_typer(workers, name="workers", rich_help_panel=SERVING)

SAID = ("inventory", "resources", "metrics")
"""What a worker says of itself."""
WorkerArg = Annotated[str, typer.Argument(metavar="WORKER", help="Id of a worker.", show_default=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Options that describe a worker."""

    protocol: Annotated[str | None, typer.Option(metavar="NAME", help="webhook, pull or local.")] = None
    tags: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag. Repeatable.")] = None
    max_concurrent: Annotated[int | None, typer.Option(min=1, metavar="N", help="Tasks at one time.")] = None
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model that it runs.")] = None
    health: Annotated[str | None, typer.Option(metavar="URL", help="An address that says whether it is well.")] = None
    worker_token: Annotated[str | None, typer.Option(metavar="TOKEN", help="Sent to it as bearer token.")] = None
    secret: Annotated[str | None, typer.Option(metavar="SECRET", help="Signs what is sent; else one is made.")] = None
    headers: Annotated[
        list[str] | None, typer.Option("--header", metavar="NAME=VALUE", help="Sent with every request. Repeatable.")
    ] = None
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", metavar="KEY=VALUE", help="JSON, or else text. Repeatable.")
    ] = None

    def body(self) -> dict[str, Any]:
        """What these options say in the body of a request."""
        said = {
            "protocol": self.protocol,
            "tags": self.tags,
            "max_concurrent": self.max_concurrent,
            "model": self.model,
            "health": self.health,
            "token": self.worker_token,
            "secret": self.secret,
            "headers": dict(pairs_of(self.headers, "--header")) or None,
            "metadata": settings_of(self.metadata or [], None, "--metadata") or None,
        }
        return {name: value for name, value in said.items() if value}


@workers.command("list")
@grouped
def list_workers(limit: Limit = 20, cursor: Cursor = None, *, where: Where) -> None:
    """List workers by id."""
    page = where.reached(lambda reach: reach.get("/workers", limit=limit, cursor=cursor))
    show_page(page, worker_line, "no workers", where)


@workers.command()
@grouped
def show(worker: WorkerArg, *, where: Where) -> None:
    """Show a worker."""
    found = where.reached(lambda reach: reach.get(path_to("workers", worker)))
    show_lines(found, worker_lines(found), where)


@workers.command()
@grouped
def add(
    worker: WorkerArg,
    address: Annotated[
        str | None,
        typer.Argument(metavar="ADDRESS", help="Its URL, or module:function; none for pull.", show_default=False),
    ] = None,
    *,
    fields: Fields,
    where: Where,
) -> None:
    """Register a worker. A secret that is made for it is shown this once."""
    body = {"protocol": "webhook", **fields.body(), "id": worker, "url": address}
    made = where.reached(lambda reach: reach.post("/workers", body), writes=True)
    show_lines(made, (worker_line(made), f"secret    {made['secret']}"), where)


@workers.command("set")
@grouped
def change(
    worker: WorkerArg,
    address: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Its URL, or module:function.")] = None,
    *,
    fields: Fields,
    where: Where,
) -> None:
    """Change what is given of a worker, and nothing else; given tags, headers and metadata take the place of all."""
    body = {**fields.body(), **({"url": address} if address is not None else {})}
    if not body:
        stop(MISUSED, "say what is to be changed: see 'clew workers set --help'")
    changed = where.reached(lambda reach: reach.patch(path_to("workers", worker), body), writes=True)
    show_lines(changed, worker_lines(changed), where)


@workers.command()
@grouped
def drain(
    worker: WorkerArg,
    hand_back: Annotated[
        bool, typer.Option("--hand-back", help="What it holds is taken back, and goes to others.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Have it get tasks again.")] = False,
    *,
    where: Where,
) -> None:
    """Have a worker get nothing more; what it holds goes on."""
    if hand_back and undo:
        stop(MISUSED, "--hand-back takes from a worker that is drained: leave --undo out")
    body = {"draining": not undo, "mode": "hand_back" if hand_back else "finish"}
    found = where.reached(lambda reach: reach.post(path_to("workers", worker, "drain"), body), writes=True)
    taken = [f"taken     {task['node']} of run {task['run_id']}" for task in found["handed_back"]]
    show_lines(found, (worker_line(found), f"holds     {held_text(found)}", *taken), where)


@workers.command()
@grouped
def remove(worker: WorkerArg, *, where: Where) -> None:
    """Remove a worker; tasks that it holds may still be answered."""
    where.reached(lambda reach: reach.delete(path_to("workers", worker)), writes=True)
    show_lines({"id": worker, "removed": True}, (f"removed {worker}",), where)


def worker_line(found: Any) -> str:
    """A worker in a list."""
    tags = ", ".join(found["tags"])
    how = "away" if found["away"] else found["status"]
    return f"{found['id']}  {how:<8}  {found['protocol']:<7}  [{tags}]  {found['url'] or ''}".rstrip()


def worker_lines(found: Any) -> Iterator[str]:
    """A worker with all that is told of it."""
    yield f"worker    {found['id']}"
    yield f"status    {found['status']}"
    yield f"address   {found['url'] or 'none'}, {found['protocol']}"
    yield f"tags      {', '.join(found['tags']) or 'none'}"
    yield f"at once   {found['max_concurrent']}"
    yield f"holds     {held_text(found)}"
    told = {
        "circuit": found["circuit"] if found["circuit"] != "closed" else None,
        "away": found["reason"],
        "model": found["model"],
        "health": health_text(found["health"]),
        "seen": found["last_seen"],
        **{name: short(found[name]) for name in SAID if found[name] is not None},
        "metadata": short(found["metadata"]) if found["metadata"] else None,
    }
    yield from (f"{name:<9} {text}" for name, text in told.items() if text)


def held_text(found: Any) -> str:
    """How many tasks a worker holds."""
    return f"{found['in_flight']} of {found['max_concurrent']}"


def health_text(health: Any) -> str | None:
    """Where its health is asked, or what it promises."""
    return f"a heartbeat every {health['heartbeat_ms']} ms" if isinstance(health, dict) else health
