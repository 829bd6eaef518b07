"""Who goes next: those that wait for a worker, in the lines of their needs, until one can take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from operator import itemgetter

from dispatch._bounds import Bounds
from dispatch._choose import Chosen, Need, NoWorker, Reason
from dispatch._entry import Entry
from dispatch._queue import Line
from dispatch._rate import Rates
from dispatch._slots import Slots
from engine.limits import LimitReason
from engine.outbox import Work


class Waiting:
    """The lines of those that found no worker; nothing is polled.

    They are looked at again when a slot is freed, when the workers change, and when one may be asked again. `send` has
    an entry delivered to the worker of that id, `tell` hears what a task waits for. Both may come back with more.
    """

    def __init__(
        self,
        slots: Slots,
        rates: Rates,
        bounds: Bounds,
        clock: Callable[[], int],
        *,
        send: Callable[[Entry, str], None],
        tell: Callable[[Work, str], None],
    ) -> None:
        self._slots, self._rates, self._bounds, self._clock = slots, rates, bounds, clock
        self._send, self._tell_one = send, tell
        self._lines: dict[Need, Line[Entry]] = {}

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._lines.values()))

    def __contains__(self, need: object) -> bool:
        """Whether somebody waits with a need."""
        return need in self._lines

    def place(self, entry: Entry) -> None:
        """Send an entry now, or put it in line. Where somebody is in line already, nobody can take it."""
        if entry.need not in self._lines:
            found = self._choose(entry)
            if isinstance(found, Chosen):
                self._send(entry, found.worker_id)
                return
            self._lines[entry.need] = Line(found.reason)
        line = self._lines[entry.need]
        line.add(entry)
        self._tell_one(entry.work, line.reason.value)

    def go_on(self, through: Sequence[Entry], freed: str | None = None) -> None:
        """Have those look for a worker who may go on now, beside those who wait for the one that was `freed`."""
        for entry in through:
            if entry.need not in self._lines:
                self._lines[entry.need] = Line(Reason.CAPACITY)
            self._lines[entry.need].add(entry)
        if freed is not None:
            self.serve(freed)
        for need in dict.fromkeys(entry.need for entry in through):
            self._serve_line(need)
        for entry in through:
            if (line := self._lines.get(entry.need)) is not None and entry.worker_id is None:
                self._tell_one(entry.work, line.reason.value)

    def leave(self, entry: Entry) -> None:
        """Somebody does not wait any more; no effect where they did not."""
        if (line := self._lines.get(entry.need)) is not None:
            line.discard(entry)
            if not line:
                del self._lines[entry.need]

    def serve(self, worker_id: str) -> None:
        """This worker has room: whoever has waited longest for such a worker gets it."""
        if self._bounds.was_full:
            self.serve_all()
        while self._lines and not self._bounds.closing and self._slots.has_room(worker_id):
            fit = (need for need in self._lines if self._slots.fits(worker_id, need) and self._may_send(need))
            waiting = [(self._lines[need].head(), need) for need in fit]
            if not waiting or self._bounds.is_full():
                break
            entry = self._take(min(waiting, key=itemgetter(0))[1])
            self._send(entry, self._or_another(entry, worker_id))

    def serve_all(self) -> None:
        """Anything may have changed: everybody in line is looked at again, those who have waited longest first."""
        if self._bounds.closing or self._bounds.held:
            return
        self._bounds.was_full = False
        heads = [(line.head(), place, need) for place, (need, line) in enumerate(self._lines.items())]
        heapify(heads)
        while heads:
            _, place, need = heappop(heads)
            if need not in self._lines:
                continue
            found = self._choose(self._lines[need].first)
            if isinstance(found, NoWorker):
                self._tell(self._lines[need], found.reason)
                continue
            self._send(self._take(need), found.worker_id)
            if need in self._lines:
                heappush(heads, (self._lines[need].head(), place, need))

    def _serve_line(self, need: Need) -> None:
        """Send those in a line as long as somebody can take them."""
        while not self._bounds.closing and need in self._lines:
            found = self._choose(self._lines[need].first)
            if isinstance(found, NoWorker):
                self._tell(self._lines[need], found.reason)
                return
            self._send(self._take(need), found.worker_id)

    def _or_another(self, entry: Entry, worker_id: str) -> str:
        """The worker that has room; another one that has room where this one has failed the entry."""
        if entry.failed_by != worker_id:
            return worker_id
        found = self._slots.choose(entry.need, entry.work.served_by, entry.failed_by)
        return found.worker_id if isinstance(found, Chosen) else worker_id

    def _choose(self, entry: Entry) -> Chosen | NoWorker:
        found = self._slots.choose(entry.need, entry.work.served_by, entry.failed_by)
        if isinstance(found, NoWorker):
            return found
        if self._bounds.is_full():
            return self._bounds.why()
        if not self._may_send(entry.need):
            return NoWorker(reason=LimitReason.NODE_RATE_LIMIT, detail="the node was asked as often as it may be")
        return found

    def _may_send(self, need: Need) -> bool:
        return need.rate is None or self._rates.allow(*need.rate, self._clock())

    def _take(self, need: Need) -> Entry:
        line = self._lines[need]
        entry = line.take()
        if not line:
            del self._lines[need]
        return entry

    def _tell(self, line: Line[Entry], reason: Reason | LimitReason) -> None:
        """Tell everybody in a line what they wait for now, if that is something else than before."""
        if line.reason is reason:
            return
        line.reason = reason
        for entry in tuple(line):
            if line.holds(entry):
                self._tell_one(entry.work, reason.value)
