"""A run from its stored rows: the snapshot they begin with, where there is one, and every commit after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine import agenda
from engine.activation import limit_error
from engine.answer import parse_answer
from engine.fold import Entry
from engine.graph import Graph
from engine.lines import jumps_of
from engine.migration import adopt
from engine.missing import MISSING
from engine.model import Commit, Folded, Kind, RunHead, TaskId, TaskStatus, Usage
from engine.ports import CommitRow, EventRow
from engine.progress import Injection, Progress
from engine.record import decode
from engine.run import Run
from engine.snapshots import Referred, Snapshot, write_snapshot
from engine.sources import kept_at
from engine.state import State, durable, fleeting, folded, initial

RUN_NOTES = TaskId("@run")
"""What events that concern a run as a whole are filed under, where those of tasks have the task's id."""
MIN_ROWS, MIN_WEIGHT = 16, 32 * 1024
"""So many rows lie between two snapshots, or rows of so many bytes: less is read in no time."""
NOTHING = Referred()
OUTWEIGH = 4
"""So many times a snapshot is outweighed by the rows since the one before."""


def versions_in(rows: Sequence[CommitRow]) -> list[int]:
    """The versions of the workflow that commits among these rows change to."""
    changing = (decode(row).versions for row in rows if changes_version(row))
    return [versions[1] for versions in changing if versions is not None]


def changes_version(row: CommitRow) -> bool:
    """Whether a row may be one that changes to another version of the workflow."""
    return row.kind in (Kind.FORK, Kind.REPLAY) or (row.kind == Kind.START and row.task_id is None)


def begin(
    run: Run, rows: Sequence[CommitRow], snapshot: Snapshot | None = None, referred: Referred = NOTHING
) -> Sequence[CommitRow]:
    """Begin with the rows of a line, oldest first; returns those that are to be taken up next. The first one starts
    the run or has the snapshot; `referred` is what this refers to. Rows of runs that this one was forked from come
    before its own."""
    run.inherited = bool(rows) and rows[0].run_key != run.key
    if snapshot is None:
        return rows
    begin_at(run, rows[0], snapshot, referred)
    return rows[1:]


def take_up(run: Run, row: CommitRow, graphs: Mapping[int, Graph]) -> None:
    """Take up the next row of a line; `graphs` are the versions of the workflow that the line changes to."""
    if run.inherited and row.run_key == run.key:
        run.detach()
    commit = decode(row)
    if commit.versions is not None:
        adopt(run, graphs[commit.versions[1]])
    run.take(commit)
    run.weigh(commit, len(row.body))
    run.base = row.base


def begin_at(run: Run, row: CommitRow, found: Snapshot, referred: Referred) -> None:
    """Start from a cut: its snapshot is the state, and all that is active was activated by it."""
    commit = decode(row)
    history = run.history
    state = _state_at(run, found, referred)
    order = run.order_of(commit) if commit.task is not None else (commit.level or 0, -1, -1)
    history.clock, history.max_level, history.root = 1, found.max_level, commit.ref
    writes, history.last = durable(run.graph, commit.writes), fleeting(run.graph, commit.writes)
    error = commit.error if commit.handle is not None else None
    task_id = commit.task.id if commit.task is not None else run.id
    if row.run_key == run.key:
        run.recent = None
    root = Entry(commit.ref, 1, order, state, writes, history.last, error=error, task_id=task_id)
    history.entries = {commit.ref: root}
    history.folded = {end.ref: end for end in found.ends or (Folded(commit.ref, task_id, history.last),)}
    history.tips, history.plain = set(history.folded), found.shown is None
    history.base_shown = state if found.shown is None else {**state, **found.shown}
    run.frontier.absorbed.update(found.absorbed)
    for arrival in found.deferred:
        run.frontier.deferred.setdefault(arrival.wave.node, []).append(arrival)
    run.begin_weighing(commit.ref)
    run.cut_at = commit.ref
    _activate(run, commit)


def _state_at(run: Run, found: Snapshot, referred: Referred) -> State:
    """The state of a snapshot, with where its values come from."""
    state, sources = initial(run.graph), run.history.sources
    state.update(found.values)
    for name, source in found.named():
        absent = state.get(name, MISSING)
        value = folded(run.graph.state[name], referred.start(source, name, absent), referred.updates(source, name))
        if value is not MISSING:
            state[name] = value
    names = filter(sources.follows, (*found.values, *found.sources))
    sources.kept = {name: found.source(name) for name in names}
    return state


def _activate(run: Run, commit: Commit) -> None:
    run.frontier.take(commit)
    for task in commit.opened:
        run.history.opened_at[task.id] = run.history.clock
        run.progress[task.id] = Progress(created_at=commit.at, since=commit.seq)
    for call, _ in commit.calls:
        if commit.task is not None and call == commit.task.id:
            run.frontier.add(commit.task)
            run.progress[call] = Progress(created_at=commit.at)
            run.items[commit.ref] = run.items_at(commit, lambda task: run.history.entries[commit.ref].state)
    agenda.queue(run, commit)
    run.note_outcome(commit)
    run.frontier.count(None)


def due_snapshot(run: Run, commit: Commit) -> bytes | None:
    """The snapshot to store with a commit: at a cut, where the rows since the last one outweigh it."""
    if run.cut_at != commit.ref or (run.rows < MIN_ROWS and run.weight < MIN_WEIGHT):
        return None
    if run.weight < OUTWEIGH * run.snapshot_size:
        return None
    history = run.history
    assert history.root is not None
    state: State = history.entries[history.root].state
    shown = None if history.plain else _differing(history.base_shown, state)
    waiting = [arrival for some in run.frontier.deferred.values() for arrival in some if arrival.cause != commit.ref]
    kept = kept_at(commit.ref, history.sources, state)
    data = write_snapshot(
        commit.ref, run.key, kept, max_level=history.max_level, shown=shown, ends=tuple(history.folded.values()),
        deferred=waiting, absorbed=run.frontier.absorbed,
    )  # fmt: skip
    run.snapshot_size = len(data) - kept.paid
    if run.weight < OUTWEIGH * run.snapshot_size:
        return None
    history.sources.keep(kept)
    run.begin_weighing(commit.ref)
    return data


def _differing(shown: State, state: State) -> State:
    return {name: value for name, value in shown.items() if name not in state or state[name] is not value}


REPORTS = frozenset({"progress", "heartbeat"})
"""The events that workers tell of their tasks."""


def restore_progress(run: Run, events: Iterable[EventRow]) -> None:
    """Take up what happened to open tasks between commits: dispatches, acceptances, retries. Those that waited when
    their run was tried again begin to wait anew there."""
    waited = _retried(run)
    for event in events:
        task_id = event.task_id
        if task_id is None or task_id not in run.progress:
            continue
        while (retries := waited.get(task_id)) and event.seq >= retries[0][0]:
            _wait_anew(run, task_id, retries.pop(0)[1])
        _restore(run, task_id, event)
    for task_id, retries in waited.items():
        for _, at in retries:
            _wait_anew(run, task_id, at)


def _restore(run: Run, task_id: TaskId, event: EventRow) -> None:
    progress = run.progress[task_id]
    earlier = event.seq < progress.since
    over = earlier or progress.status is TaskStatus.FAILED
    if event.kind == "turn":
        _restore_turn(run, task_id, progress, event, over)
    elif event.kind in REPORTS:
        if earlier or event.body["attempt"] < progress.attempt:
            return
        progress.heard_at = event.at
        progress.report = event.body if event.kind == "progress" else progress.report
    elif not over:
        _restore_attempt(run, task_id, progress, event)


def _retried(run: Run) -> dict[TaskId, list[tuple[int, int]]]:
    """The retries of the run with which tasks began to wait anew, if they waited for something else than their time."""
    found: dict[TaskId, list[tuple[int, int]]] = {}
    for task_id, progress in run.progress.items():
        if retries := [one for one in progress.retried if one[0] > progress.since]:
            found[task_id], progress.again_at = retries, progress.again_before
    return found


def _wait_anew(run: Run, task_id: TaskId, at: int) -> None:
    progress = run.progress[task_id]
    if progress.status in (TaskStatus.PENDING, TaskStatus.WAITING, TaskStatus.RUNNING):
        progress.wait_anew(at)
        run.set_status(task_id, TaskStatus.PENDING)


def restore_turns(run: Run, events: Iterable[EventRow]) -> None:
    """Take up the turns that agents have had, of a line that is not gone on with yet."""
    for event in events:
        if event.kind == "turn" and event.task_id is not None and event.task_id in run.progress:
            _restore_turn(run, event.task_id, run.progress[event.task_id], event, over=True)


def _restore_turn(run: Run, task_id: TaskId, progress: Progress, event: EventRow, over: bool) -> None:
    """A turn of an agent counts for good; whether it is what the task did last is another question."""
    answer, worker = event.body["answer"], event.body["worker"]
    if over:
        progress.turns.append(answer)
        progress.said_by = worker if progress.question is None else progress.said_by
    else:
        progress.take_turn(answer, worker, parse_answer(answer).usage, event.at)
        run.set_status(task_id, TaskStatus.PENDING)


def _restore_attempt(run: Run, task_id: TaskId, progress: Progress, event: EventRow) -> None:
    body = event.body
    match event.kind:
        case "dispatch":
            progress.attempt, progress.worker = body["attempt"], body["worker"]
            progress.said_by = progress.said_by if progress.said_by == progress.worker else None
            progress.started_at, progress.deadline = progress.started_at or event.at, body["deadline"]
            progress.accepted = False
            progress.reason = None
            run.set_status(task_id, TaskStatus.RUNNING)
        case "accepted":
            progress.accepted, progress.lease_ms, progress.ref = True, body.get("lease_ms"), body.get("ref")
        case "rebound":
            progress.rebind(body["worker"], body["to"], event.at)
            run.set_status(task_id, TaskStatus.PENDING)
        case "waiting":
            progress.reason, progress.wait_until = body["reason"], body.get("until")
            progress.due_at = body.get("due_at", progress.due_at)
            progress.started_at = progress.started_at or (event.at if progress.due_at is not None else None)
            run.set_status(task_id, TaskStatus.WAITING)
        case "retry":
            progress.attempt, progress.due_at, progress.wait_until = body["attempt"], body["due_at"], None
            progress.accepted = False
            progress.note_failure(counts=body.get("counts", True), failed_by=body.get("failed_by"))
            if "usage" in body:
                progress.unpaid = progress.unpaid.plus(Usage(**body["usage"]))
            run.set_status(task_id, TaskStatus.RETRYING)


def restore_notes(run: Run, events: Iterable[EventRow]) -> None:
    """Take up what is to be done with the run as a whole: the injections that wait for a node."""
    run.injections.update(pending_on(events, run.branch))


def pending_on(events: Iterable[EventRow], branch: int) -> dict[str, Injection]:
    """The injections that wait for a node on a branch, also where that was left since."""
    found: dict[str, Injection] = {}
    for event in events:
        body = event.body
        if event.kind == "injection" and body["branch"] == branch:
            injection = Injection(id=body["id"], node=body["node"], updates=body["updates"], actor=body["actor"])
            found[injection.id] = injection
        elif event.kind == "injected":
            found.pop(body["id"], None)
    return found


def settle_totals(run: Run, head: RunHead, turns: Sequence[Commit] = ()) -> None:
    """Take the totals of a run from its row, and what its turns say of it as a whole."""
    jumps = jumps_of(turns)
    run.jumps, run.last_branch = len(jumps), max((jump.branch for jump in jumps), default=1)
    run.limits = {name: value for turn in turns for name, value in (turn.limits or {}).items()}
    run.seq, run.head = head.head & 0xFFFFFFFF, head.head
    run.status, run.error = head.status, head.error
    run.usage, run.task_count = head.usage, head.task_count
    run.limit = limit_error(run)
