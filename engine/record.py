"""Commits as they are stored: a compact JSON body each, in which an answer stands once and refs of the own run are
plain numbers, and a snapshot of the state where the deltas since the last one outweigh it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.codec import read, write
from engine.model import (
    NO_USAGE,
    SEQ_BITS,
    TURNS,
    Arrival,
    Call,
    Cancelled,
    Commit,
    ErrorInfo,
    Folded,
    Gate,
    InterruptId,
    InterruptOpened,
    Kind,
    Ref,
    Reuse,
    RunStatus,
    Snapshot,
    Task,
    TaskId,
    TaskStatus,
    Updates,
    Usage,
    Wave,
    make_ref,
    run_key_of,
    seq_of,
)
from engine.ports import CommitRow

SHARED_DEPTH = 5
OWN = 1 << SEQ_BITS


def encode(commit: Commit) -> bytes:
    """The body of a commit's row; what the row's columns say is left out."""
    key = run_key_of(commit.ref)
    body: dict[str, Any] = {}
    if commit.task is not None:
        body["task"] = _task(commit.task, key, None, None)
    if commit.causes and (commit.task is None or commit.causes != commit.task.causes):
        body["causes"] = _refs(commit.causes, key)
    if commit.writes:
        body["writes"] = _writes(commit)
    body.update(_delta(commit, key))
    body.update(_outcome(commit))
    return write(body)


def _delta(commit: Commit, key: int) -> Iterator[tuple[str, Any]]:
    """How the frontier changed. A commit closes its own task unless `closed` says otherwise."""
    if commit.opened:
        yield "opened", [_task(task, key, commit.ref, commit.level) for task in commit.opened]
    if commit.closed != (() if commit.task is None else (commit.task.id,)):
        yield "closed", commit.closed
    if commit.waiting:
        yield "waiting", [_arrival(arrival, key) for arrival in commit.waiting]
    if commit.joined:
        yield "joined", [_wave(wave) for wave in commit.joined]
    if commit.absorbed:
        yield "absorbed", [_wave(wave) for wave in commit.absorbed]
    if commit.cancelled:
        yield "cancelled", [_cancelled(ended, key) for ended in commit.cancelled]
    if commit.calls:
        yield (
            "calls",
            [
                [task, _ref(call.fanout, key), call.size, [[slot, _ref(ref, key)] for slot, ref in call.done]]
                for task, call in commit.calls
            ],
        )


PLAIN = ("chosen", "handle", "answer", "worker", "started_at", "input_hash", "task_status")


def _outcome(commit: Commit) -> Iterator[tuple[str, Any]]:
    yield from ((name, value) for name in PLAIN if (value := getattr(commit, name)) is not None)
    if commit.created_at is not None and commit.created_at != commit.at:
        yield "created_at", commit.created_at
    if commit.error is not None:
        yield "error", commit.error.as_json()
    if commit.usage is not NO_USAGE:
        yield "usage", commit.usage.as_json()
    if commit.attempt != 1:
        yield "attempt", commit.attempt
    if commit.resolved:
        yield "resolved", commit.resolved
    if commit.interrupt is not None:
        yield "interrupt", _interrupt(commit.interrupt)
    if commit.reused or commit.kind in TURNING:
        yield from _turn(commit)


TURNING = TURNS | {Kind.FORK}


def _turn(commit: Commit) -> Iterator[tuple[str, Any]]:
    """What only forks, replays, checkouts and retries have, and the tasks that they spare."""
    if commit.reused:
        yield "reused", 1
    if commit.reuse is not None:
        yield "reuse", [commit.reuse.until, commit.reuse.interrupts]
    if commit.limits:
        yield "limits", dict(commit.limits)
    if commit.versions is not None:
        yield "versions", commit.versions
    if commit.dropped:
        yield "dropped", commit.dropped
    if commit.goto is not None:
        yield "goto", commit.goto


def _interrupt(asked: InterruptOpened) -> dict[str, Any]:
    names = ("id", "kind", "message", "schema", "actions", "expires_at")
    return {name: getattr(asked, name) for name in names}


class Writing(NamedTuple):
    """As much of a commit as says what it wrote, and in which order."""

    row: CommitRow
    ref: Ref
    kind: Kind
    node: str | None
    level: int | None
    item: int | None
    writes: Updates


def decode(row: CommitRow) -> Commit:
    """The commit of a row."""
    body = read(row.body)
    key, ref = row.run_key, make_ref(row.run_key, row.seq)
    task = _read_task(body["task"], key, None, None) if "task" in body else None
    closed = body.get("closed")
    return Commit(
        ref=ref,
        kind=Kind(row.kind),
        at=row.at,
        branch=row.branch,
        parent=row.parent,
        task=task,
        level=row.level,
        writes=_read_writes(body),
        causes=_read_refs(body["causes"], key) if "causes" in body else task.causes if task else (),
        dominator=row.dominator,
        opened=tuple(_read_task(parts, key, ref, row.level) for parts in body.get("opened", ())),
        closed=tuple(closed) if closed is not None else (task.id,) if task else (),
        waiting=tuple(_read_arrival(parts, key) for parts in body.get("waiting", ())),
        joined=tuple(_read_wave(parts) for parts in body.get("joined", ())),
        absorbed=tuple(_read_wave(parts) for parts in body.get("absorbed", ())),
        cancelled=tuple(_read_cancelled(parts, key) for parts in body.get("cancelled", ())),
        calls=tuple(_read_call(parts, key) for parts in body.get("calls", ())),
        chosen=tuple(body["chosen"]) if "chosen" in body else None,
        handle=body.get("handle"),
        answer=body.get("answer"),
        error=ErrorInfo(**body["error"]) if "error" in body else None,
        usage=Usage(**body["usage"]) if "usage" in body else NO_USAGE,
        attempt=body.get("attempt", 1),
        worker=body.get("worker"),
        created_at=body.get("created_at", row.at if task is not None else None),
        started_at=body.get("started_at"),
        interrupt=_read_interrupt(body["interrupt"], task) if "interrupt" in body else None,
        resolved=tuple(InterruptId(found) for found in body.get("resolved", ())),
        status=RunStatus(row.status),
        task_status=TaskStatus(body["task_status"]) if "task_status" in body else None,
        actor=row.actor,
        epoch=row.epoch,
        input_hash=body.get("input_hash"),
        reused="reused" in body,
        reuse=Reuse(until=Ref(body["reuse"][0]), interrupts=body["reuse"][1]) if "reuse" in body else None,
        limits=body.get("limits"),
        versions=(body["versions"][0], body["versions"][1]) if "versions" in body else None,
        dropped=tuple(body.get("dropped", ())),
        goto=tuple(body["goto"]) if "goto" in body else None,
    )


def writing(row: CommitRow) -> Writing:
    """What a row wrote, and where that stands in canonical order; the rest of the commit is not made."""
    body = read(row.body)
    index = task[5] if len(task := body.get("task", ())) > 5 else None
    return Writing(row, make_ref(row.run_key, row.seq), Kind(row.kind), row.node, row.level, index, _read_writes(body))


# ---- refs, waves, tasks, calls


def _ref(ref: Ref, key: int) -> int:
    """A ref of the own run is its seq, one of another run the whole ref."""
    return seq_of(ref) if run_key_of(ref) == key else ref


def _read_ref(number: int, key: int) -> Ref:
    return make_ref(key, number) if number < OWN else Ref(number)


def _refs(refs: tuple[Ref, ...], key: int) -> list[int]:
    return [_ref(ref, key) for ref in refs]


def _read_refs(numbers: list[int], key: int) -> tuple[Ref, ...]:
    return tuple(_read_ref(number, key) for number in numbers)


def _wave(wave: Wave) -> list[Any]:
    return _trimmed([wave.node, wave.rounds or 0, wave.frame or 0, wave.generation or 0])


def _read_wave(parts: list[Any]) -> Wave:
    node, rounds, frame, generation = _padded(parts, 4)
    return Wave(node, tuple(rounds or ()), frame or "", generation or "")


def _arrival(arrival: Arrival, key: int) -> list[Any]:
    wave = _wave(arrival.wave)
    return [arrival.edge, _ref(arrival.cause, key), *([*_padded(wave, 4), arrival.place] if arrival.place else wave)]


def _read_arrival(parts: list[Any], key: int) -> Arrival:
    edge, cause, *wave = parts
    return Arrival(edge, _read_ref(cause, key), _read_wave(wave[:4]), wave[4] if len(wave) > 4 else "")


def _task(task: Task, key: int, opener: Ref | None, level: int | None) -> list[Any]:
    """A task as a list; causes and level are left out where they are those of its opener and one more."""
    parts = _trimmed(
        [
            task.id,
            _wave(task.wave),
            task.edges or 0,
            0 if opener is not None and task.causes == (opener,) else _refs(task.causes, key),
            0 if level is not None and task.level == level + 1 else task.level,
        ]
    )
    if task.gate is not None:
        gate = [task.gate.handles, task.gate.goto]
        return [*_padded(parts, 5), task.index, task.call, task.slot, task.place, gate]
    if task.index is None and not task.place:
        return parts
    return [*_padded(parts, 5), task.index, task.call, task.slot, *([task.place] if task.place else [])]


def _cancelled(ended: Cancelled, key: int) -> list[Any]:
    return [_task(ended.task, key, None, None), ended.created_at, ended.started_at, ended.attempt, ended.worker]


def _read_cancelled(parts: list[Any], key: int) -> Cancelled:
    task, created_at, started_at, attempt, worker = parts
    task = _read_task(task, key, None, None)
    return Cancelled(task=task, created_at=created_at, started_at=started_at, attempt=attempt, worker=worker)


def _read_gate(parts: list[Any]) -> Gate:
    handles, goto = (None if part is None else tuple(part) for part in parts)
    return Gate(handles=handles, goto=goto)


def _read_task(parts: list[Any], key: int, opener: Ref | None, level: int | None) -> Task:
    task_id, wave, edges, causes, own_level = _padded(parts[:5], 5)
    index, call, slot, place, gate = (*parts[5:], None, None, None, None, None)[:5]
    assert causes or opener is not None
    return Task(
        id=TaskId(task_id),
        wave=_read_wave(wave),
        causes=(opener,) if not causes and opener is not None else _read_refs(causes, key),
        level=own_level or (level or 0) + 1,
        edges=tuple(edges or ()),
        index=index,
        call=call,
        slot=slot,
        place=place or "",
        gate=None if gate is None else _read_gate(gate),
    )


def _padded(parts: list[Any], size: int) -> list[Any]:
    return parts + [0] * (size - len(parts))


def _trimmed(parts: list[Any]) -> list[Any]:
    while parts and parts[-1] == 0:
        parts.pop()
    return parts


def _read_call(parts: list[Any], key: int) -> tuple[TaskId, Call]:
    task, fanout, size, done = parts
    refs = tuple((slot, _read_ref(ref, key)) for slot, ref in done)
    return TaskId(task), Call(fanout=_read_ref(fanout, key), size=size, done=refs)


def _read_interrupt(body: dict[str, Any], task: Task | None) -> InterruptOpened:
    assert task is not None
    return InterruptOpened(task_id=task.id, node=task.node, **body)


# ---- writes: a value that is part of the answer is named by its path in it


def _writes(commit: Commit) -> list[list[Any]]:
    if commit.answer is None:
        return [[key, value] for key, value in commit.writes]
    places = dict(_places(commit.answer, [], SHARED_DEPTH))
    return [
        [key, 0, places[id(value)]] if id(value) in places and _worth_sharing(value) else [key, value]
        for key, value in commit.writes
    ]


def _worth_sharing(value: Any) -> bool:
    return isinstance(value, (dict, list)) or (isinstance(value, str) and len(value) > 24)


def _places(value: Any, path: list[str | int], depth: int) -> Iterator[tuple[int, list[str | int]]]:
    """The values inside an answer, by identity, with their paths."""
    yield id(value), path
    if depth == 0:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, [*path, key], depth - 1)
    elif isinstance(value, list) and len(value) <= 8:
        for place, inner in enumerate(value):
            yield from _places(inner, [*path, place], depth - 1)


def _read_writes(body: dict[str, Any]) -> Updates:
    found = []
    for key, value, *path in body.get("writes", ()):
        if path:
            value = _inside(body["answer"], path[0])
        found.append((key, value))
    return tuple(found)


def _inside(value: Any, path: list[str | int]) -> Any:
    for part in path:
        value = value[part]
    return value


# ---- snapshots


def snapshot(
    key: int,
    state: Mapping[str, Any],
    refs: Mapping[str, list[Ref]],
    shown: Mapping[str, Any],
    max_level: int,
    ends: Sequence[Folded] = (),
    deferred: Iterable[Arrival] = (),
    absorbed: Iterable[Wave] = (),
) -> bytes:
    """A snapshot row: keys by content, keys by reference to the commits that wrote them, and what is shown
    differently."""
    body: dict[str, Any] = {
        "values": {name: value for name, value in state.items() if name not in refs},
        "refs": {name: _refs(tuple(found), key) for name, found in refs.items()},
        "level": max_level,
    }
    if shown is not state:
        body["shown"] = {k: v for k, v in shown.items() if k not in state or state[k] is not v}
    if len(ends) > 1:
        body["ends"] = [[_ref(end.ref, key), end.task_id, end.fleeting] for end in ends]
    if late := [_arrival(arrival, key) for arrival in deferred]:
        body["deferred"] = late
    if closed := sorted(_wave(wave) for wave in absorbed):
        body["absorbed"] = closed
    return write(body)


def read_snapshot(row: CommitRow) -> Snapshot:
    """The snapshot of a row that has one."""
    assert row.snapshot is not None
    body = read(row.snapshot)
    return Snapshot(
        values=body["values"],
        refs={name: _read_refs(found, row.run_key) for name, found in body["refs"].items()},
        shown=body.get("shown"),
        max_level=body["level"],
        ends=tuple(
            Folded(_read_ref(ref, row.run_key), task_id, tuple((name, update) for name, update in writes))
            for ref, task_id, writes in body.get("ends", ())
        ),
        deferred=tuple(_read_arrival(parts, row.run_key) for parts in body.get("deferred", ())),
        absorbed=tuple(_read_wave(parts) for parts in body.get("absorbed", ())),
    )
