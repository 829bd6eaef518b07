"""What happens next: limits, rules for failures, sends, interrupts and the end of a run."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Conflict, Invalid
from engine.model import Kind, RunStatus, TaskStatus
from tests.builders import chain, document, graph_of, route, task, writes
from tests.simulation.world import World

SEND: dict[str, Any] = {"type": "send", "items_key": "items", "target_node": "t"}
NO = {"error": {"code": "no", "message": "no"}}
WAIT = {"type": "interrupt", "message": "Publish {{ state.n }}?", "output_key": "log"}


def begun(nodes: dict, edges: list, given: dict | None = None, **more: Any) -> World:
    world = World(graph_of(document(nodes, edges, **more)))
    world.start(given)
    return world


def kinds(world: World) -> list[str]:
    return [commit.kind.value for commit in world.commits()]


# ---- sends


def sent(given: list, *, on: dict | None = None, target: dict | None = None, edges: list | None = None) -> World:
    """A send over `given`; `edges` may lead to `h`, which logs an error."""
    nodes = {"s": {**SEND, **(on or {})}, "t": target or task()}
    more = {"h": writes(log="{{ error.code }}")} if edges else {}
    return begun({**nodes, **more}, edges or chain("s"), {"items": given})


def test_the_outputs_of_a_send_stand_in_item_order() -> None:
    world = sent(["x", "y", "z"])

    for index in (2, 0, 1):
        world.answer("t", f"answer {index}", index)

    assert world.state["send_results"] == ["answer 0", "answer 1", "answer 2"]
    assert world.status is RunStatus.COMPLETED


def test_an_item_is_asked_with_its_item_and_index() -> None:
    world = sent(["x", "y"], target=task(prompt_template="{{ item }}{{ index }}"))

    asked = sorted((work.request.prompt, work.request.item, work.request.index) for work in world.outbox.works.values())

    assert asked == [("x0", "x", 0), ("y1", "y", 1)]


def test_an_empty_send_gathers_an_empty_list() -> None:
    world = sent([])

    assert world.state["send_results"] == []
    assert kinds(world).count("send") == 1


def test_a_send_starts_no_more_items_at_once_than_it_may() -> None:
    world = sent(["x", "y", "z"], on={"max_concurrency": 2})
    before = world.waiting()

    world.answer("t", "x", 0)

    assert before == [("t", 0), ("t", 1)]
    assert world.waiting() == [("t", 1), ("t", 2)]


@pytest.mark.parametrize(
    ("how", "results"), [("skip", ["x", "z"]), ("collect", ["x", "no", "z"])], ids=["skip", "collect"]
)
def test_a_failed_item_is_left_out_or_collected(how: str, results: list) -> None:
    world = sent(["x", "y", "z"], on={"on_item_error": how})

    for index, answer in enumerate(["x", NO, "z"]):
        world.answer("t", answer, index)

    found = [one["code"] if isinstance(one, dict) else one for one in world.state["send_results"]]
    assert found == results


def test_a_failed_item_fails_the_run_where_nothing_else_is_said() -> None:
    world = sent(["x", "y"])

    world.answer("t", NO, 0)

    assert (world.status, world.run.error and world.run.error.code) == (RunStatus.FAILED, "no")


def test_a_send_that_fails_takes_its_error_edge_when_all_items_are_done() -> None:
    edges = [*chain("s"), ("s:error", "h"), ("h", "__end__")]
    world = sent(["x", "y"], edges=edges)

    world.answer("t", NO, 0)
    before = world.state["log"]
    world.answer("t", "y", 1)

    assert (before, world.state["log"], world.status) == ([], ["no"], RunStatus.COMPLETED)


def test_the_items_of_a_send_are_those_of_its_fan_out_whatever_is_edited_since() -> None:
    world = sent(["x", "y"], target=task(prompt_template="{{ item }}"))

    world.fork(2, {"items": []})

    assert [work.request.prompt for work in world.outbox.works.values()] == ["x", "y"]


def test_a_send_can_run_over_an_ephemeral_list() -> None:
    state = {"found": {"type": "array", "ephemeral": True}, "send_results": {"type": "array"}}
    nodes = {"a": task(output_key="found"), "s": {**SEND, "items_key": "found"}, "t": task()}
    world = begun(nodes, chain("a", "s"), state=state)

    world.answer("a", ["x", "y"])
    items = [work.request.item for work in world.outbox.works.values()]
    world.crash()
    world.turn()

    assert items == [work.request.item for work in world.outbox.works.values()] == ["x", "y"]


def test_two_sends_that_run_one_node_do_not_share_the_names_of_their_messages() -> None:
    state = {"items": {"type": "array"}, "msgs": {"type": "array", "reducer": "add_messages"}, "send_results": {}}
    edges = [("__start__", "a"), ("__start__", "b"), ("a", "__end__"), ("b", "__end__")]
    world = begun({"a": SEND, "b": SEND, "t": task()}, edges, {"items": [1]}, state=state)

    world.answer("t", {"updates": {"msgs": {"content": "one"}}}, 0)
    world.answer("t", {"updates": {"msgs": {"content": "two"}}}, 0)

    assert [message["content"] for message in world.state["msgs"]] == ["one", "two"]


# ---- failures


def test_an_error_edge_shows_the_error_to_its_target() -> None:
    nodes = {"a": task(), "h": writes(log="{{ error.code }} of {{ error.node }}")}
    world = begun(nodes, [*chain("a"), ("a:error", "h"), ("h", "__end__")])

    world.answer("a", NO)

    assert (world.state["log"], world.status) == (["no of a"], RunStatus.COMPLETED)


def test_skip_sends_nothing_and_continue_sends_arrivals_without_an_update() -> None:
    ends = {}
    for how in ("skip", "continue"):
        world = begun({"a": task(on_error=how, output_key="log"), "b": writes(log="b")}, chain("a", "b"))
        world.answer("a", NO)
        ends[how] = (world.status, world.state["log"])

    assert ends == {"skip": ("completed", []), "continue": ("completed", ["b"])}


def test_a_failed_attempt_is_tried_again_by_a_durable_timer() -> None:
    world = begun({"a": task(retry={"max_attempts": 2, "initial_interval_ms": 10}, output_key="log")}, chain("a"))

    world.answer("a", NO)
    timers = [(row.kind, row.due_at) for row in world.store.due[1].values()]
    world.fire(*next(iter(world.timers.held)))
    world.answer("a", "second")

    assert timers == [("retry", world.now)]
    assert (world.state["log"], world.status) == (["second"], RunStatus.COMPLETED)


def test_an_error_that_is_posted_twice_uses_up_one_attempt() -> None:
    world = begun({"a": task(retry={"max_attempts": 2, "initial_interval_ms": 10})}, chain("a"))
    (task_id,) = world.outbox.works
    world.send(task_id)

    world.post(task_id, NO)
    world.post(task_id, NO)

    assert world.run.progress[task_id].attempt == 2
    assert world.status is RunStatus.RUNNING


def test_a_failing_run_lets_what_workers_hold_finish_and_starts_nothing_new() -> None:
    edges = [("__start__", "a"), ("__start__", "b"), ("b", "c"), ("a", "__end__"), ("c", "__end__")]
    world = begun({"a": task(), "b": task(output_key="log"), "c": task()}, edges)
    held = next(work for work in world.outbox.works.values() if work.node == "b")
    world.send(held.task_id)

    world.answer("a", NO)
    meanwhile = world.status
    world.answer("b", "kept")

    assert (meanwhile, world.status) == (RunStatus.RUNNING, RunStatus.FAILED)
    assert (world.state["log"], world.waiting()) == (["kept"], [])


def test_a_failing_run_is_failed_when_what_workers_held_is_lost() -> None:
    world = begun({"a": task(), "b": task()}, [("__start__", "a"), ("__start__", "b"), ("a", "__end__")])
    held = next(work for work in world.outbox.works.values() if work.node == "b")
    world.send(held.task_id)
    world.answer("a", NO)

    world.crash()

    assert (world.status, world.head.status) == (RunStatus.FAILED, RunStatus.FAILED)


def test_a_task_that_has_failed_the_run_is_over_after_a_restart_too() -> None:
    edges = [("__start__", "a"), ("__start__", "b"), ("a", "__end__"), ("b", "__end__")]
    world = begun({"a": task(), "b": task()}, edges)
    names = {work.node: work.task_id for work in world.outbox.works.values()}
    for name in names.values():
        world.send(name)
    world.answer("a", NO)

    world.crash()

    assert world.run.progress[names["a"]].status is TaskStatus.FAILED


# ---- limits


LOOP = {"a": writes(log="a"), "r": route("done", ("true", "again"))}
LOOP_EDGES = [("__start__", "a"), ("a", "r"), ("r:again", "a"), ("r:done", "__end__")]


@pytest.mark.parametrize(
    ("config", "code"), [({"max_steps": 5}, "run.step_limit"), ({"max_tasks": 5}, "run.task_limit")]
)
def test_a_loop_without_end_fails_at_the_limit(config: dict, code: str) -> None:
    world = begun(LOOP, LOOP_EDGES, config=config)

    assert (world.status, world.run.error and world.run.error.code) == (RunStatus.FAILED, code)
    assert world.run.task_count == 5


def test_a_limit_that_was_met_before_a_restart_fails_the_run_after_it() -> None:
    world = World(graph_of(document(LOOP, LOOP_EDGES, config={"max_steps": 1})))
    world.fate.steps = 1
    world.start()

    world.crash()
    world.turn()

    assert (world.status, kinds(world)) == (RunStatus.FAILED, ["start", "node", "failure"])


def test_a_fork_with_a_higher_limit_goes_on_where_its_parent_failed() -> None:
    nodes = {"a": writes(log="a"), "b": writes(log="b"), "c": writes(log="c")}
    world = begun(nodes, chain("a", "b", "c"), config={"max_steps": 2})

    world.fork(world.run.seq, config={"max_steps": 3})

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["a", "b", "c"])


def test_a_fork_with_the_same_limit_fails_as_its_parent_did() -> None:
    world = begun({"a": writes(log="a"), "b": writes(log="b")}, chain("a", "b"), config={"max_steps": 1})

    world.fork(world.run.seq)

    assert (world.status, world.run.error and world.run.error.code) == (RunStatus.FAILED, "run.step_limit")


@pytest.mark.parametrize(
    ("config", "code"), [({"max_steps": 1}, "run.step_limit"), ({"max_tasks": 2}, "run.task_limit")]
)
def test_a_fan_out_beyond_a_limit_fails_the_run_whatever_its_node_says(config: dict, code: str) -> None:
    nodes = {"s": {**SEND, "on_error": "continue"}, "t": task()}
    world = begun(nodes, chain("s"), {"items": [1, 2]}, config=config)

    assert (world.status, world.run.error and world.run.error.code) == (RunStatus.FAILED, code)


# ---- interrupts and the end


def test_an_interrupt_waits_while_other_branches_go_on() -> None:
    world = begun({"w": WAIT, "b": task()}, [("__start__", "w"), ("__start__", "b"), ("w", "__end__")])
    before = world.status

    world.answer("b", 0)

    assert (before, world.status) == (RunStatus.RUNNING, RunStatus.INTERRUPTED)
    assert [found.message for found in world.run.interrupts.values()] == ["Publish 0?"]


def test_the_value_of_an_interrupt_is_its_output() -> None:
    world = begun({"w": WAIT}, chain("w"))
    (interrupt,) = world.run.interrupts

    world.resume(interrupt, "yes")

    assert (world.state["log"], world.status) == (["yes"], RunStatus.COMPLETED)
    assert kinds(world) == ["start", "interrupt", "resume", "node", "end"]


def test_an_interrupt_is_answered_once() -> None:
    world = begun({"w": WAIT}, chain("w"))
    (interrupt,) = world.run.interrupts
    world.resume(interrupt, "yes")

    with pytest.raises(Conflict):
        world.resume(interrupt, "again")


def test_a_value_that_does_not_fit_changes_nothing() -> None:
    world = begun({"w": {**WAIT, "schema": {"type": "integer"}}}, chain("w"))
    (interrupt,) = world.run.interrupts

    with pytest.raises(Invalid):
        world.resume(interrupt, "yes")

    assert (world.status, kinds(world)) == (RunStatus.INTERRUPTED, ["start", "interrupt"])


def test_a_cancelled_run_takes_no_answers() -> None:
    world = begun({"a": task(output_key="log")}, chain("a"))
    (task_id,) = world.outbox.works
    world.cancel()

    world.post(task_id, "late")

    assert (world.status, world.state["log"]) == (RunStatus.CANCELLED, [])
    assert world.commits()[-1].kind is Kind.CANCEL


def test_an_output_that_cannot_be_made_fails_the_run() -> None:
    world = begun({"a": writes(log="a")}, chain("a"), output={"found": "{{ state.last }}"})

    assert (world.status, world.run.error and world.run.error.code) == (RunStatus.FAILED, "template.undefined")
