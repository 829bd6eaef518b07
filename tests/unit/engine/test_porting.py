"""Files of runs: every ref is moved, and no field of a row is forgotten."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

import pytest

from engine.codec import read, write
from engine.model import (
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
    Nested,
    Ref,
    Reuse,
    RunHead,
    RunStatus,
    Task,
    TaskId,
    TaskStatus,
    Usage,
    Wave,
    make_ref,
    run_key_of,
    seq_of,
)
from engine.porting.refs import Stray, moved_body, moved_snapshot, renumbered, short, whole
from engine.porting.rows import commit_of
from engine.porting.shapes import BODY, COMMIT, FATE, INTERRUPT, LETTER, LINES, RUN, SNAPSHOT
from engine.porting.writing import FIXED, MOVING, PLACE
from engine.ports import CommitRow, EventRow, InterruptFate, InterruptRow, LetterFate, TimerRow
from engine.record import decode, encode
from engine.snapshots import read_snapshot, write_snapshot
from engine.sources import Kept, Source, Span

OWN, ABOVE, FIRST = 7, 5, 3
KEYS = {FIRST: 1, ABOVE: 2, OWN: 3}
"""From the keys of a store to the numbers of a file."""


def ref(key: int, seq: int) -> Ref:
    return make_ref(key, seq)


def a_task(name: str, *causes: Ref, **more: Any) -> Task:
    return Task(id=TaskId(name), wave=Wave("n", (1, 0), "f", "g"), causes=causes, level=3, edges=(0, 2), **more)


def everything() -> Commit:
    """A commit of which every field is set, with refs to its own run and to those above it wherever one can be."""
    one, other = ref(OWN, 4), ref(ABOVE, 9)
    gated = a_task("t.before", ref(FIRST, 2), index=1, call=TaskId("s"), slot=2, place="p", gate=Gate(handles=("h",)))
    return Commit(
        ref=ref(OWN, 6), kind=Kind.REPLAY, at=11, branch=2, parent=ref(OWN, 5), task=a_task("t", one, other), level=3,
        writes=(("k", [1]),), causes=(other, ref(FIRST, 1)), dominator=other, opened=(a_task("o", one, other), gated),
        closed=(TaskId("c"),), waiting=(Arrival(1, other, Wave("w")), Arrival(-1, one, Wave("w"), "p")),
        joined=(Wave("j", (2,)),), absorbed=(Wave("a"),),
        cancelled=(Cancelled(task=a_task("x", other), created_at=1, started_at=2, attempt=3, worker="w"),),
        calls=((TaskId("s"), Call(fanout=other, size=2, done=((0, one), (1, ref(ABOVE, 8))))),), chosen=("h",),
        handle="h", answer={"output": 1}, error=ErrorInfo(code="c", message="m"), usage=Usage(input_tokens=1),
        spent=Usage(output_tokens=2, cost=0.5),
        attempt=2, worker="w", created_at=3, started_at=4,
        interrupt=InterruptOpened(
            id=InterruptId("i"), task_id=TaskId("t"), node="n", kind="node", message="m", created_at=11,
            schema={}, actions=[], expires_at=9,
        ),
        resolved=(InterruptId("r"),), status=RunStatus.FAILED, task_status=TaskStatus.FAILED, actor="ann", epoch=1,
        input_hash="h", reused=True, by_human=True, reuse=Reuse(until=ref(OWN, 5), interrupts=True),
        limits={"max_steps": 9}, versions=(1, 2), dropped=("d",), goto=("n",), cached=True,
        frames=((TaskId("t"), Nested(frame="n", input={"a": 1}, turn=2, attempt=3, updates=(("k", 1),))),),
    )  # fmt: skip


def a_row(commit: Commit, **more: Any) -> CommitRow:
    task = commit.task
    return CommitRow(
        run_key=run_key_of(commit.ref), seq=commit.seq, branch=commit.branch, parent=commit.parent, kind=commit.kind,
        node=task and task.node, task_id=task and task.id, level=commit.level, at=commit.at, status=commit.status,
        actor=commit.actor, version=commit.version, epoch=commit.epoch, dominator=commit.dominator, body=encode(commit),
        **{"base": None, **more},
    )  # fmt: skip


def with_refs(value: Any, numbers: dict[int, int]) -> Any:
    """A value with every ref in it in a run of another number."""
    if isinstance(value, int) and value >= 1 << 32:
        return make_ref(numbers[run_key_of(Ref(value))], seq_of(Ref(value)))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(with_refs(part, numbers) for part in value))
    if isinstance(value, tuple | list):
        return type(value)(with_refs(part, numbers) for part in value)
    if isinstance(value, dict):
        return {name: with_refs(part, numbers) for name, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: with_refs(getattr(value, field.name), numbers) for field in fields(value)})
    return value


def test_the_sample_has_every_field_of_a_commit() -> None:
    unset = [
        field.name
        for field in fields(Commit)
        if field.default is not MISSING and getattr(everything(), field.name) == field.default
    ]
    assert unset == []
    assert read(encode(everything())).keys() == BODY.keys()


def test_every_ref_of_a_commit_is_moved_and_moved_back() -> None:
    commit = everything()
    body = read(encode(commit))
    filed = moved_body(body, renumbered(KEYS))
    there = a_row(with_refs(commit, KEYS))._replace(body=write(filed))
    assert decode(there) == with_refs(commit, KEYS)
    assert moved_body(filed, renumbered({number: key for key, number in KEYS.items()})) == body


def test_a_commit_is_read_as_it_was_written() -> None:
    row = a_row(everything(), base=ref(ABOVE, 3))
    move = renumbered(KEYS)
    line = {name: getattr(row, name) for name in COMMIT if name not in ("body", "snapshot")}
    line |= {name: short(getattr(row, name), OWN, move) for name in ("parent", "dominator", "base")}
    found, commit = commit_of({**line, "body": moved_body(read(row.body), move)}, OWN, renumbered({1: 3, 2: 5, 3: 7}))
    assert (found, commit) == (row, everything())


def test_every_ref_of_a_snapshot_is_moved() -> None:
    kept = Kept(
        whole={"small": b"1"},
        sources={
            "large": Source(ref(ABOVE, 2), [Span(ref(ABOVE, 4), 3, 2), Span(ref(OWN, 1))], 900, 90),
            "own": Source(ref(OWN, 3), [Span(ref(OWN, 4))], 800, 80),
            "none": Source(None, [Span(ref(FIRST, 1), 2, 1)], 700, 70),
        },
    )
    text = write_snapshot(
        ref(OWN, 6), OWN, kept, max_level=4, shown={"small": 2}, deferred=[Arrival(1, ref(ABOVE, 9), Wave("w"))],
        ends=[Folded(ref(OWN, 6), "t"), Folded(ref(ABOVE, 9), "u", (("k", 1),))], absorbed=[Wave("a")],
    )  # fmt: skip
    assert read(text).keys() == SNAPSHOT.keys() - {"refs"}
    row = a_row(everything(), snapshot=text)
    filed = moved_snapshot(read(text), renumbered(KEYS))
    there = a_row(with_refs(everything(), KEYS), snapshot=write(filed))
    assert read_snapshot(there) == with_refs(read_snapshot(row), KEYS)


def test_the_refs_of_an_older_snapshot_are_moved() -> None:
    old = {"values": {}, "refs": {"k": [3, ref(ABOVE, 4)]}, "level": 1}
    assert moved_snapshot(old, renumbered(KEYS))["refs"] == {"k": [3, ref(2, 4)]}


def test_refs_of_columns_are_short_for_the_own_run() -> None:
    move, back = renumbered(KEYS), renumbered({number: key for key, number in KEYS.items()})
    for found in (ref(OWN, 5), ref(ABOVE, 5), None):
        assert whole(short(found, OWN, move), OWN, back) == found
    assert short(ref(OWN, 5), OWN, move) == 5


def test_a_ref_to_a_run_that_is_not_in_the_file_is_none() -> None:
    with pytest.raises(Stray):
        renumbered(KEYS)(ref(99, 1))


# ---- nothing is forgotten


def names(kind: Any) -> set[str]:
    return set(getattr(kind, "_fields", ())) or {field.name for field in fields(kind)}


def test_every_field_of_a_run_is_in_its_line_or_left_out_on_purpose() -> None:
    by_themselves = {"parent", "workflow_version", "error", "usage", "seat", "trigger"}
    left_out = {
        "key": "it is another one in each store",
        "head": "the number of `commits`",
        "parent_id": "it is that of the run before",
        "workflow_id": "it is that of the first line",
        "hold": "it is a matter of the store",
        "reason": "a run that has not begun is not written",
        "hook": "whom a server tells is its own matter, and the address has a secret",
        "pushes": "so are those who are told of everything",
    }
    assert names(RunHead) == {*FIXED, *PLACE, *MOVING, *by_themselves, *left_out}
    named = {*FIXED, *PLACE, *MOVING, *by_themselves - {"seat"}, "session", "commits", "events"}
    assert named == RUN.keys()


def test_every_field_of_other_rows_is_in_their_lines_or_follows_from_commits() -> None:
    assert names(CommitRow) - {"run_key", "node", "task_id", "version"} == COMMIT.keys()
    assert names(EventRow) - {"run_key"} == LINES["event"].keys()
    assert names(TimerRow) - {"run_key"} == LINES["timer"].keys()
    assert (names(InterruptFate), names(LetterFate)) == (FATE.keys(), LETTER.keys())
    said_by_commits = {"run_key", "run_id", "task_id", "node", "created_at"}
    assert names(InterruptRow) == names(InterruptFate) | INTERRUPT.keys() | said_by_commits
