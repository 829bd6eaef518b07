"""The outbox: hands tasks to workers that have a free slot, keeps the others in line, and tells what came back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from operator import attrgetter

from dispatch._bounds import MAX_DELIVERIES, Bounds
from dispatch._choose import need_of
from dispatch._deliveries import Deliveries
from dispatch._entry import Entry
from dispatch._gates import Gates, gates_of
from dispatch._presence import Presence
from dispatch._rate import Later, Rates, Timer
from dispatch._ready import Ready
from dispatch._slots import Slots
from dispatch._transport import Transport
from dispatch._waiting import Waiting
from engine.answer import RateLimit
from engine.line import order_of
from engine.model import TaskId
from engine.outbox import Accepted, Listener, Rate, Reply, Unreachable, Work
from engine.ports import WorkerRow

_by_id = attrgetter("id")


class WorkerOutbox:
    """An `engine.outbox.Outbox` over transports by protocol. `listen` comes before the first `submit`.

    The listener is called synchronously, also from within `submit`, `release` and `workers_changed`, and may call them
    itself. `Unreachable` is never reported as a reply: the work goes back in line, and `waiting` or `dispatched` says
    so. `clock` gives milliseconds since the epoch, `reply_to` the address at which a worker may answer later.
    """

    def __init__(
        self,
        transports: Mapping[str, Transport],
        *,
        clock: Callable[[], int],
        reply_to: Callable[[Work], str],
        later: Later | None = None,
        max_deliveries: int = MAX_DELIVERIES,
        max_in_flight: int | None = None,
        presence: Presence | None = None,
    ) -> None:
        self._transports = transports
        self._clock = clock
        later = later or _call_later
        presence = presence or Presence()
        presence.listen(self._heard)
        self._bounds = Bounds(max_deliveries, max_in_flight)
        self._slots = Slots(transports, later, self._serve_all, presence)
        self._rates = Rates(later, self._serve_all)
        self._gates: Gates[Entry] = Gates(lambda entry, reason: self._listener.waiting(entry.work, reason.value))
        self._waiting = Waiting(self._slots, self._rates, self._bounds, clock, send=self._send, tell=self._tell)
        self._deliveries = Deliveries(transports, reply_to)
        self._listener: Listener
        self._entries: dict[TaskId, Entry] = {}
        self._ready = Ready(reply_to)
        self._numbers = count()

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def prepare(self, work: Work) -> None:
        """Write and sign the envelope of an attempt that carries much, for the worker that would get it now."""
        need = need_of(work)
        waits = need in self._waiting or not self._gates.allow(gates_of(work))
        if self._bounds.closing or self._bounds.held or waits or not self._ready.is_worth_it(work):
            return
        if (worker := self._slots.likely(need, work.served_by)) is not None:
            self._ready.make(work, worker, self._transports[worker.protocol], self._clock())

    def submit(self, work: Work) -> None:
        """Take an attempt. It replaces one of the same task that is still under way; after `close` it is dropped."""
        if self._bounds.closing:
            return
        self._ready.forget(work.task_id, but=work)
        self._release(work.task_id)
        order = order_of(work.priority, work.since, next(self._numbers))
        entry = Entry(work=work, need=need_of(work), order=order, gates=gates_of(work))
        self._entries[work.task_id] = entry
        if work.accepted_by is not None:
            entry.worker_id = work.accepted_by
            self._bounds.in_flight += 1
            self._gates.force(entry)
            self._slots.take(work.accepted_by)
        elif self._gates.enter(entry):
            self._waiting.place(entry)

    def release(self, task_id: TaskId) -> None:
        """Forget an attempt: out of the line, its delivery aborted, its slot freed. Idempotent."""
        self._ready.forget(task_id)
        self._release(task_id)

    def _release(self, task_id: TaskId) -> None:
        if (entry := self._entries.pop(task_id, None)) is None:
            return
        if entry.worker_id is None:
            self._waiting.leave(entry)
            self._waiting.go_on(self._gates.leave(entry))
            return
        if entry.delivery is not None:
            self._bounds.under_way -= 1
            entry.delivery.cancel()
        self._bounds.in_flight -= 1
        self._slots.free(entry.worker_id)
        self._waiting.go_on(self._gates.leave(entry), entry.worker_id)

    def cancel(self, task_id: TaskId) -> None:
        """Forget an attempt that nobody wants any more, and tell the worker that holds it. Idempotent."""
        entry = self._entries.get(task_id)
        self.release(task_id)
        held_by = self._slots.find(entry.worker_id) if entry is not None and entry.worker_id is not None else None
        if entry is not None and held_by is not None and not self._bounds.closing:
            self._deliveries.cancel(entry.work, held_by)

    def withdraw(self, task_id: TaskId) -> None:
        """Take an attempt out of the line; one that a worker holds goes on. Idempotent."""
        if (entry := self._entries.get(task_id)) is not None and entry.worker_id is None:
            self.release(task_id)

    @property
    def under_way(self) -> int:
        """How many deliveries are under way."""
        return self._bounds.under_way

    @property
    def in_line(self) -> int:
        """How many tasks wait for a worker, or for their turn."""
        return len(self._waiting) + self._gates.waiting

    def hold(self, held: bool) -> None:
        """Begin no delivery from now on, or serve those in line again."""
        self._bounds.held = held
        if not held:
            self._serve_all()

    def open(self) -> None:
        """Let work begin that has limits."""
        self._waiting.go_on(self._gates.open())

    def workers_changed(self, workers: Mapping[str, WorkerRow]) -> None:
        """Replace the registered workers (id → row) and look again at everything that waits."""
        self._slots.set_workers(workers)
        for protocol, transport in self._transports.items():
            transport.serve(sorted((row for row in workers.values() if row.protocol == protocol), key=_by_id))
        self._serve_all()

    def _heard(self, worker_id: str, here: bool) -> None:
        """A worker came, or is away: those in line are looked at again."""
        if here:
            self._slots.came(worker_id)
        self._serve_all()

    def rated(self, worker_id: str, limit: RateLimit) -> None:
        """Learn what a worker says of its rate limit."""
        if self._slots.rated(worker_id, limit, self._clock()):
            self._serve_all()

    def rates(self) -> Mapping[str, Rate]:
        return self._slots.rates()

    async def close(self, grace_s: float) -> None:
        """Take no more work, give deliveries under way `grace_s` seconds, abort the rest, close the transports.

        What was aborted, accepted or in line is not reported: it is submitted again after a restart. Idempotent.
        """
        self._bounds.closing = True
        self._slots.close()
        self._rates.close()
        await self._deliveries.close(grace_s)

    def _serve_all(self) -> None:
        self._waiting.serve_all()

    def _tell(self, work: Work, reason: str) -> None:
        self._listener.waiting(work, reason)

    # ---- a delivery

    def _send(self, entry: Entry, worker_id: str) -> None:
        at, work = self._clock(), entry.work
        made, deadline = self._ready.take(work, at)
        probe = self._slots.begin(worker_id, at)
        entry.worker_id = worker_id
        self._bounds.under_way, self._bounds.in_flight = self._bounds.under_way + 1, self._bounds.in_flight + 1
        if entry.need.rate is not None:
            self._rates.note(*entry.need.rate, at)
        settle = partial(self._settle, entry, worker_id, probe)
        entry.delivery = self._deliveries.begin(work, self._slots.row(worker_id), deadline, made, settle)
        self._listener.dispatched(work, worker_id, at, deadline)

    def _settle(self, entry: Entry, worker_id: str, probe: bool, reply: Reply) -> None:
        """Free what the delivery held, give it to those in line, then tell the listener, who may submit more."""
        if self._entries.get(entry.work.task_id) is not entry:
            return
        self._bounds.under_way -= 1
        entry.delivery = None
        through: Sequence[Entry] = ()
        if not isinstance(reply, Accepted):
            self._slots.free(worker_id)
            self._bounds.in_flight -= 1
        if isinstance(reply, Unreachable):
            entry.worker_id = None
        elif not isinstance(reply, Accepted):
            del self._entries[entry.work.task_id]
            through = self._gates.leave(entry)
        changed = self._slots.heard(worker_id, reply, probe=probe)
        self._waiting.go_on(through, worker_id)
        if changed:
            self._serve_all()
        if not isinstance(reply, Unreachable):
            self._listener.replied(entry.work, worker_id, reply)
        elif self._entries.get(entry.work.task_id) is entry and not self._bounds.closing:
            self._waiting.place(entry)


def _call_later(seconds: float, call: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, call)
