"""Runs of one session: each goes on from the state that the one before has come to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine import rebuild
from engine.errors import Conflict, Invalid
from engine.model import Kind, RunStatus
from engine.session import Last, OnBusy, Way, way_in, way_on
from tests.builders import chain, document, graph_of, task, writes
from tests.simulation.world import World
from tests.unit.engine.worlds import sound

CHAT: dict[str, Any] = {
    "messages": {"type": "array", "reducer": "add_messages"},
    "n": {"type": "integer", "reducer": "add"},
    "topic": {"type": "string"},
    "hint": {"type": "string", "ephemeral": True},
}
NODES = {
    "say": task(reads=["messages"], output_mapping={"messages": "said", "n": "n"}),
    "tell": writes(hint="a hint", n=1),
}
EDGES = chain("say", "tell")


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answered(world: World, text: str) -> None:
    world.answer("say", {"output": {"said": {"role": "assistant", "content": text}, "n": 10}})


def talk(**versions: Any) -> World:
    """A chat in which one run has ended."""
    others = {2: graph_of(document(NODES, EDGES, CHAT | versions), version=2)} if versions else {}
    world = World(graph_of(document(NODES, EDGES, CHAT)), others)
    world.start({"messages": said("hello"), "topic": "boats"})
    answered(world, "good day")
    return world


def texts(world: World) -> list[str]:
    return [message["content"] for message in world.state["messages"]]


def test_a_run_starts_from_the_state_that_the_one_before_has_come_to() -> None:
    world = talk()

    world.go_on({"messages": said("and now?")})

    assert texts(world) == ["hello", "good day", "and now?"]
    assert (world.state["n"], world.state["topic"]) == (11, "boats")


def test_its_first_checkpoint_follows_the_last_one_of_the_run_before() -> None:
    world = talk()
    last = world.head.head

    world.go_on()

    first = world.commits()[-1]
    assert (first.kind, first.seq, first.parent) == (Kind.START, 1, last)


def test_what_it_asks_a_worker_has_what_was_said_before() -> None:
    world = talk()

    world.go_on({"messages": said("and now?")})

    (work,) = world.outbox.works.values()
    assert [one["content"] for one in work.request.state["messages"]] == ["hello", "good day", "and now?"]


def test_messages_have_ids_of_their_own_in_every_run() -> None:
    world = talk()
    for text in ("two", "three"):
        world.go_on({"messages": said(text)})
        answered(world, "yes")

    ids = [message["id"] for message in world.state["messages"]]

    assert len(ids) == len(set(ids)) == 6


def test_ephemeral_keys_stay_behind() -> None:
    world = World(graph_of(document({"tell": NODES["tell"]}, chain("tell"), CHAT)))
    world.start()
    world.go_on()

    assert "hint" in [name for commit in world.commits() for name, _ in commit.writes]
    assert "hint" not in world.state


@pytest.mark.parametrize("often", [False, True])
def test_runs_are_read_from_their_rows_as_they_were_in_memory(monkeypatch: pytest.MonkeyPatch, often: bool) -> None:
    if often:
        monkeypatch.setattr(rebuild, "MIN_ROWS", 1)
        monkeypatch.setattr(rebuild, "OUTWEIGH", 0)
    world = talk()
    for text in ("two", "three", "four"):
        world.go_on({"messages": said(text)})
        before = world.state
        world.crash()
        assert world.state == before
        world.turn()
        answered(world, "yes")

    before = world.state
    world.crash()

    assert world.state == before
    assert (world.status, world.run.usage, world.run.task_count) == (RunStatus.COMPLETED, world.head.usage, 2)
    assert sound(world)


def test_a_snapshot_spares_reading_the_runs_before(monkeypatch: pytest.MonkeyPatch) -> None:
    world = talk()
    for number in range(40):
        world.go_on({"messages": said(f"{number}")})
        answered(world, "yes")
    read: list[int] = []
    commits = world.store.commits

    async def counted(run_key: int, first: int, last: int) -> Any:
        read.append(run_key)
        return await commits(run_key, first, last)

    monkeypatch.setattr(type(world.store), "commits", lambda self, *where: counted(*where))
    world.go_on({"messages": said("last")})

    assert len(set(read)) < 10
    assert len(texts(world)) == 2 * 41 + 1


def test_a_run_that_failed_leaves_what_it_had_written() -> None:
    nodes = {"one": writes(n=1), "say": NODES["say"]}
    world = World(graph_of(document(nodes, chain("one", "say"), CHAT)))
    world.start()
    world.answer("say", {"error": {"code": "no", "message": "no", "retryable": False}})
    assert world.status is RunStatus.FAILED

    world.go_on()

    assert (world.status, world.state["n"]) == (RunStatus.RUNNING, 2)
    assert sound(world)


def test_what_a_run_before_had_not_done_is_left_undone() -> None:
    world = World(graph_of(document(NODES, EDGES, CHAT)))
    world.start({"topic": "boats"})
    world.cancel()

    world.go_on()
    answered(world, "yes")

    assert (world.status, world.state["n"], world.state["topic"]) == (RunStatus.COMPLETED, 11, "boats")
    assert sound(world)


def test_a_fork_of_a_later_run_sees_what_was_said_before() -> None:
    world = talk()
    world.go_on({"messages": said("and now?")})
    answered(world, "later")

    world.fork(1)
    answered(world, "otherwise")

    assert texts(world) == ["hello", "good day", "and now?", "otherwise"]
    assert sound(world)
    world.crash()
    assert texts(world) == ["hello", "good day", "and now?", "otherwise"]


# ---- another version


def test_another_version_goes_on_with_the_keys_that_both_define_alike() -> None:
    world = talk(more={"type": "string", "default": "new"})

    world.go_on({"messages": said("and now?")}, version=2)
    answered(world, "yes")

    assert texts(world) == ["hello", "good day", "and now?", "yes"]
    assert (world.state["more"], world.state["n"]) == ("new", 22)
    assert world.commits()[-4].versions == (1, 2)
    assert sound(world)
    before = world.state
    world.crash()
    assert world.state == before


def test_a_key_that_is_defined_otherwise_takes_the_value_along() -> None:
    world = talk(topic={"type": "string", "maxLength": 5})

    world.go_on(version=2)

    assert world.state["topic"] == "boats"
    assert dict(world.commits()[-1].writes)["topic"] == {"__overwrite": True, "value": "boats"}
    assert sound(world)


def test_a_value_that_has_no_place_in_another_version_refuses_the_start() -> None:
    world = talk(topic={"type": "integer"})

    with pytest.raises(Invalid) as refused:
        world.go_on(version=2)

    assert refused.value.reason == "state.invalid"


def test_an_input_that_overwrites_such_a_value_starts_all_the_same() -> None:
    world = talk(topic={"type": "integer"})

    world.go_on({"topic": {"__overwrite": True, "value": 7}}, version=2)

    assert world.state["topic"] == 7
    assert sound(world)


# ---- who begins when

RUNNING, WAITING, OVER = (Last(status=one) for one in (RunStatus.RUNNING, RunStatus.INTERRUPTED, RunStatus.FAILED))


@pytest.mark.parametrize("on_busy", OnBusy)
@pytest.mark.parametrize("last", [None, OVER])
def test_a_run_begins_at_once_where_no_other_goes_on(on_busy: OnBusy, last: Last | None) -> None:
    assert way_in(on_busy, last, queue=False, session="s") is Way.BEGIN


@pytest.mark.parametrize("last", [RUNNING, WAITING])
def test_a_busy_session_refuses_where_nothing_else_is_said(last: Last) -> None:
    with pytest.raises(Conflict) as refused:
        way_in(OnBusy.REJECT, last, queue=False, session="s")

    assert refused.value.conflict == "session.busy"


@pytest.mark.parametrize(
    ("on_busy", "last", "way"),
    [
        (OnBusy.ENQUEUE, RUNNING, Way.WAIT),
        (OnBusy.ENQUEUE, WAITING, Way.WAIT),
        (OnBusy.CANCEL, RUNNING, Way.CANCEL),
        (OnBusy.CANCEL, WAITING, Way.CANCEL),
        (OnBusy.INTERRUPT, RUNNING, Way.WAIT),
        (OnBusy.INTERRUPT, WAITING, Way.BEGIN),
        (OnBusy.INTERRUPT, replace(RUNNING, held=True), Way.BEGIN),
    ],
)
def test_what_is_done_where_a_session_is_busy(on_busy: OnBusy, last: Last, way: Way) -> None:
    assert way_in(on_busy, last, queue=False, session="s") is way


def test_nobody_overtakes_those_that_wait_for_an_end() -> None:
    assert way_in(OnBusy.ENQUEUE, OVER, queue=True, session="s") is Way.WAIT
    with pytest.raises(Conflict):
        way_in(OnBusy.REJECT, OVER, queue=True, session="s")


HELD = replace(RUNNING, held=True)


@pytest.mark.parametrize(
    ("on_busy", "last", "way"),
    [
        *((on_busy, last, Way.BEGIN) for on_busy in OnBusy for last in (OVER, None)),
        (OnBusy.ENQUEUE, RUNNING, Way.WAIT),
        (OnBusy.ENQUEUE, WAITING, Way.WAIT),
        (OnBusy.INTERRUPT, RUNNING, Way.STOP),
        (OnBusy.INTERRUPT, WAITING, Way.BEGIN),
        (OnBusy.CANCEL, WAITING, Way.CANCEL),
        (OnBusy.CANCEL, HELD, Way.BEGIN),
        (OnBusy.REJECT, WAITING, Way.REFUSE),
    ],
)
def test_what_is_done_for_the_first_of_those_that_wait(on_busy: OnBusy, last: Last | None, way: Way) -> None:
    assert way_on(on_busy, last) is way


# ---- a run that is to stop


def test_a_run_that_is_to_stop_finishes_what_a_worker_holds_and_begins_nothing_else() -> None:
    world = World(graph_of(document({"a": task(), "b": task()}, chain("a", "b"), CHAT)))
    world.start()
    world.stop()
    world.answer("a", {"output": 1})

    assert (world.status, world.waiting()) == (RunStatus.INTERRUPTED, [])
    assert [(found.node, found.kind) for found in world.run.interrupts.values()] == [("b", "breakpoint")]
    assert sound(world)


def test_what_waits_for_a_time_stops_at_once_and_begins_anew() -> None:
    world = World(graph_of(document({"a": {"type": "wait", "seconds": 60}}, chain("a"), CHAT)))
    world.start()

    world.stop()
    stopped = (world.status, dict(world.timers.held))
    world.resume(next(iter(world.run.interrupts)), None)
    (due,) = world.timers.held
    world.fire(*due)

    assert stopped == (RunStatus.INTERRUPTED, {})
    assert (world.status, sound(world)) == (RunStatus.COMPLETED, True)


def test_a_run_may_stop_twice_before_the_same_node() -> None:
    world = World(graph_of(document({"a": {"type": "wait", "seconds": 60}}, chain("a"), CHAT)))
    world.start()
    for _ in range(2):
        world.stop()
        world.resume(next(iter(world.run.interrupts)), None)
    world.crash()
    (due,) = world.timers.held
    world.fire(*due)

    assert (world.status, world.run.task_count, sound(world)) == (RunStatus.COMPLETED, 1, True)


def test_what_came_before_a_stop_is_not_counted_again_after_a_crash() -> None:
    retry = {"max_attempts": 2, "initial_interval_ms": 10}
    world = World(graph_of(document({"a": task(retry=retry)}, chain("a"), CHAT)))
    world.start()
    world.answer("a", {"error": {"code": "busy", "message": "no"}, "usage": {"cost": 1.0}})
    world.stop()
    world.resume(next(iter(world.run.interrupts)), None)

    world.crash()
    world.turn()
    world.answer("a", {"output": 1, "usage": {"cost": 2.0}})

    assert [work.attempt for work in world.seen] == [1, 1]
    assert (world.status, world.run.usage.cost, sound(world)) == (RunStatus.COMPLETED, 3.0, True)


def test_what_begins_to_wait_while_a_run_stops_is_not_waited_for() -> None:
    world = World(graph_of(document({"a": task()}, chain("a"), CHAT)))
    world.start()
    world.stop()
    (work,) = world.outbox.works.values()
    before = world.status

    world.delivery.waiting(work, "no_worker")

    assert (before, world.status) == (RunStatus.RUNNING, RunStatus.INTERRUPTED)


@pytest.mark.parametrize("crashes", [False, True])
def test_what_waits_for_a_worker_is_put_back_with_a_crash_as_without(crashes: bool) -> None:
    world = World(graph_of(document({"a": task()}, chain("a"), CHAT)))
    world.start()
    world.delivery.waiting(*world.outbox.works.values(), "no_worker")
    if crashes:
        world.crash()

    world.stop()
    for work in tuple(world.outbox.works.values()):  # it may be with a worker since before the crash, or wait again
        world.delivery.waiting(work, "no_worker")

    assert (world.status, world.waiting()) == (RunStatus.INTERRUPTED, [])
    assert [(found.node, found.kind) for found in world.run.interrupts.values()] == [("a", "breakpoint")]
    assert sound(world)
