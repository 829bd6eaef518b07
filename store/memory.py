"""The store in memory: the rules of the others without a disk, for simulation, tests and runs that need not last."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import ClassVar, TypeVar

from engine.brief import Brief
from engine.dead_letters import OPEN, REDRIVEN, DeadLetter
from engine.errors import Invalid, StaleCommit
from engine.matching import recent_matches, run_matches
from engine.model import TURNS, Ref, RunHead, RunId, RunStatus, TaskId, run_key_of, seq_of
from engine.places import Contender, contender_of, contends
from engine.ports import (
    EVERY_INTERRUPT,
    Batch,
    CommitRow,
    EventRow,
    InterruptFate,
    InterruptFilter,
    InterruptRow,
    LetterFate,
    LoggedCommit,
    LoggedEvent,
    Moment,
    Page,
    RecentFilter,
    RunFilter,
    TimerRow,
)
from engine.values import replace
from store import _cursor as cursors
from store._errors import free_to_assign, has_forks
from store._fresh import joined, moved, touched, versions_after
from store._memory_artifacts import MemoryArtifacts
from store._memory_catalogue import MemoryCatalogue, page_of
from store._memory_jobs import MemoryJobs
from store._memory_log import MemoryLog
from store._memory_notices import MemoryNotices
from store._memory_sessions import MemorySessions
from store._rows import brief_values

T = TypeVar("T")

_number = attrgetter("n")


@dataclass(slots=True)
class _Run:
    """A run with all it owns; commit `seq` stands at `seq - 1`, events are in order."""

    head: RunHead
    version: int = 0
    commits: list[CommitRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    timers: dict[TaskId, dict[str, TimerRow]] = field(default_factory=dict)


class MemoryStore(MemoryArtifacts, MemoryCatalogue, MemoryJobs, MemoryNotices, MemorySessions):
    """Implements `engine.ports.Store`. A batch is written before the first await; closing keeps everything, for who
    opens the same object again."""

    scheme: ClassVar[str] = "memory"
    keeps: ClassVar[bool] = False

    def __init__(self, address: str = "memory://", *, artifacts: str | None = None) -> None:
        if artifacts is not None:
            raise Invalid("a store in memory keeps its artifacts itself: leave --artifacts out", "artifacts.address")
        MemoryArtifacts.__init__(self)
        MemoryCatalogue.__init__(self)
        MemoryJobs.__init__(self)
        MemoryNotices.__init__(self)
        MemorySessions.__init__(self)
        self._runs: dict[int, _Run] = {}
        self._keys: dict[RunId, int] = {}
        self._last_key = 0
        self._interrupts: dict[str, tuple[int, InterruptRow]] = {}
        self._opened = 0
        self._log = MemoryLog()
        self._letters: dict[str, tuple[int, DeadLetter]] = {}

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def ping(self) -> None: ...
    async def probe(self) -> None: ...

    async def backup(self, target: str) -> int:
        raise Invalid("a store in memory has no backups; `clew serve --db sqlite:///FILE` has", "backup.unsupported")

    # ---- batches

    async def commit(self, batch: Batch, meanwhile: Callable[[], None] | None = None) -> None:
        """Check everything, then write: nothing fails half way."""
        known = {key: self._runs[key] for key in touched(batch) if key in self._runs}
        standing = {key: (run.version, run.head.epoch) for key, run in known.items()}
        versions = versions_after(batch, standing)
        self._check(batch)
        for head in batch.created:
            self._runs[head.key] = _Run(head)
            self._keys[head.id] = head.key
            self._last_key = max(self._last_key, head.key)
        for key, version in versions.items():
            self._runs[key].version = version
        for row in batch.commits:
            self._runs[row.run_key].commits.append(row)
            self._log.add_commit(row)
        for key, head in batch.heads.items():
            run = self._runs[key]
            run.head = moved(run.head, head)
        for event in batch.events:
            insort(self._runs[event.run_key].events, event, key=_number)
            self._log.add_event(event)
        self._timers_and_interrupts(batch)
        self._dead_letters(batch)
        self._add_claims(batch.claims)
        self._kept.update((one.key, one) for one in batch.kept)
        self._add_notices(batch)
        self._end_items(batch)
        self._bring(batch.workflows)
        self._beside(batch)
        self._touch_sessions(batch)
        self._refer(batch)

    def _beside(self, batch: Batch) -> None:
        """What stands beside the rows of runs."""
        for key, why in batch.holds.items():
            self._runs[key].head = replace(self._runs[key].head, hold=why)
        for key, head in batch.seats.items():
            was = self._runs[key].head
            self._runs[key].head = replace(was, seat=head.seat, parent=head.parent, parent_id=head.parent_id)
        for key, (pushes, at) in batch.pushes.items():
            self._runs[key].head = replace(self._runs[key].head, pushes=pushes)
            self._push(key, pushes, at)

    async def commit_all(self, batches: Iterable[Batch]) -> None:
        await self.commit(joined(batches))

    def _check(self, batch: Batch) -> None:
        """Nothing is there already, nothing belongs to a run that is gone."""
        self._require_the_same(batch.workflows)
        keys = {head.key for head in batch.created}
        ids = {head.id for head in batch.created}
        taken = len(keys) < len(batch.created) or not self._runs.keys().isdisjoint(keys)
        if taken or len(ids) < len(batch.created) or not self._keys.keys().isdisjoint(ids):
            raise StaleCommit("a run that was to be created exists already")
        owners = {row.run_key for rows in (batch.events, batch.timers, batch.interrupts, batch.notices) for row in rows}
        if not all(key in self._runs or key in keys for key in owners):
            raise StaleCommit("something belongs to a run that is gone")
        numbers = {(event.run_key, event.n) for event in batch.events}
        names = {row.id for row in batch.interrupts}
        known = any(self._has_event(key, n) for key, n in numbers) or not self._interrupts.keys().isdisjoint(names)
        if known or len(numbers) < len(batch.events) or len(names) < len(batch.interrupts):
            raise StaleCommit("an event or an interrupt is stored already")
        self._check_notices(batch)
        self._check_seats(batch)

    def _has_event(self, key: int, n: int) -> bool:
        events = self._runs[key].events if key in self._runs else []
        place = bisect_right(events, n, key=_number)
        return place > 0 and events[place - 1].n == n

    def _timers_and_interrupts(self, batch: Batch) -> None:
        """Timers are cleared before others are set: a task that goes on has new ones."""
        for key, task_id in batch.timers_cleared:
            if key in self._runs:
                self._runs[key].timers.pop(task_id, None)
        for timer in batch.timers:
            self._runs[timer.run_key].timers.setdefault(timer.task_id, {})[timer.kind] = timer
        for row in batch.interrupts:
            self._opened += 1
            self._interrupts[row.id] = (self._opened, row)
        for name, status, at in batch.interrupts_ended:
            if name in self._interrupts:
                n, row = self._interrupts[name]
                self._interrupts[name] = (n, replace(row, status=status, resolved_at=at))

    def _dead_letters(self, batch: Batch) -> None:
        for letter in batch.dead_letters:
            self._letters[letter.id] = (max((n for n, _ in self._letters.values()), default=0) + 1, letter)
        for name, at in batch.redriven:
            n, letter = self._letters[name]
            self._letters[name] = (n, replace(letter, status=REDRIVEN, redriven_at=at))
        for key, task, at in batch.retried:
            for name, (n, letter) in self._letters.items():
                if (letter.run_key, letter.task_id, letter.status) == (key, task, OPEN):
                    self._letters[name] = (n, replace(letter, status=REDRIVEN, redriven_at=at))

    # ---- runs

    async def next_run_key(self) -> int:
        return self._last_key + 1

    async def run(self, run_id: RunId) -> RunHead | None:
        key = self._keys.get(run_id)
        return None if key is None else self._runs[key].head

    async def run_by_key(self, run_key: int) -> RunHead | None:
        run = self._runs.get(run_key)
        return None if run is None else run.head

    async def runs(self, where: RunFilter, limit: int, cursor: str | None) -> Page[RunHead]:
        after = cursors.read("runs", cursor, int, int)
        found = (run.head for run in self._runs.values() if run_matches(run.head, where))
        return page_of("runs", found, lambda head: (head.created_at, head.key), limit, after)

    async def recent_runs(self, where: RecentFilter, limit: int, cursor: str | None) -> Page[RunHead]:
        after = cursors.read("recent", cursor, int, int)
        return page_of("recent", self._recent(where), lambda head: (head.changed_at, head.key), limit, after)

    async def count_recent(self, where: RecentFilter) -> int:
        return sum(1 for _ in self._recent(where))

    def _recent(self, where: RecentFilter) -> Iterator[RunHead]:
        asked: dict[int, set[str]] = {key: set() for key in self._runs}
        for _, row in self._interrupts.values():
            if row.status == "open":
                asked[row.run_key].add(row.kind)
        return (run.head for key, run in self._runs.items() if recent_matches(run.head, where, asked[key]))

    async def moment(self, run_key: int) -> Moment | None:
        if (run := self._runs.get(run_key)) is None:
            return None
        asked = (item for item in self._interrupts.values() if item[1].run_key == run_key)
        letters = (item for item in self._letters.values() if item[1].run_key == run_key)
        return Moment(
            head=run.head,
            last_event=await self.last_event(run_key),
            timers=tuple(await self.timers(run_key)),
            interrupts=tuple(_fate(InterruptFate, row) for _, row in sorted(asked, key=itemgetter(0))),
            dead_letters=tuple(_fate(LetterFate, letter) for _, letter in sorted(letters, key=itemgetter(0))),
        )

    async def active_runs(self) -> list[int]:
        heads = {key: run.head for key, run in self._runs.items()}
        return sorted(key for key, head in heads.items() if head.status is RunStatus.RUNNING and head.hold is None)

    async def contenders(self) -> list[Contender]:
        heads = sorted((run.head for run in self._runs.values()), key=lambda head: (head.created_at, head.key))
        return [contender_of(head) for head in heads if contends(head)]

    async def delete_run(self, run_key: int) -> None:
        if forks := await self.forks_of(run_key):
            raise has_forks([fork.id for fork in forks])
        run = self._runs.pop(run_key, None)
        if run is not None:
            del self._keys[run.head.id]
            self._log.forget(run_key)
            self._forget_notices(run_key)
            self._forget_refs(run_key)
            self._letters = {name: item for name, item in self._letters.items() if item[1].run_key != run_key}
            self._interrupts = {name: item for name, item in self._interrupts.items() if item[1].run_key != run_key}
            self._forget_session(run.head)

    def _heads(self) -> Iterator[RunHead]:
        return (run.head for run in self._runs.values())

    def _require_no_forks(self, members: list[RunHead]) -> None:
        keys = {head.key for head in members}
        reading = (head for head in self._heads() if head.key not in keys and head.parent is not None)
        if forks := [head.id for head in reading if head.parent is not None and run_key_of(head.parent) in keys]:
            raise has_forks(forks)

    async def forks_of(self, run_key: int) -> list[RunHead]:
        heads = (self._runs[key].head for key in sorted(self._runs))
        return [head for head in heads if head.parent is not None and run_key_of(head.parent) == run_key]

    # ---- history

    async def commits(self, run_key: int, first: int, last: int) -> list[CommitRow]:
        return self._commits(run_key)[max(first - 1, 0) : max(last, 0)]

    async def commits_at(self, refs: Sequence[Ref]) -> list[CommitRow]:
        wanted = ((self._commits(run_key_of(ref)), seq_of(ref)) for ref in dict.fromkeys(refs))
        return [commits[seq - 1] for commits, seq in wanted if 0 < seq <= len(commits)]

    async def commits_before(self, run_key: int, before: int, limit: int, node: str | None) -> list[CommitRow]:
        found: list[CommitRow] = []
        commits = self._commits(run_key)
        for place in range(min(before - 1, len(commits)) - 1, -1, -1):
            if len(found) == limit:
                break
            if node is None or commits[place].node == node:
                found.append(commits[place])
        return found

    async def briefs(self, run_key: int, first: int, last: int, text: bytes | None = None) -> list[Brief]:
        rows = await self.commits(run_key, first, last)
        return [Brief._make(brief_values(row)) for row in rows if text is None or text in row.body]

    async def turns(self, run_key: int) -> list[CommitRow]:
        return [row for row in self._commits(run_key) if row.kind in TURNS]

    async def events(self, run_key: int, after: int, limit: int) -> list[EventRow]:
        events = self._events(run_key)
        first = bisect_right(events, after, key=_number)
        return events[first : first + limit]

    async def task_events(self, run_key: int, task_id: TaskId) -> list[EventRow]:
        return [event for event in self._events(run_key) if event.task_id == task_id]

    async def last_event(self, run_key: int) -> int:
        events = self._events(run_key)
        return events[-1].n if events else 0

    async def log_commits(self, after: int, limit: int) -> list[LoggedCommit]:
        return self._log.commits_after(after, limit)

    async def log_events(self, after: int, limit: int) -> list[LoggedEvent]:
        return self._log.events_after(after, limit)

    async def log_end(self) -> tuple[int, int]:
        return self._log.end

    def _commits(self, run_key: int) -> list[CommitRow]:
        run = self._runs.get(run_key)
        return run.commits if run else []

    def _events(self, run_key: int) -> list[EventRow]:
        run = self._runs.get(run_key)
        return run.events if run else []

    async def dead_letter(self, letter_id: str) -> DeadLetter | None:
        found = self._letters.get(letter_id)
        return None if found is None else found[1]

    async def dead_letters(
        self, status: str | None, limit: int, cursor: str | None, run_key: int | None = None
    ) -> tuple[tuple[DeadLetter, ...], str | None]:
        after = cursors.read("dead_letters", cursor, int)
        found = (
            (n, letter)
            for n, letter in self._letters.values()
            if status in (None, letter.status) and run_key in (None, letter.run_key)
        )
        page = page_of("dead_letters", found, lambda item: (item[0],), limit, after)
        return tuple(letter for _, letter in page.items), page.next_cursor

    # ---- interrupts, timers

    async def interrupt(self, interrupt_id: str) -> InterruptRow | None:
        found = self._interrupts.get(interrupt_id)
        return None if found is None else found[1]

    async def interrupts(
        self,
        status: str | None,
        run_key: int | None,
        limit: int,
        cursor: str | None,
        where: InterruptFilter = EVERY_INTERRUPT,
    ) -> Page[InterruptRow]:
        after = cursors.read("interrupts", cursor, int)
        found = (
            (n, row)
            for n, row in self._interrupts.values()
            if status in (None, row.status) and run_key in (None, row.run_key) and _wanted(row, where)
        )
        page = page_of("interrupts", found, lambda item: (item[0],), limit, after)
        return Page(items=tuple(row for _, row in page.items), next_cursor=page.next_cursor)

    async def assign(self, interrupt_id: str, assignee: str, at: int) -> None:
        n, row = self._interrupts.get(interrupt_id, (0, None))
        if free_to_assign(row, interrupt_id, assignee):
            self._interrupts[interrupt_id] = (n, replace(row, assignee=assignee, claimed_at=at))

    async def unassign(self, interrupt_id: str) -> None:
        if interrupt_id in self._interrupts:
            n, row = self._interrupts[interrupt_id]
            self._interrupts[interrupt_id] = (n, replace(row, assignee=None, claimed_at=None))

    async def timers(self, run_key: int) -> list[TimerRow]:
        run = self._runs.get(run_key)
        kinds = run.timers.values() if run else ()
        return sorted((timer for of in kinds for timer in of.values()), key=attrgetter("task_id", "kind"))

    async def resting_timers(self) -> list[TimerRow]:
        heads = ((key, self._runs[key].head) for key in sorted(self._runs))
        resting = (key for key, head in heads if head.status is RunStatus.INTERRUPTED and head.hold is None)
        return [timer for key in resting for timer in await self.timers(key)]


def _fate(kind: Callable[..., T], of: object) -> T:
    """What became of something: the fields of it that such a value has."""
    return kind(**{name: getattr(of, name) for name in kind.__dataclass_fields__})  # type: ignore[attr-defined]


def _wanted(row: InterruptRow, where: InterruptFilter) -> bool:
    claimed = row.assignee is not None
    fits = where.kind in (None, row.kind) and where.assignee in (None, row.assignee)
    return fits and where.claimed in (None, claimed)
