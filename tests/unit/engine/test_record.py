"""Commits as rows: nothing is lost, and what stands in an answer is not stored again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.codec import loads
from engine.model import (
    Arrival,
    Call,
    Commit,
    ErrorInfo,
    InterruptId,
    InterruptOpened,
    Kind,
    RunStatus,
    Task,
    TaskId,
    TaskStatus,
    Usage,
    Wave,
    make_ref,
)
from engine.ports import CommitRow
from engine.record import decode, encode

HERE = make_ref(7, 5)
ABOVE = make_ref(3, 9)
TASK = Task(id=TaskId("t"), wave=Wave("a", (0, 2)), causes=(make_ref(7, 4),), level=4, edges=(3, 1))
PLAIN = Commit(ref=HERE, kind=Kind.NODE, at=100, task=TASK, level=4, causes=TASK.causes, closed=(TaskId("t"),))


def row_of(commit: Commit) -> CommitRow:
    return CommitRow(
        run_key=7, seq=5, branch=commit.branch, parent=commit.parent, kind=commit.kind,
        node=commit.task.node if commit.task else None, task_id=commit.task.id if commit.task else None,
        level=commit.level, at=commit.at, status=commit.status, actor=commit.actor, version=commit.version,
        epoch=commit.epoch, dominator=commit.dominator, base=None, body=encode(commit),
    )  # fmt: skip


def item(name: str, slot: int) -> Task:
    return Task(id=TaskId(name), wave=Wave("t"), causes=(HERE,), level=5, index=slot, call=TaskId("t"), slot=slot)


COMMITS = {
    "plain": PLAIN,
    "start": Commit(
        ref=HERE, kind=Kind.START, at=100, level=0, writes=(("log", "a"),), opened=(replace(TASK, level=1),)
    ),
    "of another run's causes": replace(PLAIN, task=replace(TASK, causes=(ABOVE, HERE)), causes=(ABOVE, HERE)),
    "causes that are not the task's": replace(PLAIN, causes=(make_ref(7, 1), make_ref(7, 2))),
    "opened": replace(PLAIN, opened=(replace(TASK, id=TaskId("u"), causes=(HERE,), level=5, edges=(0,)),)),
    "opened far": replace(PLAIN, opened=(replace(TASK, id=TaskId("u"), causes=(ABOVE, HERE), level=9),)),
    "closed more": replace(PLAIN, closed=(TaskId("t"), TaskId("i"))),
    "closed nothing": replace(PLAIN, closed=()),
    "waiting": replace(PLAIN, waiting=(Arrival(0, HERE, Wave("j", (1,), "f", "g")),), joined=(Wave("k"),)),
    "fan-out": replace(
        PLAIN, kind=Kind.SEND, closed=(), opened=(item("i", 0), item("k", 1)),
        calls=((TaskId("t"), Call(fanout=HERE, size=2, done=((1, ABOVE),))),),
    ),
    "route": replace(PLAIN, chosen=("x", "y")),
    "outcome": replace(
        PLAIN, handle="error", error=ErrorInfo(code="c", message="m", details=[1], retryable=False), attempt=3,
        usage=Usage(input_tokens=1, output_tokens=2, cost=0.5), spent=Usage(cost=0.25),
        worker="w", created_at=90, started_at=95, input_hash="00", status=RunStatus.FAILED,
        task_status=TaskStatus.FAILED, actor="someone", epoch=4,
    ),
    "answer": replace(PLAIN, answer={"output": {"a": [1, None, "x"]}}, writes=(("log", [1]), ("n", None))),
    "interrupt": replace(
        PLAIN, kind=Kind.INTERRUPT, level=None, closed=(), task_status=TaskStatus.INTERRUPTED,
        interrupt=InterruptOpened(
            id=InterruptId("q"), task_id=TaskId("t"), node="a", kind="node", message="?", created_at=PLAIN.at,
            schema={}, actions=["x"],
        ),
    ),
    "resume": replace(PLAIN, kind=Kind.RESUME, level=None, closed=(), resolved=(InterruptId("q"),)),
    "end": Commit(
        ref=HERE, kind=Kind.END, at=1, causes=(make_ref(7, 4), ABOVE), status=RunStatus.COMPLETED, parent=ABOVE
    ),
}  # fmt: skip


@pytest.mark.parametrize("commit", COMMITS.values(), ids=COMMITS)
def test_a_commit_is_read_as_it_was_written(commit: Commit) -> None:
    expected = commit if commit.task is None else replace(commit, created_at=commit.created_at or commit.at)

    assert decode(row_of(commit)) == expected


def test_a_write_that_is_part_of_the_answer_is_named_and_not_repeated() -> None:
    text, many = "a text that is long enough to count", list(range(50))
    answer = {"output": {"text": text, "many": many}, "updates": {"log": text}}
    commit = replace(PLAIN, answer=answer, writes=(("log", text), ("many", many), ("whole", answer["output"])))

    body = encode(commit)

    assert body.count(text.encode()) == 2  # as the worker sent it
    assert body.count(b"48,49") == 1
    assert decode(row_of(commit)).writes == commit.writes


def test_a_list_with_a_message_of_the_answer_in_it_is_stored_as_it_is() -> None:
    message = {"content": "a text that is long enough to count"}
    commit = replace(PLAIN, answer={"output": message}, writes=(("msgs", {**message, "id": "m"}),))

    assert decode(row_of(commit)).writes == commit.writes


def test_what_the_columns_say_is_not_in_the_body() -> None:
    body = loads(encode(PLAIN))

    assert body == {"task": ["t", ["a", [0, 2]], [3, 1], [4], 4]}
