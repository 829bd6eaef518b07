"""A run from its stored rows: the snapshot they begin with, where there is one, and every commit after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.activation import limit_error
from engine.graph import Graph
from engine.history import Entry
from engine.lines import jumps_of
from engine.migration import adopt
from engine.model import Commit, Folded, Kind, Ref, RunHead, TaskId, TaskStatus, make_ref
from engine.ports import CommitRow, EventRow
from engine.progress import Injection, Progress
from engine.record import decode, read_snapshot, snapshot
from engine.run import Run
from engine.state import State, durable, fleeting, initial, reduced

RUN_NOTES = TaskId("@run")
"""What events that concern a run as a whole are filed under, where those of tasks have the task's id."""
MIN_SNAPSHOT_WEIGHT = 8192
OUTWEIGH = 4


def wanted_refs(rows: Sequence[CommitRow]) -> tuple[Ref, ...]:
    """The commits outside `rows` that the snapshot of the first row refers to."""
    if not rows or rows[0].snapshot is None:
        return ()
    given = {make_ref(row.run_key, row.seq) for row in rows}
    refs = dict.fromkeys(ref for found in read_snapshot(rows[0]).refs.values() for ref in found)
    return tuple(ref for ref in refs if ref not in given)


def versions_in(rows: Sequence[CommitRow]) -> list[int]:
    """The versions of the workflow that commits among these rows change to."""
    changing = (decode(row).versions for row in rows if row.kind in (Kind.FORK, Kind.REPLAY))
    return [versions[1] for versions in changing if versions is not None]


def replay(
    run: Run, rows: Sequence[CommitRow], others: Iterable[CommitRow] = (), graphs: Mapping[int, Graph] | None = None
) -> Run:
    """Take up the rows of a line, oldest first. The first one starts the run or has a snapshot; `others` are the rows
    that the snapshot refers to. Rows of runs that this one was forked from come before its own. `graphs` are the
    versions of the workflow that the line changes to."""
    run.inherited = bool(rows) and rows[0].run_key != run.key
    rest: Sequence[CommitRow] = rows
    if rows and rows[0].snapshot is not None:
        referred = {make_ref(row.run_key, row.seq): decode(row) for row in (*others, rows[0])}
        begin_at(run, rows[0], referred)
        rest = rows[1:]
    for row in rest:
        if run.inherited and row.run_key == run.key:
            run.detach()
        commit = decode(row)
        if graphs and commit.versions is not None:
            adopt(run, graphs[commit.versions[1]])
        run.take(commit)
        run.weight += len(row.body)
        run.base = row.base
    return run


def begin_at(run: Run, row: CommitRow, referred: Mapping[Ref, Commit]) -> None:
    """Start from a cut: its snapshot is the state, and all that is active was activated by it."""
    found, commit = read_snapshot(row), referred[make_ref(row.run_key, row.seq)]
    history = run.history
    state = initial(run.graph)
    state.update(found.values)
    for name, refs in found.refs.items():
        state[name] = _folded(run, name, (commit if ref == commit.ref else referred[ref] for ref in refs))
    order = run.order_of(commit) if commit.task is not None else (commit.level or 0, -1, -1)
    history.clock, history.max_level, history.root = 1, found.max_level, commit.ref
    writes, history.last = durable(run.graph, commit.writes), fleeting(run.graph, commit.writes)
    error = commit.error if commit.handle is not None else None
    task_id = commit.task.id if commit.task is not None else run.id
    if row.run_key == run.key:
        run.recent = None
    root = Entry(commit.ref, 1, order, state, writes, history.last, error=error, task_id=task_id)
    history.entries = {commit.ref: root}
    history.sources = {name: list(refs) for name, refs in found.refs.items()}
    history.folded = {end.ref: end for end in found.ends or (Folded(commit.ref, task_id, history.last),)}
    history.tips, history.plain = set(history.folded), found.shown is None
    history.base_shown = state if found.shown is None else {**state, **found.shown}
    first = initial(run.graph)
    history.by_value = {
        name for name, key in run.graph.state.items()
        if key.reducer.by_reference and name not in found.refs and state.get(name) != first.get(name)
    }  # fmt: skip
    run.frontier.absorbed.update(found.absorbed)
    for arrival in found.deferred:
        run.frontier.deferred.setdefault(arrival.wave.node, []).append(arrival)
    run.cut_at, run.base, run.weight = commit.ref, commit.ref, 0
    _activate(run, commit)


def _activate(run: Run, commit: Commit) -> None:
    run.frontier.take(commit)
    for task in commit.opened:
        run.history.opened_at[task.id] = run.history.clock
        run.progress[task.id] = Progress(created_at=commit.at)
    for call, _ in commit.calls:
        if commit.task is not None and call == commit.task.id:
            run.frontier.tasks[call] = commit.task
            run.progress[call] = Progress(created_at=commit.at)
            run.items[commit.ref] = run.items_at(commit, lambda task: run.history.entries[commit.ref].state)
    run.queue(commit)
    run.note_outcome(commit)
    run.frontier.count(None)


def _folded(run: Run, name: str, commits: Iterable[Commit]) -> object:
    key = run.graph.state[name]
    value = initial(run.graph).get(name)
    for commit in commits:
        for written, update in commit.writes:
            if written == name:
                value = reduced(key, value, update)
    return value


def due_snapshot(run: Run, commit: Commit) -> bytes | None:
    """The snapshot to store with a commit: at a cut, where the rows since the last one outweigh it."""
    if run.cut_at != commit.ref or run.weight < max(MIN_SNAPSHOT_WEIGHT, OUTWEIGH * run.snapshot_size):
        return None
    history = run.history
    assert history.root is not None
    state: State = history.entries[history.root].state
    shown = state if history.plain else history.base_shown
    waiting = [arrival for some in run.frontier.deferred.values() for arrival in some if arrival.cause != commit.ref]
    data = snapshot(
        run.key, state, history.sources, shown, history.max_level, tuple(history.folded.values()), waiting,
        run.frontier.absorbed,
    )  # fmt: skip
    run.snapshot_size = len(data)
    return data if run.weight >= OUTWEIGH * len(data) else None


REPORTS = frozenset({"progress", "heartbeat"})
"""The events that workers tell of their tasks."""


def restore_progress(run: Run, events: Iterable[EventRow]) -> None:
    """Take up what happened to open tasks between commits: dispatches, acceptances, retries."""
    for event in events:
        task_id, body = event.task_id, event.body
        progress = run.progress.get(task_id) if task_id is not None else None
        if task_id is None or progress is None:
            continue
        over = progress.status is TaskStatus.FAILED or event.seq < progress.since
        if event.kind == "turn":
            _restore_turn(run, task_id, progress, body["answer"], over)
        elif over:
            continue
        elif event.kind in REPORTS:
            progress.heard_at = event.at
            progress.report = body if event.kind == "progress" else progress.report
        else:
            _restore_attempt(run, task_id, progress, event)


def _restore_turn(run: Run, task_id: TaskId, progress: Progress, answer: Any, over: bool) -> None:
    """A turn of an agent counts for good; whether it is what the task did last is another question."""
    if over:
        progress.turns.append(answer)
    else:
        progress.take_turn(answer)
        run.set_status(task_id, TaskStatus.PENDING)


def _restore_attempt(run: Run, task_id: TaskId, progress: Progress, event: EventRow) -> None:
    body = event.body
    match event.kind:
        case "dispatch":
            progress.attempt, progress.worker = body["attempt"], body["worker"]
            progress.started_at, progress.deadline = progress.started_at or event.at, body["deadline"]
            progress.accepted = False
            progress.reason = None
            run.set_status(task_id, TaskStatus.RUNNING)
        case "accepted":
            progress.accepted = True
        case "waiting":
            progress.reason, progress.wait_until = body["reason"], body.get("until")
            progress.due_at = body.get("due_at", progress.due_at)
            progress.started_at = progress.started_at or (event.at if progress.due_at is not None else None)
            run.set_status(task_id, TaskStatus.WAITING)
        case "retry":
            progress.attempt, progress.due_at, progress.wait_until = body["attempt"], body["due_at"], None
            progress.accepted = False
            run.set_status(task_id, TaskStatus.RETRYING)


def restore_notes(run: Run, events: Iterable[EventRow]) -> None:
    """Take up what is to be done with the run as a whole: the injections that wait for a node."""
    for event in events:
        body = event.body
        if event.kind == "injection" and body["branch"] == run.branch and body["jumps"] == run.jumps:
            run.injections[body["id"]] = Injection(
                id=body["id"], node=body["node"], updates=body["updates"], actor=body["actor"]
            )
        elif event.kind == "injected":
            run.injections.pop(body["id"], None)


def settle_totals(run: Run, head: RunHead, turns: Sequence[Commit] = ()) -> None:
    """Take the totals of a run from its row, and what its turns say of it as a whole."""
    jumps = jumps_of(turns)
    run.jumps, run.last_branch = len(jumps), max((jump.branch for jump in jumps), default=1)
    run.limits = {name: value for turn in turns for name, value in (turn.limits or {}).items()}
    run.seq, run.head = head.head & 0xFFFFFFFF, head.head
    run.status, run.error = head.status, head.error
    run.usage, run.task_count = head.usage, head.task_count
    run.limit = limit_error(run)
