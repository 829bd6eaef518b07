"""Lines compared: where they part, and which of their tasks go together."""

from __future__ import annotations

import pytest

from engine.brief import Brief
from engine.compare import Segment, aligned, parted
from engine.model import Commit, Kind, Task, TaskId, Wave, make_ref, seq_of
from engine.outline import Outline, ended
from engine.record import encode

S = Segment


@pytest.mark.parametrize(
    ("one", "other", "common", "rest", "others"),
    [
        ([S(1, 1, 5)], [S(1, 1, 5)], (1, 5), [], []),
        ([S(1, 1, 5)], [S(1, 1, 3)], (1, 3), [S(1, 4, 5)], []),
        ([S(1, 1, 5)], [S(2, 1, 3)], None, [S(1, 1, 5)], [S(2, 1, 3)]),
        ([S(1, 1, 5)], [S(1, 1, 3), S(2, 1, 4)], (1, 3), [S(1, 4, 5)], [S(2, 1, 4)]),
        ([S(1, 1, 3), S(2, 1, 4)], [S(1, 1, 3)], (1, 3), [S(2, 1, 4)], []),
        ([S(1, 1, 3), S(2, 1, 4)], [S(1, 1, 3), S(3, 1, 2)], (1, 3), [S(2, 1, 4)], [S(3, 1, 2)]),
        ([S(1, 1, 3), S(2, 1, 4)], [S(1, 1, 3), S(2, 1, 2), S(3, 1, 1)], (2, 2), [S(2, 3, 4)], [S(3, 1, 1)]),
        ([S(1, 1, 3), S(1, 6, 9)], [S(1, 1, 5)], (1, 3), [S(1, 6, 9)], [S(1, 4, 5)]),
    ],
)
def test_lines_part_after_their_last_common_commit(
    one: list[Segment],
    other: list[Segment],
    common: tuple[int, int] | None,
    rest: list[Segment],
    others: list[Segment],
) -> None:
    assert parted(one, other) == (None if common is None else make_ref(*common), rest, others)
    assert parted(other, one) == (None if common is None else make_ref(*common), others, rest)


def outlined(commit: Commit, run: int) -> Outline:
    task = commit.task
    assert task is not None
    return Outline(
        Brief(
            run_key=run, seq=seq_of(commit.ref), kind=commit.kind, node=task.node, task_id=task.id, level=commit.level,
            body=encode(commit),
        )
    )  # fmt: skip


def done(run: int, seq: int, node: str, *, answer: object = None, hashed: str | None = None, **more: object) -> Outline:
    wave = more.pop("wave", Wave(node))
    assert isinstance(wave, Wave)
    task = Task(
        id=TaskId(f"{run}.{more.pop('name', seq)}"), wave=wave, causes=(), level=1, index=more.pop("item", None)
    )  # type: ignore[arg-type]
    kind = more.pop("kind", Kind.NODE)
    assert isinstance(kind, Kind)
    closed = () if kind is Kind.FAILURE else (task.id,)
    commit = Commit(
        ref=make_ref(run, seq), kind=kind, at=0, task=task, closed=closed, level=1, answer=answer, input_hash=hashed
    )
    return outlined(commit, run)


@pytest.mark.parametrize(
    ("one", "other", "change"),
    [
        (done(1, 1, "a", answer={"output": 1}), done(2, 1, "a", answer={"output": 1}), "same"),
        (done(1, 1, "a", answer={"output": 1}), done(2, 1, "a", answer={"output": 1.0}), "changed"),
        (done(1, 1, "a", answer={"output": 1}), done(2, 1, "a", answer={"output": True}), "changed"),
        (done(1, 1, "a", answer=1, hashed="x"), done(2, 1, "a", answer=1, hashed="y"), "changed"),
        (done(1, 1, "a", answer=1, hashed="x"), done(2, 1, "a", answer=1, hashed="x"), "same"),
        (done(1, 1, "a"), done(2, 1, "a", kind=Kind.FAILURE), "changed"),
    ],
)
def test_a_task_is_the_same_where_it_took_and_gave_the_same(one: Outline, other: Outline, change: str) -> None:
    assert [pair.change for pair in aligned([one], [other])] == [change]


def test_tasks_at_one_address_go_together_in_their_order() -> None:
    one = [done(1, 1, "a", answer=1), done(1, 2, "a", answer=2), done(1, 3, "a", answer=3)]
    other = [done(2, 1, "a", answer=1), done(2, 2, "a", answer=2), done(2, 3, "b")]
    found = [(pair.task.node, pair.change) for pair in aligned(one, other)]
    assert found == [("a", "same"), ("a", "same"), ("b", "added"), ("a", "removed")]


def test_a_task_that_failed_and_was_done_later_has_ended_once() -> None:
    failed, later = done(1, 1, "a", kind=Kind.FAILURE, name="t"), done(1, 3, "a", name="t")
    assert ended([failed, later]) == [later]
    assert ended([failed]) == [failed]


@pytest.mark.parametrize(("closed", "ends"), [(("1.1",), True), (("1.1", "1.2"), True), (("1.2",), False), ((), False)])
@pytest.mark.parametrize("said", ["x", '"closed":', {"closed": ["1.2"]}])
def test_a_commit_says_whether_its_own_task_has_ended(closed: tuple[str, ...], ends: bool, said: object) -> None:
    task = Task(id=TaskId("1.1"), wave=Wave("a"), causes=(), level=1)
    commit = Commit(
        ref=make_ref(1, 1), kind=Kind.NODE, at=0, task=task, level=1, answer={"output": said},
        closed=tuple(map(TaskId, closed)),
    )  # fmt: skip
    one = outlined(commit, 1)
    assert ended([one]) == ([one] if ends else [])


WAVES = [Wave("a"), Wave("a", (1,)), Wave("a", (1, 0)), Wave("a", (), "f"), Wave("a", (), "", "g"), Wave("b")]


@pytest.mark.parametrize("one", WAVES)
@pytest.mark.parametrize("other", WAVES)
@pytest.mark.parametrize("item", [None, 0])
def test_tasks_go_together_where_wave_and_item_are_the_same(one: Wave, other: Wave, item: int | None) -> None:
    mine, theirs = done(1, 1, "a", wave=one), done(2, 7, "a", wave=other, item=item)

    pairs = list(aligned([mine], [theirs]))

    assert (len(pairs) == 1) is (one == other and item is None)


def test_an_outline_says_what_the_commit_says() -> None:
    wave = Wave("a", (0, 2), "f", "g")
    found = done(1, 5, "a", wave=wave, item=3, answer={"output": "x"}, kind=Kind.FAILURE)

    assert (found.node, found.rounds, found.item, found.level, found.status) == ("a", (0, 2), 3, 1, "failed")
    assert (found.row.ref, found.error, found.usage.cost) == (make_ref(1, 5), None, 0)
