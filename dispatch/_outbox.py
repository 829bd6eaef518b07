"""The outbox: hands tasks to workers that have a free slot, keeps the others in line, and tells what came back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from operator import attrgetter
from typing import Any

import structlog

from dispatch._allowances import said_in
from dispatch._asks import Asks
from dispatch._beats import Beats, call_later
from dispatch._bounds import MAX_DELIVERIES, Bounds
from dispatch._choose import need_of
from dispatch._deliveries import Deliveries
from dispatch._entry import Entry
from dispatch._gates import Gates
from dispatch._leases import Leases
from dispatch._presence import BY_ITSELF, Presence
from dispatch._rate import Later, Rates
from dispatch._ready import Ready
from dispatch._slots import Slots
from dispatch._stays import Lodger, Stays
from dispatch._transport import Transport, refused
from dispatch._visitors import Visitors
from dispatch._waiting import Waiting
from engine.answer import RateLimit
from engine.limits import LimitReason, gates_of
from engine.line import order_of
from engine.model import RunId, TaskId
from engine.outbox import LOST, Accepted, Held, Listener, Rate, Reply, Standing, Stay, Unanswered, Unreachable, Work
from engine.ports import WorkerRow

_by_id = attrgetter("id")

log = structlog.get_logger(__name__)


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
        asks: Asks | None = None,
        beats: Beats | None = None,
        asking: Container[str] = (),
    ) -> None:
        self._transports = transports
        self._clock = clock
        later = later or call_later
        self._presence = presence = presence or Presence()
        self._beats = beats or Beats(clock, later)
        self._beats.listen(self._away, self._owned)
        presence.listen(self._heard)
        presence.holdings = self
        self._bounds = Bounds(max_deliveries, max_in_flight)
        self._asks = asks or Asks()
        self._asks.serve(self)
        self._registered: Mapping[str, WorkerRow] = {}
        self._visitors = Visitors(later, self._set_workers)
        self._leases: Leases[TaskId] = Leases(clock, later, self.lost, lambda: self._bounds.held)
        self._slots = Slots(transports, later, self._serve_all, presence, asks=self._asks, asking=asking)
        self._rates = Rates(later, self._serve_all)
        self._gates: Gates[Entry | Lodger] = Gates(self._keep_out)
        self._waiting = Waiting(self._slots, self._rates, self._bounds, clock, send=self._send, tell=self._tell)
        self._deliveries = Deliveries(transports, reply_to)
        self._listener: Listener
        self._entries: dict[TaskId, Entry] = {}
        self._ready = Ready(reply_to)
        self._numbers = count()
        self._stays: Stays[Entry] = Stays(self._gates, clock, self._numbers, lambda: self._listener, later)

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def prepare(self, work: Work) -> None:
        """Write and sign the envelope of an attempt that carries much, for the worker that would get it now."""
        need = need_of(work)
        waits = need in self._waiting or not self._gates.allow(gates_of(work.limits))
        if self._bounds.closing or self._bounds.held or waits or not self._ready.is_worth_it(work):
            return
        if (worker := self._slots.likely(need, work.served_by, self._failed_by(work, work.failed_by))) is not None:
            self._ready.make(work, worker, self._transports[worker.protocol], self._clock())

    def submit(self, work: Work) -> None:
        """Take an attempt. It replaces one of the same task that is still under way; after `close` it is dropped."""
        if self._bounds.closing:
            return
        self._ready.forget(work.task_id, but=work)
        self._release(work.task_id)
        order = order_of(work.priority, work.since, next(self._numbers))
        entry = Entry(work=work, need=need_of(work), order=order, gates=gates_of(work.limits))
        entry.failed_by = self._failed_by(work, work.failed_by)
        self._entries[work.task_id] = entry
        if work.accepted_by is not None:
            entry.worker_id, entry.accepted = work.accepted_by, True
            self._bounds.in_flight += 1
            self._gates.force(entry)
            self._slots.take(work.accepted_by)
            if work.lease_ms is not None:
                self._leases.begin(work.task_id, work.lease_ms)
            self._stay_again(entry, work.accepted_by)
        elif self._gates.enter(entry):
            self._waiting.place(entry)
        else:
            self._waiting.go_on(self._stays.settle(self._gates.unknot(entry)))

    def release(self, task_id: TaskId) -> None:
        """Forget an attempt: out of the line, its delivery aborted, its slot freed. Idempotent."""
        self._ready.forget(task_id)
        self._release(task_id)

    def _release(self, task_id: TaskId) -> None:
        if (entry := self._entries.pop(task_id, None)) is None:
            return
        if entry.worker_id is None:
            self._waiting.leave(entry)
            self._waiting.go_on(self._leave(entry))
            return
        self._let_go(entry, entry.worker_id)
        self._waiting.go_on(self._leave(entry), entry.worker_id)

    def _leave(self, entry: Entry) -> list[Entry]:
        """An attempt is not behind its gates any more; those who may look for a worker with that."""
        return self._stays.settle(self._gates.leave(entry))

    def _keep_out(self, who: Entry | Lodger, reason: LimitReason) -> None:
        if isinstance(who, Lodger):
            self._stays.keep_out(who, reason)
        else:
            self._listener.waiting(who.work, reason.value)

    def move_in(self, stay: Stay, *, here: bool = False) -> None:
        """Have a task take its turn for its room; the listener may be told at once."""
        if not self._bounds.closing:
            self._waiting.go_on(self._stays.move_in(stay, here=here))

    def move_out(self, task_ids: Iterable[TaskId]) -> None:
        """Have tasks give up their rooms. Idempotent."""
        self._waiting.go_on(self._stays.move_out(task_ids))

    def move_out_of(self, run_id: RunId, but: Collection[TaskId] = ()) -> None:
        """Have all tasks of a run but these give up their rooms. Idempotent."""
        self._waiting.go_on(self._stays.move_out_of(run_id, but))

    def _let_go(self, entry: Entry, worker_id: str) -> None:
        """A worker does not hold an attempt any more; a delivery that is under way is aborted."""
        if not entry.accepted:
            self._bounds.under_way -= 1
            self._asks.break_promise(worker_id)
        if entry.delivery is not None:
            entry.delivery.cancel()
        self._leases.end(entry.work.task_id)
        self._bounds.in_flight -= 1
        self._slots.free(worker_id)

    def cancel(self, task_id: TaskId) -> None:
        """Forget an attempt that nobody wants any more, and tell the worker that holds it. Idempotent."""
        self._take_back(task_id, self._deliveries.cancel)

    def rebind(self, task_id: TaskId) -> None:
        """The same where another worker gets it. Idempotent."""
        self._take_back(task_id, self._deliveries.rebind)

    def _take_back(self, task_id: TaskId, tell: Callable[[Work, WorkerRow], None]) -> None:
        entry = self._entries.get(task_id)
        self.release(task_id)
        held_by = self._slots.find(entry.worker_id) if entry is not None and entry.worker_id is not None else None
        if entry is not None and held_by is not None and not self._bounds.closing:
            tell(entry.work, held_by)

    def dismiss(self, left: Unanswered) -> None:
        """Tell a worker that nobody goes on with what it said last in a task; one that is gone hears nothing."""
        worker = self._slots.find(left.worker)
        if worker is not None and not self._bounds.closing:
            self._deliveries.dismiss(left, worker)

    async def gone_on(self, worker_id: str, said: Any) -> bool:
        """Wait until a worker has gone on by itself that said it needs a right; False where that cannot be known."""
        worker = self._slots.find(worker_id)
        return worker is not None and await self._deliveries.gone_on(worker, said)

    def withdraw(self, task_id: TaskId) -> None:
        """Take an attempt out of the line; one that a worker holds goes on. Idempotent."""
        if (entry := self._entries.get(task_id)) is not None and entry.worker_id is None:
            self.release(task_id)

    @property
    def under_way(self) -> int:
        return self._bounds.under_way

    @property
    def in_flight(self) -> int:
        return self._bounds.in_flight

    @property
    def in_line(self) -> int:
        return len(self._waiting) + self._gates.waiting

    def hold(self, held: bool) -> None:
        self._bounds.held = held
        if not held:
            self._serve_all()

    def open(self) -> None:
        """Let work begin that has limits."""
        self._waiting.go_on(self._stays.settle(self._gates.open()))

    def workers_changed(self, workers: Mapping[str, WorkerRow]) -> None:
        """Replace the registered workers (id → row) and look again at everything that waits."""
        self._registered = workers
        self._beats.set_workers(workers)
        self._set_workers()
        for protocol, transport in self._transports.items():
            transport.serve(sorted((row for row in workers.values() if row.protocol == protocol), key=_by_id))
        self._serve_all()

    def _set_workers(self) -> None:
        self._slots.set_workers({**self._registered, **self._visitors.rows})

    def asked(self, worker: WorkerRow, *, visits: bool) -> None:
        """A worker asks for tasks: those get it that have waited longest."""
        if visits:
            self._visitors.came(worker)
        self._waiting.serve(worker.id)

    def alive(self, task_id: TaskId) -> None:
        """Extend the lease of a task that a worker is at."""
        self._leases.extend(task_id)

    def lost(self, task_id: TaskId, why: str = "nothing was heard of the worker as long as its lease allows") -> None:
        """The worker that holds an attempt is gone: the attempt has failed. No effect where none holds it."""
        entry = self._entries.get(task_id)
        if entry is None or entry.worker_id is None or self._bounds.closing:
            return
        worker_id = entry.worker_id
        log.warning("worker.lost", **entry.work.names, worker_id=worker_id, why=why)
        del self._entries[task_id]
        self._let_go(entry, worker_id)
        self._waiting.go_on(self._leave(entry), worker_id)
        reply = refused(LOST, why, retryable=True, transport=True)
        self._listener.replied(entry.work, worker_id, reply)

    def _away(self, worker_id: str, why: str | None, lost: bool) -> None:
        """A worker is left alone from now on, or is there; what it held is lost where it is silent."""
        self._presence.set(worker_id, why is None, by=BY_ITSELF)
        if lost:
            for held in self.held_by(worker_id):
                self.lost(held.task_id, f"nothing was heard of the worker: {why}")

    def _owned(self, owners: Mapping[str, str]) -> None:
        self._slots.set_owners(owners)
        self._serve_all()

    def standing(self, worker_id: str) -> Standing:
        away = self._beats.away(worker_id) or self._presence.why(worker_id)
        if away is None and worker_id in self._presence:
            away = "it is not connected"
        return Standing(in_flight=self._slots.taken(worker_id), circuit=self._slots.stage(worker_id).value, away=away)

    def held_by(self, worker_id: str) -> Sequence[Held]:
        held = (entry.work for entry in self._entries.values() if entry.worker_id == worker_id)
        return [Held(run_id=work.run_id, task_id=work.task_id) for work in held]

    def why_not(self, task_id: TaskId) -> Mapping[str, str]:
        entry = self._entries.get(task_id)
        if entry is None or entry.worker_id is not None:
            return {}
        found = self._slots.why_not(entry.need).items()
        return {name: self._beats.away(name) or self._presence.why(name) or why for name, why in found}

    def _heard(self, worker_id: str, here: bool) -> None:
        """A worker came, or is away: those in line are looked at again."""
        if here:
            self._slots.came(worker_id)
        self._serve_all()

    def accepted_by(self, worker_id: str) -> Sequence[TaskId]:
        """The tasks that a worker has taken and not answered."""
        entries = self._entries.items()
        return [task_id for task_id, entry in entries if entry.worker_id == worker_id and entry.accepted]

    def lose(self, worker_id: str, task_id: TaskId, why: str) -> None:
        """A worker has lost a task that it had taken: the attempt has failed. Idempotent."""
        entry = self._entries.get(task_id)
        if entry is not None and entry.worker_id == worker_id and entry.accepted:
            self.lost(task_id, why)

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
        self._stays.close()
        self._visitors.close()
        self._beats.close()
        self._leases.close()
        await self._deliveries.close(grace_s)

    def _serve_all(self) -> None:
        self._waiting.serve_all()

    def _tell(self, work: Work, reason: str) -> None:
        self._listener.waiting(work, reason)

    # ---- a delivery

    def _send(self, entry: Entry, worker_id: str) -> None:
        at, work, row = self._clock(), entry.work, self._slots.row(worker_id)
        made, deadline = self._ready.take(work, row, at)
        probe = self._slots.begin(worker_id, at)
        entry.worker_id = worker_id
        self._bounds.under_way, self._bounds.in_flight = self._bounds.under_way + 1, self._bounds.in_flight + 1
        if entry.need.rate is not None:
            self._rates.note(*entry.need.rate, at)
        settle = partial(self._settle, entry, worker_id, probe)
        entry.delivery = self._deliveries.begin(work, row, deadline, made, settle)
        ack_ms = self._transports[row.protocol].ack_ms
        self._listener.dispatched(work, worker_id, at, deadline, None if ack_ms is None else min(at + ack_ms, deadline))

    def _stay_again(self, entry: Entry, worker_id: str) -> None:
        """Stay with what a worker had taken before a restart, where it is known what it is called there."""
        worker = self._slots.find(worker_id)
        if worker is not None and entry.work.accepted_ref is not None:
            settle = partial(self._settle, entry, worker_id, False)
            entry.delivery = self._deliveries.resume(entry.work, worker, self._clock(), settle)

    def _settle(self, entry: Entry, worker_id: str, probe: bool, reply: Reply) -> None:
        """Free what the delivery held, give it to those in line, then tell the listener, who may submit more."""
        if self._entries.get(entry.work.task_id) is not entry:
            return
        through = self._take_up(entry, worker_id, reply)
        changed = self._slots.heard(worker_id, reply, probe=probe)
        if (limit := said_in(reply)) is not None:
            changed = self._slots.rated(worker_id, limit, self._clock()) or changed
        self._waiting.go_on(through, worker_id)
        if changed:
            self._serve_all()
        if not isinstance(reply, Unreachable):
            self._listener.replied(entry.work, worker_id, reply)
        elif self._entries.get(entry.work.task_id) is entry and not self._bounds.closing:
            self._waiting.place(entry)

    def _failed_by(self, work: Work, worker_id: str | None) -> str | None:
        """The worker that others are asked before; None where nobody else could go on with what was answered to it."""
        worker = None if worker_id is None else self._slots.find(worker_id)
        stays = worker is not None and work.question is not None and self._transports[worker.protocol].answers_stay
        return None if stays else worker_id

    def _take_up(self, entry: Entry, worker_id: str, reply: Reply) -> Sequence[Entry]:
        """The worker holds the task from now on, or the slot is free; those who may go on for that."""
        was_accepted, entry.accepted = entry.accepted, isinstance(reply, Accepted)
        self._bounds.under_way -= not was_accepted
        if isinstance(reply, Accepted):
            if reply.lease_ms is not None:
                self._leases.begin(entry.work.task_id, reply.lease_ms)
            return ()
        entry.delivery = None
        if not was_accepted:
            self._asks.break_promise(worker_id)
        self._slots.free(worker_id)
        self._bounds.in_flight -= 1
        if isinstance(reply, Unreachable):
            entry.worker_id, entry.failed_by = None, self._failed_by(entry.work, worker_id)
            return ()
        del self._entries[entry.work.task_id]
        return self._leave(entry)
