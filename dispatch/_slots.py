"""The workers as the outbox sees them: who is registered, how many slots are taken, and whose circuit is open."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Container, Mapping, Sequence

from dispatch._allowances import Allowances
from dispatch._asks import Asks
from dispatch._choose import (
    Chosen,
    Load,
    Need,
    NoWorker,
    choose_among,
    fits,
    fitting,
    has_room,
    in_words,
    unfit,
    why_not,
)
from dispatch._circuit import CLOSED, Circuit, Stage, failed, probing, rested
from dispatch._rate import Later, RateLog, Timer
from dispatch._resources import NO_OWNERS
from engine.answer import RateLimit
from engine.limits import RateRule, rate_problem, rate_rule
from engine.outbox import Rate, Refused, Reply, Unreachable
from engine.ports import WorkerRow

MAX_KEPT_NEEDS = 1_000
"""How many needs are remembered with the workers that fit them."""


def rate_of(worker: WorkerRow) -> RateRule | None:
    """How often a worker may be asked, by its `metadata.rate_limit`; None where that says nothing."""
    given = worker.metadata.get("rate_limit") if isinstance(worker.metadata, Mapping) else None
    return None if given is None or rate_problem(given) is not None else rate_rule(given)


class Either(Container[str]):
    """What is in either of two."""

    def __init__(self, one: Container[str], other: Container[str]) -> None:
        self._one, self._other = one, other

    def __contains__(self, name: object) -> bool:
        return name in self._one or name in self._other


class Silent(Container[str]):
    """Workers that come for their tasks, and do not ask now."""

    def __init__(self, asks: Asks) -> None:
        self.asks = asks
        self.all: frozenset[str] = frozenset()

    def __contains__(self, worker_id: object) -> bool:
        return worker_id in self.all and not self.asks.has_room(str(worker_id))


class Slots:
    """Counts slots by worker id, so that work under way is counted whatever becomes of the worker's row.

    `back` is called when a worker that was left alone may be asked again. Workers of the protocols `asking` get tasks
    only when they ask: nothing is said of them by what cannot be delivered.
    """

    def __init__(
        self,
        protocols: Container[str],
        later: Later,
        back: Callable[[], None],
        away: Container[str] = (),
        *,
        asks: Asks | None = None,
        asking: Container[str] = (),
    ) -> None:
        self._protocols = protocols
        self._later = later
        self._back = back
        self._rows: dict[str, WorkerRow] = {}
        self._fitting: dict[Need, tuple[WorkerRow, ...]] = {}
        self._taken: dict[str, int] = {}
        self._circuits: dict[str, Circuit] = {}
        self._open: set[str] = set()
        self._unreachable = Either(self._open, away)
        self._timers: dict[str, Timer] = {}
        self._allowances = Allowances(later, back)
        self._logs: dict[str, RateLog] = {}
        self._paused: dict[str, Timer] = {}
        self._asks, self._asking = asks or Asks(), asking
        self._silent = Silent(self._asks)
        self._owners: Mapping[str, str] = NO_OWNERS
        self._turn = 0
        self._closed = False

    def set_workers(self, workers: Mapping[str, WorkerRow]) -> None:
        """Replace the registered workers. One that is new or has changed starts with a closed circuit."""
        for worker_id in [known for known, row in self._rows.items() if workers.get(known) != row]:
            self._set(worker_id, CLOSED)
        self._rows = {row.id: row for row in workers.values() if row.protocol in self._protocols}
        self._silent.all = frozenset(row.id for row in self._rows.values() if row.protocol in self._asking)
        self._set_rates()
        self._allowances.keep(self._rows.keys())
        self._fitting.clear()

    def set_owners(self, owners: Mapping[str, str]) -> None:
        """Replace what is known of who has which resource."""
        self._owners = owners
        self._fitting.clear()

    def row(self, worker_id: str) -> WorkerRow:
        return self._rows[worker_id]

    def find(self, worker_id: str) -> WorkerRow | None:
        """A worker that is registered still, and can be reached by a protocol that there is."""
        return self._rows.get(worker_id)

    def taken(self, worker_id: str) -> int:
        return self._taken.get(worker_id, 0)

    def choose(self, need: Need, served_by: Sequence[str] = (), failed_by: str | None = None) -> Chosen | NoWorker:
        """The worker for a task with this need, if possible the first that has served it before, and before all not the
        one with which it has failed; takes nothing."""
        self._turn += 1
        if (fit := self._fitting.get(need)) is None:
            if len(self._fitting) >= MAX_KEPT_NEEDS:
                self._fitting.clear()
            fit = self._fitting[need] = fitting(self._rows.values(), need, self._owners)
        for worker_id in served_by:
            if worker_id != failed_by and self.has_room(worker_id) and self.fits(worker_id, need):
                return Chosen(worker_id=worker_id)
        return choose_among(fit, self._load(), need, failed_by)

    def likely(self, need: Need, served_by: Sequence[str] = (), failed_by: str | None = None) -> WorkerRow | None:
        """The worker that would be chosen now; whose turn it is stays as it was."""
        turn = self._turn
        found = self.choose(need, served_by, failed_by)
        self._turn = turn
        return self._rows[found.worker_id] if isinstance(found, Chosen) else None

    def has_room(self, worker_id: str) -> bool:
        """Whether the worker can take one more task now."""
        row = self._rows.get(worker_id)
        return row is not None and has_room(row, self._load())

    def fits(self, worker_id: str, need: Need) -> bool:
        return fits(self._rows[worker_id], need, self._owners)

    def why_not(self, need: Need) -> dict[str, str]:
        """Why each worker cannot take a task with this need now, in words, by id; one that can is left out."""
        load = self._load()
        found = {row.id: unfit(row, need, self._owners) or in_words(why_not(row, load)) for row in self._rows.values()}
        return {name: why for name, why in sorted(found.items()) if why is not None}

    def stage(self, worker_id: str) -> Stage:
        """What the circuit of a worker lets through."""
        return self._circuits.get(worker_id, CLOSED).stage

    def take(self, worker_id: str) -> None:
        """Take a slot, for a task that the worker holds already: whatever its capacity, registered or not."""
        self._taken[worker_id] = self.taken(worker_id) + 1

    def begin(self, worker_id: str, now: int) -> bool:
        """Take a slot for a task that is sent now; True if it is the probe of a half-open circuit."""
        self.take(worker_id)
        if worker_id in self._silent.all:
            self._asks.promise(worker_id)
        self._allowances.sent(worker_id, now)
        if (log := self._logs.get(worker_id)) is not None:
            log.note(now)
            if (wait := log.wait_ms(now)) and not self._closed:
                self._paused[worker_id] = self._later(wait / 1000, lambda: self._resume(worker_id))
        circuit = self._circuits.get(worker_id, CLOSED)
        probe = circuit.stage is Stage.HALF_OPEN
        if probe:
            self._set(worker_id, probing(circuit))
        return probe

    def free(self, worker_id: str) -> None:
        """Give a slot back."""
        left = self.taken(worker_id) - 1
        if left > 0:
            self._taken[worker_id] = left
        else:
            self._taken.pop(worker_id, None)

    def heard(self, worker_id: str, reply: Reply, *, probe: bool) -> bool:
        """Learn from what came back; True if the worker may now be asked, or must be left alone, unlike before."""
        if worker_id not in self._rows or worker_id in self._silent.all:
            return False
        circuit = self._circuits.get(worker_id, CLOSED)
        match reply:
            case Unreachable() | Refused(transport=True):
                return self._set(worker_id, failed(circuit, probe=probe))
            case _:
                return self._set(worker_id, CLOSED)

    def rated(self, worker_id: str, limit: RateLimit, now: int) -> bool:
        """Learn what a worker says of its rate limit; True if it is left alone unlike before, or no longer."""
        return worker_id in self._rows and self._allowances.report(worker_id, limit, now)

    def came(self, worker_id: str) -> None:
        """A worker is there again: what had failed while it was away says nothing any more."""
        if worker_id in self._rows:
            self._set(worker_id, CLOSED)

    def _set_rates(self) -> None:
        """Take up how often workers may be asked. What was counted counts on where that has not changed."""
        rules = {row.id: rule for row in self._rows.values() if (rule := rate_of(row)) is not None}
        kept = {name: log for name, log in self._logs.items() if rules.get(name) == log.rule}
        self._logs = {name: kept.get(name) or RateLog(rule) for name, rule in rules.items()}
        for gone in self._paused.keys() - kept.keys():
            self._paused.pop(gone).cancel()

    def _resume(self, worker_id: str) -> None:
        self._paused.pop(worker_id, None)
        self._back()

    def rates(self) -> Mapping[str, Rate]:
        """What the registered workers have said of their rate limits."""
        return self._allowances.rates

    def close(self) -> None:
        """Stop all timers, and start none any more."""
        self._closed = True
        self._allowances.close()
        for timer in (*self._paused.values(), *self._timers.values()):
            timer.cancel()
        self._timers.clear()

    def _load(self) -> Load:
        spent = self._allowances.spent
        limited = ChainMap(spent, self._paused) if self._paused else spent
        return Load(
            taken=self._taken, unreachable=self._unreachable, limited=limited, silent=self._silent, turn=self._turn
        )

    def _set(self, worker_id: str, circuit: Circuit) -> bool:
        before = self._circuits.pop(worker_id, CLOSED)
        if circuit != CLOSED:
            self._circuits[worker_id] = circuit
        if circuit == before:
            return False
        if (timer := self._timers.pop(worker_id, None)) is not None:
            timer.cancel()
        self._open.discard(worker_id)
        if circuit.stage is Stage.OPEN:
            self._open.add(worker_id)
        if circuit.stage is Stage.OPEN and not self._closed:
            self._timers[worker_id] = self._later(circuit.delay_s, lambda: self._rest(worker_id))
        return circuit.stage is not before.stage

    def _rest(self, worker_id: str) -> None:
        self._set(worker_id, rested(self._circuits[worker_id]))
        self._back()
