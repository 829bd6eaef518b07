"""Commands about workers: `clew workers list|show|add|set|remove`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from api.cli._app import MISUSED, SERVING, app, stop
from api.cli._listed import path_to, show_lines, show_page
from api.cli._options import Cursor, Limit, grouped
from api.cli._reach import Where
from api.cli._runs import pairs_of, settings_of
from api.cli._shown import short

workers = typer.Typer(help="Look at workers, register and change them.", no_args_is_help=True)
app.add_typer(workers, name="workers", rich_help_panel=SERVING)

WorkerArg = Annotated[str, typer.Argument(metavar="WORKER", help="Id of a worker.", show_default=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Options that describe a worker."""

    protocol: Annotated[str | None, typer.Option(metavar="NAME", help="webhook or local.")] = None
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
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Its URL, or module:function.", show_default=False)],
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
def remove(worker: WorkerArg, *, where: Where) -> None:
    """Remove a worker; tasks that it holds may still be answered."""
    where.reached(lambda reach: reach.delete(path_to("workers", worker)), writes=True)
    show_lines({"id": worker, "removed": True}, (f"removed {worker}",), where)


def worker_line(found: Any) -> str:
    """A worker in a list."""
    tags = ", ".join(found["tags"])
    return f"{found['id']}  {found['status']:<8}  {found['protocol']:<7}  [{tags}]  {found['url'] or ''}".rstrip()


def worker_lines(found: Any) -> Iterator[str]:
    """A worker with all that is told of it."""
    yield f"worker    {found['id']}"
    yield f"status    {found['status']}"
    yield f"address   {found['url'] or 'none'}, {found['protocol']}"
    yield f"tags      {', '.join(found['tags']) or 'none'}"
    yield f"at once   {found['max_concurrent']}"
    for name in ("model", "health"):
        if found[name]:
            yield f"{name:<8}  {found[name]}"
    if found["metadata"]:
        yield f"metadata  {short(found['metadata'])}"
