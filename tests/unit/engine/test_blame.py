"""The writes of a key in the order in which they are folded, and what each did."""

from __future__ import annotations

from typing import Any

from engine.blame import Change, changes, folded_order, is_write, tied
from engine.model import Commit, Kind, Task, TaskId, Wave, make_ref
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


def seqs(commits: list[Commit]) -> list[int]:
    return [commit.seq for commit in commits]


def test_writes_are_in_canonical_order_whenever_they_were_committed() -> None:
    line = [done(2, "two", 2, n=1), done(3, "two", 1, n=1), done(4, "one", 1, n=1)]
    assert seqs(folded_order(GRAPH, line)) == [4, 3, 2]


def test_an_edit_comes_after_what_was_committed_before_it() -> None:
    line = [done(2, "two", 5, n=1), edit(3, n=2), done(4, "one", 1, n=1)]
    assert seqs(folded_order(GRAPH, line)) == [2, 3, 4]


def test_ties_are_told_apart_by_the_causes_own_order() -> None:
    above = [done(2, "two", 1), done(3, "one", 1)]
    writers = [done(4, "join", 2, 2, n=1), done(5, "join", 2, 3, n=1)]
    assert tied(GRAPH, writers)
    assert not tied(GRAPH, [*above, writers[0]])
    assert seqs(folded_order(GRAPH, writers, [*above, *writers])) == [5, 4]


def test_ties_with_the_same_causes_are_told_apart_by_their_edges() -> None:
    writers = [done(3, "join", 2, 2, edges=(7,), n=1), done(4, "join", 2, 2, edges=(4,), n=1)]
    assert seqs(folded_order(GRAPH, writers, [done(2, "one", 1), *writers])) == [4, 3]


def test_a_commit_of_a_node_that_is_gone_still_has_a_place() -> None:
    assert seqs(folded_order(GRAPH, [done(2, "two", 1, n=1), done(3, "ghost", 1, n=1)])) == [3, 2]


def test_only_commits_that_take_part_in_the_state_are_writes() -> None:
    failed = Commit(ref=make_ref(1, 2), kind=Kind.FAILURE, at=2, writes=(("n", 1),))
    assert is_write(edit(3, n=1), "n")
    assert not is_write(edit(3, n=1), "x")
    assert not is_write(failed, "n")


def told(name: str, path: tuple[str | int, ...], *commits: Commit) -> list[tuple[int, Effect, Any]]:
    found = [one for one in changes(GRAPH.state[name], path, None, commits) if isinstance(one, Change)]
    return [(one.commit.seq, one.effect, one.value) for one in found]


def test_an_update_that_its_reducer_refuses_changed_nothing() -> None:
    assert told("top", (), edit(2, top=1), edit(3, top="no number"), edit(4, top=4)) == [
        (2, Effect.REPLACES, 1),
        (4, Effect.REPLACES, 4),
    ]


def test_what_never_was_at_a_place_was_not_taken_away() -> None:
    assert told("x", ("a",), edit(2, x={"b": 1}), edit(3, x={"a": 1}), edit(4, x={}))[0] == (3, Effect.REPLACES, 1)
