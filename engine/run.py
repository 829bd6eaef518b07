"""A run as it is held in memory: nothing but what its commits and events say, so that it can be dropped at any time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine import again, agenda
from engine.answer import parse_answer
from engine.continuation import start_over
from engine.encoding import Encoder
from engine.fold import Entry, Order
from engine.frame import ROOT, Frame, Frames, begin_frame
from engine.frontier import Counts, Frontier, OpenCall
from engine.gates import NO_STOPS, Stops, counted
from engine.graph import BROKEN, DEFAULT_MAX_STEPS, DEFAULT_MAX_TASKS, Graph, Node
from engine.history import History
from engine.missing import MISSING
from engine.model import (
    CAUSAL,
    JUMPS,
    NO_USAGE,
    TERMINAL,
    Commit,
    ErrorInfo,
    InterruptId,
    InterruptOpened,
    Kind,
    Ref,
    RunId,
    RunStatus,
    Task,
    TaskId,
    TaskStatus,
    Usage,
    seq_of,
)
from engine.plugins import node_types
from engine.progress import Injection, Progress
from engine.state import State
from engine.view import View

if TYPE_CHECKING:
    from engine.recall import Recall

RECENT_TASKS = 100
"""How many ended tasks a run is shown with."""


@dataclass(slots=True, kw_only=True)
class Run:
    """The working set of one run. `ready` are tasks to enter next; `held` items that wait for their send's limit."""

    graph: Graph
    key: int
    id: RunId
    origin_id: str
    input: Mapping[str, Any]
    config: Mapping[str, Any]
    breakpoints: tuple[Sequence[str] | None, Sequence[str] | None] = (None, None)
    """Those of its own, before and after nodes, whatever version of its workflow (None: those of that)."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """What the run's config lays over that of its workflow, whatever version of it."""
    created_at: int
    branch: int = 1
    epoch: int = 0
    head: Ref | None = None
    seq: int = 0
    status: RunStatus = RunStatus.RUNNING
    error: ErrorInfo | None = None
    limit: ErrorInfo | None = None
    timeout_at: int | None = None
    cancelled_at: int | None = None
    usage: Usage = NO_USAGE
    task_count: int = 0
    events: int = 0
    weight: int = 0
    """What the bodies of the rows since the last snapshot weigh, and how many rows that are."""
    rows: int = 0
    base: Ref | None = None
    frames: Frames = field(init=False)
    progress: dict[TaskId, Progress] = field(default_factory=dict)
    interrupts: dict[InterruptId, InterruptOpened] = field(default_factory=dict)
    ready: deque[TaskId] = field(default_factory=deque)
    held: dict[TaskId, deque[TaskId]] = field(default_factory=dict)
    parked: dict[TaskId, dict[TaskId, None]] = field(default_factory=dict)
    """What goes on once a task has its room, by that task."""
    in_flight: int = 0
    timed: set[TaskId] = field(default_factory=set)
    last_branch: int = 1
    stops: Stops = NO_STOPS
    """Its breakpoints."""
    jumps: int = 0
    """How often the head has moved to another line."""
    limits: Mapping[str, int | float] = field(default_factory=dict)
    """The limits that retries have raised, over those of the config."""
    recall: Recall | None = None
    """The answers that the run may take over from the line that it came from."""
    injections: dict[str, Injection] = field(default_factory=dict)
    """State that is to be injected after a node's next commit, by id, oldest first."""
    cut_at: Ref | None = None
    inherited: bool = False
    snapshot_size: int = 0
    encoder: Encoder = field(default_factory=Encoder)
    recent: deque[Commit] | None = field(default_factory=lambda: deque(maxlen=RECENT_TASKS))
    """The commits that ended the run's last tasks, oldest first; None where it was read from a snapshot on."""
    results: dict[Ref, tuple[Any, ErrorInfo | None]] = field(default_factory=dict)
    """What the items of sends in progress gave, by their commits."""
    items: dict[Ref, list[Any]] = field(default_factory=dict)
    """What sends in progress run their targets for, by their fan-outs; an edit since then changes none of it."""

    def __post_init__(self) -> None:
        root = Frame(id=ROOT, graph=self.graph, input=self.input, config=self.config, stops=self.stops)
        self.frames = Frames(root)

    @property
    def history(self) -> History:
        """What is remembered of the run's own frame."""
        return self.frames.root.history

    @property
    def frontier(self) -> Frontier:
        """What is left to do in the run's own frame."""
        return self.frames.root.frontier

    @property
    def tasks(self) -> dict[TaskId, Task]:
        """The open tasks of all frames."""
        return self.frames.tasks

    @property
    def calls(self) -> dict[TaskId, OpenCall]:
        """The sends in progress in all frames."""
        return self.frames.calls

    def node_of(self, task: Task) -> Node:
        """The node that a task is an activation of."""
        wave = task.wave
        return self.frames.by_id[wave.frame].graph.nodes[wave.node]

    def is_busy(self, task: TaskId) -> bool:
        """Whether a task is in progress by what it has others do: a send with items, or a subgraph."""
        return task in self.calls or task in self.frames.nests

    @property
    def failing(self) -> bool:
        """Whether the run has failed and only lets what workers already hold finish."""
        return self.error is not None

    @property
    def max_steps(self) -> int:
        return int(self._limit("max_steps", DEFAULT_MAX_STEPS))

    @property
    def max_tasks(self) -> int:
        return int(self._limit("max_tasks", DEFAULT_MAX_TASKS))

    @property
    def timeout_ms(self) -> int | None:
        """How long the run may take from its start, or from the fork, replay, checkout or retry that came last."""
        found = self._limit("timeout_ms", None)
        return None if found is None else int(found)

    @property
    def max_cost(self) -> float | None:
        found = self._limit("max_cost", None)
        return None if found is None else float(found)

    def _limit(self, name: str, default: float | None) -> Any:
        found = self.limits[name] if name in self.limits else self.config.get(name)
        return default if found is None else found

    def order_of(self, commit: Commit) -> Order:
        """Where a commit with a level stands in canonical order, but for ties (language 3.1)."""
        task = commit.task
        assert task is not None and commit.level is not None
        return commit.level, self.node_of(task).position, -1 if task.index is None else task.index

    # ---- evolution: the same for a commit just planned and for one read from the store

    def take(self, commit: Commit, fresh: State | None = None, blockers: Counts = None) -> None:
        """Take up a commit of this run, or of a line that it was forked from. `fresh` and `blockers` are what
        planning it has worked out already."""
        if commit.kind in JUMPS:
            self._jump(commit)
        if commit.kind is Kind.START and commit.parent is not None:
            start_over(self) if commit.task is None else begin_frame(self.frames, commit)
        frame = self.frames.by_id[commit.frame]
        self._take_history(commit, frame, fresh)
        self.note_outcome(commit)
        if not self.frames.nested:
            self.frames.root.frontier.count(blockers)
            return
        if frame.id != ROOT:
            self.history.last = ()
            if commit.kind is Kind.NODE and commit.task is not None:
                frame.done.add(commit.task.node)
        place = frame.id if commit.task is None or commit.kind is Kind.START else commit.task.wave.frame
        if (counted_in := self.frames.by_id.get(place)) is not None:
            counted_in.frontier.count(blockers)
        agenda.wake(self, commit)

    def weigh(self, commit: Commit, size: int) -> None:
        """Note what the row of a commit that was taken up weighs."""
        self.weight, self.rows = self.weight + size, self.rows + 1
        if commit.writes and commit.frame == ROOT:
            self.history.sources.weigh(commit.writes, size)

    def begin_weighing(self, base: Ref) -> None:
        """The row of the newest commit has a snapshot."""
        self.base, self.weight, self.rows = base, 0, 0

    def note_item(self, commit: Commit) -> None:
        """Note what an item of a send gave."""
        output = parse_answer(commit.answer).output if commit.answer is not None else None
        self.results[commit.ref] = (None if output is MISSING else output, commit.error)

    def _take_history(self, commit: Commit, frame: Frame, fresh: State | None) -> None:
        history, entry = frame.history, None
        if commit.kind is Kind.START:
            history.begin(commit)
            entry = history.entries[commit.ref]
        elif commit.kind in CAUSAL:
            entry = history.add(commit, self.order_of(commit), fresh)
        else:
            history.edit(commit)
        left = [(self.frames.of(self.tasks[name]).history, name) for name in commit.closed if name in self.tasks]
        self.frames.take(commit)
        for task in commit.opened:
            self._opened(task, commit)
        if commit.kind is Kind.SEND:
            self.items[commit.ref] = self.items_at(commit, history.view)
        elif self.items and commit.kind is not Kind.ITEM:
            self._drop_items()
        for known, task_id in left:
            known.opened_at.pop(task_id, None)
            known.views.pop(task_id, None)
            self._forget(task_id)
        agenda.queue(self, commit)
        if entry is not None and self._is_cut(frame, entry, commit):
            history.cut(entry)
            self.cut_at = commit.ref if frame.id == ROOT else self.cut_at

    def _opened(self, task: Task, commit: Commit) -> None:
        history = self.frames.of(task).history
        history.opened_at[task.id] = history.clock
        self.progress[task.id] = Progress(created_at=commit.at, since=commit.seq)

    def _is_cut(self, frame: Frame, entry: Entry, commit: Commit) -> bool:
        """Whether all that is active in a frame descends from a commit alone, and the state after it says all that it
        needs. One that breaks the frame may have to be compared with another one that did."""
        if (
            commit.handle == BROKEN
            or entry.order[0] < frame.history.max_level
            or not frame.frontier.opened_by(commit.ref, commit.opened)
        ):
            return False
        return commit.kind is not Kind.SEND or self.items_at(commit, lambda task: entry.state) == self.items[commit.ref]

    def _forget(self, task_id: TaskId) -> None:
        gone = self.progress.pop(task_id, None)
        self.parked.pop(task_id, None)
        if gone is not None and gone.status is TaskStatus.RUNNING:
            self.in_flight -= 1
        if gone is not None and gone.interrupt is not None:
            self.interrupts.pop(gone.interrupt, None)

    def items_at(self, fanout: Commit, view: Callable[[Task], State]) -> list[Any]:
        """The items of a fan-out, from what its task saw."""
        assert fanout.task is not None
        found: list[Any] = node_types()["send"].items_of(self.node_of(fanout.task).spec, View(state=view(fanout.task)))
        return found

    def _drop_items(self) -> None:
        if not self.calls:
            self.results.clear()
            self.items.clear()

    def note_outcome(self, commit: Commit) -> None:
        self.head = commit.ref
        if commit.interrupt is not None:
            self.interrupts[commit.interrupt.id] = commit.interrupt
            self._asked(commit)
        for interrupt in commit.resolved:
            self._answered(interrupt, commit)
        if commit.task is not None and commit.task.id in self.progress:
            self.progress[commit.task.id].pay(commit.usage)
        if not self.inherited:
            self._note_own(commit)

    def _note_own(self, commit: Commit) -> None:
        self.seq, self.branch, self.status = seq_of(commit.ref), commit.branch, commit.status
        if self.recent is not None and (commit.cancelled or _finishes(commit)):
            self.recent.append(commit)
        self.task_count += counted(commit)
        if commit.usage is not NO_USAGE:
            self.usage = self.usage.plus(commit.usage)
        if commit.kind is Kind.FAILURE and commit.handle != BROKEN:
            self._failed(commit)
        elif commit.kind is Kind.CHECKOUT:
            self.error = commit.error
        elif commit.kind is Kind.CANCEL:
            self.cancelled_at = commit.at
        elif commit.kind is Kind.RETRY:
            again.try_again(self, commit)

    def _failed(self, commit: Commit) -> None:
        self.error = self.error or commit.error
        if commit.task is not None and commit.task.id in self.progress:
            self.set_status(commit.task.id, TaskStatus.FAILED).fail(commit)

    def unready(self, task_id: TaskId) -> None:
        """Take a task out of those to enter next: it was entered before."""
        if task_id in self.ready:
            self.ready.remove(task_id)

    def _asked(self, commit: Commit) -> None:
        assert commit.interrupt is not None
        progress = self.set_status(commit.interrupt.task_id, TaskStatus.INTERRUPTED)
        progress.interrupt, progress.since = commit.interrupt.id, commit.seq
        progress.interrupts += 1
        if commit.worker_asks:
            progress.attempt, progress.worker, progress.input_hash = commit.attempt, commit.worker, commit.input_hash
            progress.question, progress.said_by = commit.answer, commit.worker
        progress.started_at = progress.started_at or commit.started_at or commit.at
        progress.accepted, progress.deadline, progress.reason, progress.wait_until = False, None, None, None
        self.unready(commit.interrupt.task_id)

    def _answered(self, interrupt: InterruptId, commit: Commit) -> None:
        opened = self.interrupts.pop(interrupt, None)
        if opened is None or opened.task_id not in self.progress:
            return
        progress = self.set_status(opened.task_id, TaskStatus.PENDING)
        progress.interrupt, progress.again_at = None, commit.at
        if opened.by_worker and commit.kind is Kind.RESUME:  # the worker is asked again, with the value
            progress.resume, progress.resumes = commit.answer["resume"], progress.resumes + 1
            progress.ask_again()
            progress.since = commit.seq
            self.ready.append(opened.task_id)

    def status_of(self, task_id: TaskId) -> TaskStatus | None:
        """The status of a task, if it is open."""
        return self.progress[task_id].status if task_id in self.progress else None

    def set_status(self, task_id: TaskId, status: TaskStatus) -> Progress:
        """Change the status of an open task, keeping count of those that a worker holds."""
        found = self.progress[task_id]
        self.in_flight += (status is TaskStatus.RUNNING) - (found.status is TaskStatus.RUNNING)
        found.status = status
        return found

    def put_off(self, task_id: TaskId, status: TaskStatus) -> Progress:
        """Have an open task wait for what is to come, which its attempt has led to: after a crash that may have been
        answered before it was entered again."""
        if self.progress[task_id].status is not TaskStatus.RUNNING:
            self.unready(task_id)
        return self.set_status(task_id, status)

    def detach(self) -> None:
        """Forget what belongs to the parent's line alone, before the first commit of a fork."""
        self.inherited = False
        self._leave_line()
        self.usage, self.seq = NO_USAGE, 0

    def _jump(self, commit: Commit) -> None:
        """Forget what went on where the line came from: a commit follows that begins or takes up a branch. A line that
        had ended keeps what it had left, for a retry; what its workers held is lost to them."""
        if commit.status in TERMINAL:
            self.injections.clear()
            self.in_flight, self.task_count = 0, 0
            for progress in self.progress.values():
                progress.since, progress.failed_by = commit.seq, None
        else:
            self._leave_line()
        if not self.inherited:
            self.jumps += 1
            self.last_branch = max(self.last_branch, commit.branch)

    def _leave_line(self) -> None:
        self.interrupts.clear()
        self.ready.clear()
        self.held.clear()
        self.parked.clear()
        self.injections.clear()
        self.in_flight, self.task_count = 0, 0
        self.error, self.limit, self.status = None, None, RunStatus.RUNNING

    def open_tasks(self) -> list[Task]:
        """The tasks that are not finished; what a breakpoint holds back is none."""
        return [task for task in self.tasks.values() if task.gate is None]

    def open_task(self, task_id: TaskId) -> Task | None:
        return self.tasks.get(task_id)


def _finishes(commit: Commit) -> bool:
    task = commit.task
    return task is not None and task.id in commit.closed and task.gate is None
