"""The outbox: hands tasks to workers that have a free slot, keeps the others in line, and tells what came back.

Nothing is polled. A task that finds no worker waits in the line of its need; it is looked at again when a slot is
freed, when the workers change, and when the circuit of one opens or closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from operator import attrgetter, itemgetter

import structlog

from dispatch._choose import Chosen, Need, NoWorker, Reason, need_of
from dispatch._entry import Entry
from dispatch._envelope import Envelope
from dispatch._gates import Gates, gates_of
from dispatch._presence import Presence
from dispatch._queue import Line
from dispatch._rate import Later, Rates, Timer
from dispatch._ready import Ready, sealed
from dispatch._slots import Slots
from dispatch._transport import Transport, refused
from engine.answer import RateLimit
from engine.codec import CodecError
from engine.limits import LimitReason
from engine.line import order_of
from engine.model import TaskId
from engine.outbox import Accepted, Listener, Rate, Reply, Unreachable, Work
from engine.ports import WorkerRow

MAX_DELIVERIES = 512
"""Deliveries under way at a time, each of which holds one connection: well below the usual limit of open files."""

TELL_S = 10.0
MAX_TELLING = 32
"""For so long, and so many at a time, workers are told that a task is cancelled."""

log = structlog.get_logger(__name__)
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
        self._reply_to = reply_to
        self._max_deliveries, self._max_in_flight = max_deliveries, max_in_flight
        self._later = later or _call_later
        presence = presence or Presence()
        presence.listen(self._heard)
        self._slots = Slots(transports, self._later, self._serve_all, presence)
        self._gates: Gates[Entry] = Gates(lambda entry, reason: self._listener.waiting(entry.work, reason.value))
        self._rates = Rates(self._later, self._serve_all)
        self._listener: Listener
        self._entries: dict[TaskId, Entry] = {}
        self._ready = Ready(reply_to)
        self._lines: dict[Need, Line[Entry]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = self._in_flight = 0
        self._full = False
        self._closing = False
        self._held = False
        self._numbers = count()
        self._telling = asyncio.Semaphore(MAX_TELLING)

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def prepare(self, work: Work) -> None:
        """Write and sign the envelope of an attempt that carries much, for the worker that would get it now."""
        need = need_of(work)
        waits = need in self._lines or not self._gates.allow(gates_of(work))
        if self._closing or self._held or waits or not self._ready.is_worth_it(work):
            return
        if (worker := self._slots.likely(need, work.served_by)) is not None:
            self._ready.make(work, worker, self._transports[worker.protocol], self._clock())

    def submit(self, work: Work) -> None:
        """Take an attempt. It replaces one of the same task that is still under way; after `close` it is dropped."""
        if self._closing:
            return
        self._ready.forget(work.task_id, but=work)
        self._release(work.task_id)
        order = order_of(work.priority, work.since, next(self._numbers))
        entry = Entry(work=work, need=need_of(work), order=order, gates=gates_of(work))
        self._entries[work.task_id] = entry
        if work.accepted_by is not None:
            entry.worker_id = work.accepted_by
            self._in_flight += 1
            self._gates.force(entry)
            self._slots.take(work.accepted_by)
        elif self._gates.enter(entry):
            self._place(entry)

    def release(self, task_id: TaskId) -> None:
        """Forget an attempt: out of the line, its delivery aborted, its slot freed. Idempotent."""
        self._ready.forget(task_id)
        self._release(task_id)

    def _release(self, task_id: TaskId) -> None:
        if (entry := self._entries.pop(task_id, None)) is None:
            return
        if entry.worker_id is None:
            self._leave_line(entry)
            self._go_on(self._gates.leave(entry))
            return
        if entry.delivery is not None:
            self._under_way -= 1
            entry.delivery.cancel()
        self._in_flight -= 1
        self._slots.free(entry.worker_id)
        self._go_on(self._gates.leave(entry), entry.worker_id)

    def cancel(self, task_id: TaskId) -> None:
        """Forget an attempt that nobody wants any more, and tell the worker that holds it. Idempotent."""
        entry = self._entries.get(task_id)
        self.release(task_id)
        held_by = self._slots.find(entry.worker_id) if entry is not None and entry.worker_id is not None else None
        if entry is not None and held_by is not None and not self._closing:
            self._keep(asyncio.get_running_loop().create_task(self._tell_worker(entry.work, held_by)), entry.work)

    async def _tell_worker(self, work: Work, worker: WorkerRow) -> None:
        try:
            async with self._telling, asyncio.timeout(TELL_S):
                await self._transports[worker.protocol].cancel(worker, work.task_id, work.message_id)
        except TimeoutError:
            log.info("cancel.untold", worker_id=worker.id, run_id=work.run_id, task_id=work.task_id)

    def withdraw(self, task_id: TaskId) -> None:
        """Take an attempt out of the line; one that a worker holds goes on. Idempotent."""
        if (entry := self._entries.get(task_id)) is not None and entry.worker_id is None:
            self.release(task_id)

    @property
    def under_way(self) -> int:
        """How many deliveries are under way."""
        return self._under_way

    @property
    def in_line(self) -> int:
        """How many tasks wait for a worker, or for their turn."""
        return sum(map(len, self._lines.values())) + self._gates.waiting

    def hold(self, held: bool) -> None:
        """Begin no delivery from now on, or serve those in line again."""
        self._held = held
        if not held:
            self._serve_all()

    def open(self) -> None:
        """Let work begin that has limits."""
        self._go_on(self._gates.open())

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
        self._closing = True
        self._slots.close()
        self._rates.close()
        if tasks := set(self._tasks):
            await asyncio.wait(tasks, timeout=grace_s)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for transport in self._transports.values():
            await transport.close()

    # ---- who goes next

    def _place(self, entry: Entry) -> None:
        """Send an entry now, or put it in line. Where somebody is in line already, nobody can take it."""
        if entry.need not in self._lines:
            found = self._choose(entry.need, entry.work.served_by)
            if isinstance(found, Chosen):
                self._send(entry, found.worker_id)
                return
            self._lines[entry.need] = Line(found.reason)
        line = self._lines[entry.need]
        line.add(entry)
        self._listener.waiting(entry.work, line.reason.value)

    def _go_on(self, through: Sequence[Entry], freed: str | None = None) -> None:
        """Have those look for a worker who may go on now, beside those who wait for the one that was `freed`."""
        for entry in through:
            if entry.need not in self._lines:
                self._lines[entry.need] = Line(Reason.CAPACITY)
            self._lines[entry.need].add(entry)
        if freed is not None:
            self._serve(freed)
        for need in dict.fromkeys(entry.need for entry in through):
            self._serve_line(need)
        for entry in through:
            if (line := self._lines.get(entry.need)) is not None and entry.worker_id is None:
                self._listener.waiting(entry.work, line.reason.value)

    def _serve_line(self, need: Need) -> None:
        """Send those in a line as long as somebody can take them."""
        while not self._closing and need in self._lines:
            found = self._choose(need, self._lines[need].first.work.served_by)
            if isinstance(found, NoWorker):
                self._tell(self._lines[need], found.reason)
                return
            self._send(self._take(need), found.worker_id)

    def _choose(self, need: Need, served_by: str | None = None) -> Chosen | NoWorker:
        found = self._slots.choose(need, served_by)
        if isinstance(found, NoWorker):
            return found
        if self._is_full():
            few = self._max_in_flight is None or self._in_flight < self._max_in_flight
            reason = Reason.CAPACITY if few or self._held else LimitReason.MAX_IN_FLIGHT
            return NoWorker(reason=reason, detail=f"{self._in_flight} tasks are under way")
        if not self._may_send(need):
            return NoWorker(reason=LimitReason.NODE_RATE_LIMIT, detail="the node was asked as often as it may be")
        return found

    def _may_send(self, need: Need) -> bool:
        return need.rate is None or self._rates.allow(*need.rate, self._clock())

    def _is_full(self) -> bool:
        """Whether no delivery may begin; if so, the end of any delivery is of interest to everybody in line."""
        most = self._max_in_flight
        full = self._under_way >= self._max_deliveries or (most is not None and self._in_flight >= most)
        self._full = self._held or full
        return self._full

    def _serve(self, worker_id: str) -> None:
        """A slot of this worker was freed: whoever has waited longest for such a worker gets it."""
        if self._full:
            self._serve_all()
        while self._lines and not self._closing and self._slots.has_room(worker_id):
            fit = (need for need in self._lines if self._slots.fits(worker_id, need) and self._may_send(need))
            waiting = [(self._lines[need].head(), need) for need in fit]
            if not waiting or self._is_full():
                break
            self._send(self._take(min(waiting, key=itemgetter(0))[1]), worker_id)

    def _serve_all(self) -> None:
        """Anything may have changed: everybody in line is looked at again, those who have waited longest first."""
        if self._closing or self._held:
            return
        self._full = False
        heads = [(line.head(), place, need) for place, (need, line) in enumerate(self._lines.items())]
        heapify(heads)
        while heads:
            _, place, need = heappop(heads)
            if need not in self._lines:
                continue
            found = self._choose(need)
            if isinstance(found, NoWorker):
                self._tell(self._lines[need], found.reason)
                continue
            self._send(self._take(need), found.worker_id)
            if need in self._lines:
                heappush(heads, (self._lines[need].head(), place, need))

    def _take(self, need: Need) -> Entry:
        line = self._lines[need]
        entry = line.take()
        if not line:
            del self._lines[need]
        return entry

    def _leave_line(self, entry: Entry) -> None:
        if (line := self._lines.get(entry.need)) is not None:
            line.discard(entry)
            if not line:
                del self._lines[entry.need]

    def _tell(self, line: Line[Entry], reason: Reason | LimitReason) -> None:
        """Tell everybody in a line what they wait for now, if that is something else than before."""
        if line.reason is reason:
            return
        line.reason = reason
        for entry in tuple(line):
            if entry.work.task_id in self._entries:
                self._listener.waiting(entry.work, reason.value)

    # ---- a delivery

    def _send(self, entry: Entry, worker_id: str) -> None:
        at, work = self._clock(), entry.work
        made, deadline = self._ready.take(work, at)
        probe = self._slots.begin(worker_id, at)
        entry.worker_id = worker_id
        self._under_way, self._in_flight = self._under_way + 1, self._in_flight + 1
        if entry.need.rate is not None:
            self._rates.note(*entry.need.rate, at)
        delivery = self._deliver(entry, self._slots.row(worker_id), deadline, made, probe)
        entry.delivery = asyncio.get_running_loop().create_task(delivery, name=f"deliver {work.task_id}")
        self._keep(entry.delivery, work)
        self._listener.dispatched(work, worker_id, at, deadline)

    def _keep(self, task: asyncio.Task[None], work: Work) -> None:
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, work))

    async def _deliver(
        self, entry: Entry, worker: WorkerRow, deadline: int, made: Envelope | None, probe: bool
    ) -> None:
        work = entry.work
        try:
            reply = await self._reply(work, worker, deadline, made)
        except Exception as broken:  # the root of a delivery: whatever a protocol does wrong fails this attempt alone
            log.exception("dispatch.failed", run_id=work.run_id, task_id=work.task_id, worker_id=worker.id)
            reply = refused("dispatch.failed", f"the task could not be sent: {type(broken).__name__}")
        if self._entries.get(work.task_id) is entry:
            self._settle(entry, worker.id, reply, probe)

    async def _reply(self, work: Work, worker: WorkerRow, deadline: int, made: Envelope | None) -> Reply:
        transport = self._transports[worker.protocol]
        try:
            task = made or sealed(work, worker, transport, deadline, self._reply_to(work))
        except CodecError as error:
            return refused("request.invalid", f"the task's input cannot be sent: {error}", retryable=False)
        timeout_s = work.timeout_ms / 1000
        try:
            async with asyncio.timeout(timeout_s) as limit:
                return await transport.deliver(worker, task, timeout_s)
        except TimeoutError:
            if not limit.expired():
                raise
            return refused("timeout", f"no answer within {work.timeout_ms} ms", retryable=True, transport=True)

    def _settle(self, entry: Entry, worker_id: str, reply: Reply, probe: bool) -> None:
        """Free what the delivery held, give it to those in line, then tell the listener, who may submit more."""
        self._under_way -= 1
        entry.delivery = None
        through: Sequence[Entry] = ()
        if not isinstance(reply, Accepted):
            self._slots.free(worker_id)
            self._in_flight -= 1
        if isinstance(reply, Unreachable):
            entry.worker_id = None
        elif not isinstance(reply, Accepted):
            del self._entries[entry.work.task_id]
            through = self._gates.leave(entry)
        changed = self._slots.heard(worker_id, reply, probe=probe)
        self._go_on(through, worker_id)
        if changed:
            self._serve_all()
        if not isinstance(reply, Unreachable):
            self._listener.replied(entry.work, worker_id, reply)
        elif self._entries.get(entry.work.task_id) is entry and not self._closing:
            self._place(entry)

    def _ended(self, work: Work, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("dispatch.listener_failed", run_id=work.run_id, task_id=work.task_id, exc_info=error)


def _call_later(seconds: float, call: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, call)
