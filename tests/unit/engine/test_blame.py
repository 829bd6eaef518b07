"""The writes of a key in the order in which they are folded, and what each did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.blame import changes, folded_order, is_write, tied
from engine.brief import Brief
from engine.missing import MISSING
from engine.model import Commit, Kind, Task, TaskId, Wave, make_ref, seq_of
from engine.ports import CommitRow
from engine.record import Writing, encode, writing
from reducers._effect import Effect
from tests.builders import chain, document, graph_of, writes

GRAPH = graph_of(
    document(
        {name: writes(n=1) for name in ("one", "two", "join")},
        chain("one", "two", "join"),
        {"n": {"type": "integer"}, "top": {"type": "integer", "reducer": "max"}, "x": {}},
    )
)


def done(seq: int, node: str, level: int, *causes: int, edges: tuple[int, ...] = (), **writes: Any) -> Commit:
    refs = tuple(make_ref(1, cause) for cause in causes)
    task = Task(id=TaskId(f"t{seq}"), wave=Wave(node), causes=refs, level=level, edges=edges)
    return Commit(
        ref=make_ref(1, seq), kind=Kind.NODE, at=seq, task=task, level=level, causes=refs, writes=tuple(writes.items())
    )


def edit(seq: int, **writes: Any) -> Commit:
    return Commit(ref=make_ref(1, seq), kind=Kind.STATE, at=seq, writes=tuple(writes.items()))


def row(commit: Commit) -> CommitRow:
    return CommitRow(
        run_key=1, seq=commit.seq, branch=1, parent=None, kind=commit.kind, level=commit.level, at=commit.at,
        node=commit.task.node if commit.task is not None else None,
        task_id=commit.task.id if commit.task is not None else None,
        status="running", actor="engine", version=commit.version, epoch=0, dominator=None, base=None,
        body=encode(commit),
    )  # fmt: skip


def rows(*commits: Commit) -> list[Writing]:
    return [writing(Brief._make(getattr(row(commit), name) for name in Brief._fields)) for commit in commits]


def folded(*writers: Commit, line: Sequence[Commit] = ()) -> list[int]:
    return [seq_of(one.ref) for one in folded_order(GRAPH, rows(*writers), [row(commit) for commit in line])]


def test_writes_are_in_canonical_order_whenever_they_were_committed() -> None:
    line = [done(2, "two", 2, n=1), done(3, "two", 1, n=1), done(4, "one", 1, n=1)]
    assert folded(*line) == [4, 3, 2]


def test_an_edit_comes_after_what_was_committed_before_it() -> None:
    line = [done(2, "two", 5, n=1), edit(3, n=2), done(4, "one", 1, n=1)]
    assert folded(*line) == [2, 3, 4]


def test_ties_are_told_apart_by_the_causes_own_order() -> None:
    above = [done(2, "two", 1, 1), done(3, "one", 1, 1)]
    writers = [done(4, "join", 2, 2, n=1), done(5, "join", 2, 3, n=1)]
    assert tied(GRAPH, rows(*writers))
    assert not tied(GRAPH, rows(*above, writers[0]))
    assert folded(*writers, line=[*above, *writers]) == [5, 4]


def test_ties_with_the_same_causes_are_told_apart_by_their_edges() -> None:
    writers = [done(3, "join", 2, 2, edges=(7,), n=1), done(4, "join", 2, 2, edges=(4,), n=1)]
    assert folded(*writers, line=[done(2, "one", 1, 1), *writers]) == [4, 3]


def test_a_commit_of_a_node_that_is_gone_still_has_a_place() -> None:
    assert folded(done(2, "two", 1, n=1), done(3, "ghost", 1, n=1)) == [3, 2]


def test_only_commits_that_take_part_in_the_state_are_writes() -> None:
    failed = Commit(ref=make_ref(1, 2), kind=Kind.FAILURE, at=2, writes=(("n", 1),))
    assert is_write(*rows(edit(3, n=1)), "n")
    assert not is_write(*rows(edit(3, n=1)), "x")
    assert not is_write(*rows(failed), "n")


def test_what_is_read_of_a_row_is_what_the_commit_says() -> None:
    item = replace(done(5, "one", 3, 4, n=1), task=Task(
        id=TaskId("i"), wave=Wave("one"), causes=(make_ref(1, 4),), level=3, index=2, call=TaskId("s"), slot=2
    ))  # fmt: skip
    (found,) = rows(item)
    assert (found.ref, found.node, found.level, found.item, found.writes) == (item.ref, "one", 3, 2, item.writes)
    assert rows(done(5, "one", 3, 4))[0].item is None


def told(name: str, path: tuple[str | int, ...], *commits: Commit) -> list[tuple[int, Effect, Any]]:
    found = [change for _, change in changes(GRAPH.state[name], path, MISSING, rows(*commits))]
    return [(seq_of(one.writing.ref), one.effect, one.value) for one in found if one is not None]


def test_an_update_that_its_reducer_refuses_changed_nothing() -> None:
    assert told("top", (), edit(2, top=1), edit(3, top="no number"), edit(4, top=4)) == [
        (2, Effect.REPLACES, 1),
        (4, Effect.REPLACES, 4),
    ]


def test_what_never_was_at_a_place_was_not_taken_away() -> None:
    assert told("x", ("a",), edit(2, x={"b": 1}), edit(3, x={"a": 1}), edit(4, x={}))[0] == (3, Effect.REPLACES, 1)
