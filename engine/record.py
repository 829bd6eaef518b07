"""Commits as they are stored: a compact JSON body each, in which an answer stands once and refs of the own run are
plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from engine.brief import Brief
from engine.codec import read, write
from engine.model import (
    EDITS,
    NO_USAGE,
    SEQ_BITS,
    TURNS,
    Arrival,
    Call,
    Cancelled,
    Commit,
    ErrorInfo,
    Gate,
    InterruptOpened,
    Kind,
    Nested,
    Ref,
    Reuse,
    RunStatus,
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
PLAIN = ("chosen", "handle", "answer", "worker", "started_at", "input_hash", "task_status")
"""What stands in a body as it is in the commit."""


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
    for name in PLAIN:
        if (value := getattr(commit, name)) is not None:
            body[name] = value
    body.update(_outcome(commit))
    return write(body)


def _delta(commit: Commit, key: int) -> Iterator[tuple[str, Any]]:
    """How the frontier changed. A commit closes its own task unless `closed` says otherwise."""
    if commit.opened:
        yield "opened", [_task(task, key, commit.ref, commit.level) for task in commit.opened]
    if commit.closed != (() if commit.task is None else (commit.task.id,)):
        yield "closed", commit.closed
    if commit.waiting:
        yield "waiting", [arrival_parts(arrival, key) for arrival in commit.waiting]
    if commit.joined:
        yield "joined", [wave_parts(wave) for wave in commit.joined]
    if commit.absorbed:
        yield "absorbed", [wave_parts(wave) for wave in commit.absorbed]
    yield from _work_of_others(commit, key)


def _work_of_others(commit: Commit, key: int) -> Iterator[tuple[str, Any]]:
    """What it ends that was not done, and the sends and subgraphs that it begins or goes on with."""
    if commit.cancelled:
        yield "cancelled", [_cancelled(ended, key) for ended in commit.cancelled]
    if commit.frames:
        yield "frames", [[task, *_nested(nested)] for task, nested in commit.frames]
    if commit.calls:
        yield (
            "calls",
            [
                [task, short_ref(call.fanout, key), call.size, [[slot, short_ref(ref, key)] for slot, ref in call.done]]
                for task, call in commit.calls
            ],
        )


def _outcome(commit: Commit) -> Iterator[tuple[str, Any]]:
    """What comes of the task, but for what stands as it is."""
    if commit.created_at is not None and commit.created_at != commit.at:
        yield "created_at", commit.created_at
    if commit.error is not None:
        yield "error", commit.error.as_json()
    if commit.usage is not NO_USAGE or commit.spent is not NO_USAGE:
        used = (("usage", commit.usage), ("spent", commit.spent))
        yield from ((name, usage.as_json()) for name, usage in used if usage is not NO_USAGE)
    if commit.attempt != 1:
        yield "attempt", commit.attempt
    if commit.resolved:
        yield "resolved", commit.resolved
    if commit.interrupt is not None:
        yield "interrupt", _interrupt(commit.interrupt)
    if commit.reused or commit.cached or commit.kind in TURNING:
        yield from _turn(commit)


TURNING = TURNS | {Kind.FORK, Kind.START}


def _turn(commit: Commit) -> Iterator[tuple[str, Any]]:
    """What only forks, replays, checkouts and retries have, and the tasks that they spare."""
    yield from ((name, 1) for name in ("reused", "by_human") if getattr(commit, name))
    if commit.cached:
        yield "cached", 1
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

    ref: Ref
    kind: Kind
    node: str | None
    level: int | None
    item: int | None
    writes: Updates


KINDS = {kind.value: kind for kind in Kind}
STATUSES = {status.value: status for status in RunStatus}


def decode(row: CommitRow) -> Commit:
    """The commit of a row."""
    body, key = read(row.body), row.run_key
    ref, level = make_ref(key, row.seq), row.level
    found: dict[str, Any] = {}
    task = found["task"] = _read_task(body["task"], key, None, None) if "task" in body else None
    if task is not None:
        found["causes"], found["closed"], found["created_at"] = task.causes, (task.id,), row.at
    for name, value in body.items():
        made = _READ.get(name)
        if made is not None:
            found[name] = made(value, key)
        elif name == "opened":
            found[name] = tuple([_read_task(parts, key, ref, level) for parts in value])
        elif name == "writes":
            found[name] = _read_writes(body)
        elif name == "interrupt":
            found[name] = _read_interrupt(value, task, row.at)
        elif name != "task":
            found[name] = value
    return Commit(
        ref=ref, kind=KINDS[row.kind], at=row.at, branch=row.branch, parent=row.parent, level=level,
        dominator=row.dominator, status=STATUSES[row.status], actor=row.actor, epoch=row.epoch, **found,
    )  # fmt: skip


def writes_of(row: CommitRow) -> Updates:
    """What a row wrote; the rest of the commit is not made."""
    return _read_writes(read(row.body))


def writing(row: Brief) -> Writing:
    """What a row wrote to the state of the run, and where that stands in canonical order."""
    body = read(row.body)
    index = task[5] if len(task := body.get("task", ())) > 5 else None
    kind = KINDS[row.kind]
    inside = "frames" in body if kind is Kind.START else bool(task) and len(task[1]) > 2 and bool(task[1][2])
    inside = inside and kind not in EDITS
    writes = () if inside else _read_writes(body)
    return Writing(row.ref, kind, row.node, row.level, index, writes)


# ---- refs, waves, tasks, calls


def short_ref(ref: Ref, key: int) -> int:
    """A ref of the own run is its seq, one of another run the whole ref."""
    return seq_of(ref) if run_key_of(ref) == key else ref


def long_ref(number: int, key: int) -> Ref:
    """The ref of a number that `short_ref` made."""
    return make_ref(key, number) if number < OWN else Ref(number)


def _refs(refs: tuple[Ref, ...], key: int) -> list[int]:
    return [short_ref(ref, key) for ref in refs]


def _read_refs(numbers: list[int], key: int) -> tuple[Ref, ...]:
    return tuple([long_ref(number, key) for number in numbers])


def wave_parts(wave: Wave) -> list[Any]:
    return _trimmed([wave.node, wave.rounds or 0, wave.frame or 0, wave.generation or 0])


def read_wave(parts: list[Any]) -> Wave:
    if len(parts) < 3:
        return Wave(parts[0], tuple(parts[1]) if len(parts) == 2 else ())
    node, rounds, frame, generation = _padded(parts, 4)
    return Wave(node, tuple(rounds or ()), frame or "", generation or "")


def arrival_parts(arrival: Arrival, key: int) -> list[Any]:
    """An arrival as a list."""
    wave = wave_parts(arrival.wave)
    return [
        arrival.edge,
        short_ref(arrival.cause, key),
        *([*_padded(wave, 4), arrival.place] if arrival.place else wave),
    ]


def read_arrival(parts: list[Any], key: int) -> Arrival:
    """The arrival of a list."""
    edge, cause, *wave = parts
    return Arrival(edge, long_ref(cause, key), read_wave(wave[:4]), wave[4] if len(wave) > 4 else "")


def _task(task: Task, key: int, opener: Ref | None, level: int | None) -> list[Any]:
    """A task as a list; causes and level are left out where they are those of its opener and one more."""
    parts = _trimmed(
        [
            task.id,
            wave_parts(task.wave),
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


def _nested(nested: Nested) -> list[Any]:
    return [nested.frame, nested.input, nested.turn, nested.attempt, [[*update] for update in nested.updates]]


def _read_nested(parts: list[Any]) -> tuple[TaskId, Nested]:
    task, frame, given, turn, attempt, updates = parts
    found = tuple((key, update) for key, update in updates)
    return TaskId(task), Nested(frame=frame, input=given, turn=turn, attempt=attempt, updates=found)


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
    task_id, wave, edges, causes, own_level = parts if len(parts) == 5 else _padded(parts[:5], 5)
    more: dict[str, Any] = {}
    if len(parts) > 5:
        index, call, slot, place, gate = (*parts[5:], None, None, None, None, None)[:5]
        more = {"index": index, "call": call, "slot": slot, "place": place or ""}
        if gate is not None:
            more["gate"] = _read_gate(gate)
    assert causes or opener is not None
    return Task(
        id=task_id,
        wave=read_wave(wave),
        causes=(opener,) if not causes and opener is not None else _read_refs(causes, key),
        level=own_level or (level or 0) + 1,
        edges=tuple(edges or ()),
        **more,
    )


def _padded(parts: list[Any], size: int) -> list[Any]:
    return parts + [0] * (size - len(parts))


def _trimmed(parts: list[Any]) -> list[Any]:
    while parts and parts[-1] == 0:
        parts.pop()
    return parts


def _read_call(parts: list[Any], key: int) -> tuple[TaskId, Call]:
    task, fanout, size, done = parts
    refs = tuple((slot, long_ref(ref, key)) for slot, ref in done)
    return TaskId(task), Call(fanout=long_ref(fanout, key), size=size, done=refs)


_READ: Mapping[str, Callable[[Any, int], Any]] = {
    "causes": _read_refs,
    "closed": lambda ids, key: tuple(ids),
    "waiting": lambda found, key: tuple(read_arrival(parts, key) for parts in found),
    "joined": lambda found, key: tuple(map(read_wave, found)),
    "absorbed": lambda found, key: tuple(map(read_wave, found)),
    "cancelled": lambda found, key: tuple(_read_cancelled(parts, key) for parts in found),
    "frames": lambda found, key: tuple(map(_read_nested, found)),
    "calls": lambda found, key: tuple(_read_call(parts, key) for parts in found),
    "chosen": lambda handles, key: tuple(handles),
    "error": lambda error, key: ErrorInfo(**error),
    "usage": lambda usage, key: Usage(**usage),
    "spent": lambda usage, key: Usage(**usage),
    "resolved": lambda ids, key: tuple(ids),
    "task_status": lambda status, key: TaskStatus(status),
    "reused": lambda reused, key: True,
    "by_human": lambda by_human, key: True,
    "cached": lambda cached, key: True,
    "reuse": lambda reuse, key: Reuse(until=Ref(reuse[0]), interrupts=reuse[1]),
    "versions": lambda versions, key: (versions[0], versions[1]),
    "dropped": lambda addresses, key: tuple(addresses),
    "goto": lambda nodes, key: tuple(nodes),
}
"""What becomes of parts of a body by themselves; the others are as they are, or need more of the commit."""


def _read_interrupt(body: dict[str, Any], task: Task | None, at: int) -> InterruptOpened:
    assert task is not None
    return InterruptOpened(task_id=task.id, node=task.node, created_at=at, **body)


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
