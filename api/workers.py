"""Workers: who is registered, and the outbox told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from api.paging import page_of
from api.render_workers import worker_json
from api.schemas_workers import Beat, ChangedWorker, NewWorker
from dispatch._address import check_worker_headers, check_worker_url
from dispatch._beats import Beats
from dispatch._fault import Fault
from dispatch._http import Http
from dispatch._registry import faults_of, introduced, needs_introduction, protocols, runs_code
from dispatch._secrets import new_secret
from engine.claims import Claim
from engine.codec import write
from engine.errors import Invalid, NotFound
from engine.limits import rate_problem
from engine.outbox import Outbox, Rate
from engine.ports import Page, Store, WorkerRow
from engine.values import replace


class Workers:
    """The registry of workers. `clock` gives milliseconds since the epoch; `in_process` allows workers that are code
    which runs in this process; by `http` those are asked who they are that can say it."""

    def __init__(
        self, store: Store, outbox: Outbox, beats: Beats, clock: Callable[[], int], http: Http, *, in_process: bool
    ) -> None:
        self.store, self.outbox, self.beats, self.clock, self.in_process = store, outbox, beats, clock, in_process
        self.http = http

    async def tell(self) -> None:
        """Tell the outbox who is registered now."""
        self.outbox.workers_changed({row.id: row for row in await self.store.workers()})

    async def register(self, asked: NewWorker, claim: Claim | None = None) -> WorkerRow:
        """Add a worker; a secret is made where none is given. Raises Invalid, and Conflict when the id is taken."""
        if claim is not None and claim.made is not None:
            return await self.get(claim.made)
        now = self.clock()
        given = _columns(asked) | {"secret": asked.secret or new_secret()}
        row = WorkerRow(id=asked.id, created_at=now, updated_at=now, **given)
        row = await self._introduced(row, None)
        await self.put(row, create=True, claim=claim)
        return row

    async def take_up(self, asked: NewWorker) -> tuple[WorkerRow, bool]:
        """Register a worker, or change what it says of itself where its id is known; whether it is new. What is kept of
        one that comes back is what it leaves out, its secret too. Raises Invalid."""
        if await self.store.worker(asked.id) is None:
            return await self.register(asked), True
        return await self.change(asked.id, asked), False

    async def set_status(self, worker_id: str, status: str) -> WorkerRow:
        """Have a worker get tasks (`active`), or nothing more. Raises NotFound."""
        row = await self.get(worker_id)
        if row.status == status:
            return row
        row = replace(row, status=status, updated_at=self.clock())
        await self.store.put_worker(row, create=False)
        await self.tell()
        return row

    def beat(self, worker_id: str, said: Beat) -> WorkerRow:
        """Note what a worker says of itself. Raises NotFound."""
        row = self.beats.knows(worker_id)
        if row is None:
            raise NotFound(f"there is no worker '{worker_id[:80]}': it has to be registered first")
        self.beats.beat(worker_id, said.model_dump(include=said.model_fields_set - {"worker_id"}))
        return row

    def shown(self, row: WorkerRow) -> dict[str, Any]:
        """A worker as it stands."""
        return worker_json(row, self.outbox.standing(row.id), self.beats.last(row.id))

    async def change(self, worker_id: str, asked: ChangedWorker | NewWorker) -> WorkerRow:
        """Change the fields that were given. Raises NotFound or Invalid."""
        before = await self.get(worker_id)
        row = await self._introduced(replace(before, updated_at=self.clock(), **_columns(asked)), before)
        await self.put(row, create=False)
        return row

    async def _introduced(self, row: WorkerRow, before: WorkerRow | None) -> WorkerRow:
        """Get to know a worker that says by itself what it is. Raises Invalid."""
        self._check(row)
        return await introduced(self.http, self.clock, row, before)

    async def put(self, row: WorkerRow, *, create: bool, claim: Claim | None = None) -> None:
        """Write a worker down, and tell the outbox. Raises Invalid, and Conflict when it is new and the id is taken."""
        self._check(row)
        await self.store.put_worker(row, create=create, claim=claim)
        await self.tell()

    async def renew(self, again: bool) -> None:
        """Ask those who they are that could not be asked before; with `again` all that can say it."""
        for before in await self.store.workers():
            if before.protocol not in protocols() or not needs_introduction(before, again=again):
                continue
            row = await introduced(self.http, self.clock, before, before)
            if row != before and await self.store.worker(before.id) == before:  # else somebody was faster
                await self.store.put_worker(replace(row, updated_at=self.clock()), create=False)
                await self.tell()

    async def get(self, worker_id: str) -> WorkerRow:
        """One worker. Raises NotFound."""
        row = await self.store.worker(worker_id)
        if row is None:
            raise NotFound(f"there is no worker '{worker_id[:80]}'")
        return row

    async def page(self, limit: int, cursor: str | None) -> Page[WorkerRow]:
        """Workers by id."""
        rows = sorted(await self.store.workers(), key=lambda row: row.id)
        return page_of(rows, lambda row: row.id, limit, cursor)

    def rates(self, limit: int, cursor: str | None) -> Page[tuple[str, Rate]]:
        """What workers have said of their rate limits, by worker id."""
        return page_of(sorted(self.outbox.rates().items()), lambda item: item[0], limit, cursor)

    async def delete(self, worker_id: str) -> None:
        """Remove a worker; what it holds may still be answered. Raises NotFound."""
        await self.get(worker_id)
        await self.store.delete_worker(worker_id)
        await self.tell()

    def _check(self, row: WorkerRow) -> None:
        """Raises Invalid for a worker that could not be reached as it says."""
        known = protocols()
        if row.protocol not in known:
            raise _invalid("protocol", f"'{row.protocol[:80]}' is not supported; supported: {', '.join(known)}")
        if runs_code(row.protocol) and not self.in_process:
            why = f"{row.protocol} workers run code in the server's process: start it with --local-workers"
            raise _invalid("protocol", why)
        faults = [*faults_of(row), *_own_faults(row)]
        if faults:
            problems = [{"path": f"/{field}", "message": why} for field, why in faults]
            raise Invalid(f"{faults[0].field}: {faults[0].why}", "worker.invalid", problems)


def _own_faults(row: WorkerRow) -> Iterator[Fault]:
    """What is wrong with what all workers may have, however they are reached."""
    if "rate_limit" in row.metadata and (why := rate_problem(row.metadata["rate_limit"])):
        yield Fault("metadata/rate_limit", why)
    if row.health is not None and not row.health.startswith("{") and (why := check_worker_url(row.health)):
        yield Fault("health", why)
    if why := check_worker_headers(_with_token(row)):
        yield Fault("headers", why)


def _columns(asked: NewWorker | ChangedWorker) -> dict[str, Any]:
    """The fields that were given, as a row has them; null empties a list or an object. Raises Invalid."""
    given = asked.model_dump(include=asked.model_fields_set - {"id"})
    if "tags" in given:
        given["tags"] = tuple(dict.fromkeys(given["tags"]))
    if isinstance(given.get("health"), str) and given["health"].startswith("{"):
        raise _invalid("health", 'a promise is an object, {"heartbeat_ms": 10000}, and not its text')
    if isinstance(given.get("health"), dict):
        given["health"] = write(given["health"]).decode()
    if given.get("headers", ...) is None:
        given["headers"] = {}
    return given


def _with_token(row: WorkerRow) -> Mapping[str, str]:
    return row.headers if row.token is None else {**row.headers, "Authorization": row.token}


def _invalid(field: str, why: str) -> Invalid:
    return Invalid(f"{field}: {why}", "worker.invalid", [{"path": f"/{field}", "message": why}])
