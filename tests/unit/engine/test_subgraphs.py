"""Graphs inside graphs: what goes in and comes out, turn by turn, and how failures, time and people reach into them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.driver.travel import Asked
from engine.model import Kind, RunStatus
from engine.outbox import Answered, Work
from engine.render import address_of, open_task_json
from engine.validate import validate
from tests.builders import chain, document, graph_of, task, writes
from tests.fakes import ready
from tests.simulation.travels import check_all_lines, checkout, replay
from tests.simulation.world import World

STATE = {"n": {"type": "integer", "reducer": "add"}, "log": {"type": "array", "reducer": "append"}}


def child(nodes: dict[str, Any], edges: list[tuple[str, str]], **fields: Any) -> dict[str, Any]:
    made = {"state_schema": STATE, "nodes": nodes, "edges": [list(edge) for edge in edges], **fields}
    return {"type": "subgraph", "definition": made, "output_mapping": {"log": "log"}}


ASKING = child({"c": task(output_key="log"), "d": task(output_key="log")}, chain("c", "d"))


def begun(
    sub: dict[str, Any], given: dict[str, Any] | None = None, edges: list[tuple[str, str]] | None = None, **more: Any
) -> World:
    made = document({"s": sub, **more}, edges or chain("s", *(name for name in more if name != "h")))
    made["state_schema"] = {**STATE, "got": {}}
    world = World(graph_of(made))
    world.start(given)
    return world


def asked(world: World) -> list[str]:
    return sorted("/".join((*work.ns, work.node)) for work in world.outbox.works.values())


def work(world: World) -> Work:
    (found,) = world.outbox.works.values()
    return found


def test_a_graph_has_a_state_of_its_own_and_gives_back_what_is_mapped():
    sub = child({"c": writes(n=1, log="c")}, chain("c"))
    world = begun({**sub, "input_mapping": {"n": "state.n"}, "output_mapping": {"got": "n"}}, {"n": 41, "log": "p"})

    assert (world.status, world.state["got"], world.state["log"], world.state["n"]) == (
        RunStatus.COMPLETED, 42, ["p"], 41,
    )  # fmt: skip


def test_what_is_mapped_may_be_a_path_a_template_or_an_expression():
    sub = child({"c": writes(log="{{ state.log | join('+') }}")}, chain("c"))
    mapping = {"log": ["{{ state.n }}", {"$expr": "string(state.n + 1)"}], "n": "missing"}
    world = begun({**sub, "input_mapping": mapping | {"n": "state.n"}}, {"n": 1})

    assert world.state["log"][-1] == "1+2"


def test_the_tasks_inside_say_where_they_are():
    world = begun(ASKING)

    assert asked(world) == ["s/c"]
    assert [address_of(one) for one in world.run.open_tasks()] == ["s", "s/c"]


def test_the_whole_is_one_task_of_one_level_around():
    world = begun(ASKING, z=task(prompt_template="{{ meta.step }}"))
    world.answer("c", {"output": 1})
    world.answer("d", {"output": 2})

    assert work(world).request.prompt == "2"
    assert [(c.task.node, c.frame) for c in world.commits() if c.kind is Kind.NODE] == [
        ("c", "s"),
        ("d", "s"),
        ("s", ""),
    ]


def test_after_a_crash_it_goes_on_inside():
    world = begun(ASKING)
    world.answer("c", {"output": "one"})

    world.crash()
    world.turn()

    assert asked(world) == ["s/d"]
    world.answer("d", {"output": "two"})
    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["one", "two"])


def test_a_loop_maps_its_input_anew_in_every_turn():
    sub = child({"c": writes(n=1)}, chain("c"))
    loop = {"until": "state.n >= 8", "max_iterations": 10}
    world = begun({**sub, "input_mapping": {"n": "state.n"}, "output_mapping": {"n": "n"}, "loop": loop}, {"n": 1})

    assert (world.status, world.state["n"]) == (RunStatus.COMPLETED, 15)  # 1 + 2, 3 + 4, 7 + 8
    assert [nested.turn for c in world.commits() for _, nested in c.frames] == [1, 2, 3]


def test_a_loop_whose_condition_does_not_hold_has_no_turn():
    world = begun({**ASKING, "loop": {"while": "state.n > 0"}})

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, [])


@pytest.mark.parametrize(
    ("on_limit", "status", "log"),
    [("continue", "completed", ["c", "c"]), ("edge", "completed", ["c", "c", "limit"]), ("fail", "failed", [])],
)
def test_at_its_limit_a_loop_does_what_it_says(on_limit, status, log):
    sub = child({"c": writes(log="c")}, chain("c"))
    loop = {"until": "false", "max_iterations": 2, "on_limit": on_limit}
    edges = [*chain("s"), ("s:limit", "h"), ("h", "__end__")]

    world = begun({**sub, "loop": loop}, edges=edges, h=writes(log="limit"))

    assert (world.status, world.state["log"]) == (status, log)
    if status == "failed":
        assert (world.run.error.code, world.run.error.node) == ("loop.limit", "s")


FAILURE = {"error": {"code": "no", "message": "no", "retryable": True}}


def test_a_failure_inside_fails_the_run_where_nothing_around_deals_with_it_and_a_retry_asks_only_that_again():
    world = begun(ASKING)
    world.answer("c", {"output": "one"})
    world.answer("d", FAILURE)
    assert (world.status, world.run.error.node) == (RunStatus.FAILED, "d")

    ready(world.travel.retry(world.head.id, {}, "test"))

    assert asked(world) == ["s/d"]
    world.answer("d", {"output": "two"})
    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["one", "two"])


def test_a_failure_inside_leaves_by_the_error_edge_around():
    edges = [*chain("s"), ("s:error", "h"), ("h", "__end__")]
    world = begun(ASKING, edges=edges, h=writes(log="{{ error.code }} in {{ error.node }}"))
    world.answer("c", {"output": "one"})

    world.answer("d", FAILURE)

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["no in d"])
    check_all_lines(world)


def test_of_two_failures_the_first_in_canonical_order_counts():
    inside = child(
        {"c": task(), "d": task()}, [("__start__", "c"), ("__start__", "d"), ("c", "__end__"), ("d", "__end__")]
    )
    edges = [*chain("s"), ("s:error", "h"), ("h", "__end__")]
    seen = []
    for order in ("cd", "dc"):
        world = begun(inside, edges=edges, h=writes(log="{{ error.message }}"))
        for node in order:
            world.answer(node, {"error": {"code": "no", "message": node}})
        seen.append(world.state["log"])

    assert seen == [["c"], ["c"]]


def test_the_whole_is_tried_again_from_its_beginning():
    world = begun({**ASKING, "retry": {"max_attempts": 2, "initial_interval_ms": 50}})
    world.answer("c", {"output": "one"})
    world.answer("d", FAILURE)
    ((timer, kind),) = world.timers.held
    assert (kind, world.status) == ("retry", RunStatus.RUNNING)

    world.crash()
    world.fire(timer, kind)

    assert asked(world) == ["s/c"]
    world.answer("c", {"output": "again"})
    world.answer("d", {"output": "two"})
    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["again", "two"])


def test_a_graph_that_takes_too_long_is_ended_with_all_that_is_open_in_it():
    edges = [*chain("s"), ("s:error", "h"), ("h", "__end__")]
    world = begun({**ASKING, "timeout_ms": 1000}, edges=edges, h=writes(log="{{ error.code }}"))
    assert [kind for _, kind in world.timers.held] == ["frame"]

    world.crash()
    ((timer, kind),) = world.timers.held
    world.fire(timer, kind)

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["timeout"])
    assert not world.outbox.works
    assert [one.task.node for c in world.commits() for one in c.cancelled] == ["c"]


def test_a_person_is_asked_from_inside():
    inside = {"c": task(output_key="log"), "ask": {"type": "interrupt", "message": "?", "output_key": "log"}}
    world = begun(child(inside, chain("c", "ask")))
    world.answer("c", {"output": "one"})
    assert world.status is RunStatus.INTERRUPTED

    (opened,) = world.run.interrupts
    world.crash()
    world.resume(opened, "yes", {"log": "edit"})

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["edit", "one", "yes"])
    check_all_lines(world)


def test_a_fork_and_a_replay_from_inside_go_on_inside():
    world = begun(ASKING)
    world.answer("c", {"output": "one"})
    at = world.run.seq

    world.fork(at)
    assert asked(world) == ["s/d"]
    world.answer("d", {"output": "two"})
    assert world.state["log"] == ["one", "two"]

    world.open(next(iter(world.store.keys)))
    replay(world, at, Asked())
    assert asked(world) == ["s/d"]
    world.answer("d", {"output": "three"})
    assert world.state["log"] == ["one", "three"]
    checkout(world, 1)
    assert asked(world) == ["s/d"]
    check_all_lines(world)


def test_what_is_done_inside_is_reused():
    world = begun(ASKING)
    world.answer("c", {"output": "one"})
    world.answer("d", {"output": "two"})

    replay(world, 1, Asked(reuse=True))

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["one", "two"])


def test_a_send_runs_a_graph_for_every_item():
    nodes = {
        "s": {"type": "send", "items_key": "log", "target_node": "g", "output_key": "got"},
        "g": {
            **child({"c": task(output_key="log")}, chain("c"), output=["log"]),
            "input_mapping": {"log": "{{ item }}"},
        },
    }
    made = document(nodes, chain("s"))
    made["state_schema"] = {**STATE, "got": {}}
    world = World(graph_of(made))
    world.start({"log": ["a", "b"]})
    assert asked(world) == ["g[0]/c", "g[1]/c"]

    for one in tuple(world.outbox.works.values())[::-1]:
        world.send(one.task_id)
        world.reply(one, Answered(body={"output": f"done {one.ns[0]}"}))

    assert world.state["got"] == [{"log": ["a", "done g[0]"]}, {"log": ["b", "done g[1]"]}]
    check_all_lines(world)


def test_graphs_run_graphs_ten_deep():
    sub = child({"c": writes(log="deep")}, chain("c"))
    for _ in range(9):
        sub = child({"s": sub}, chain("s"))

    world = begun(sub)

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["deep"])


def test_a_cancelled_run_asks_nobody_inside():
    world = begun(ASKING)

    world.cancel()

    assert world.status is RunStatus.CANCELLED


def test_first_ends_a_graph_with_all_in_it():
    edges = [("__start__", "s"), ("__start__", "b"), ("s", "j"), ("b", "j"), ("j", "__end__")]
    world = begun(ASKING, edges=edges, b=task(), j=task(join="first"))

    world.answer("b", {"output": 1})

    assert asked(world) == ["j"]
    assert not world.run.frames.nested


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"definition": None}, "document.field", "/nodes/s"),
        ({"workflow": "w"}, "document.field", "/nodes/s/definition"),
        ({"definition": None, "subgraph": "none"}, "subgraph.unknown", "/nodes/s/subgraph"),
        ({"definition": None, "workflow": "none"}, "subgraph.unknown", "/nodes/s/workflow"),
        ({"input_mapping": {"odd": "state.n"}}, "mapping.type", "/nodes/s/input_mapping/odd"),
        ({"input_mapping": {"n": "state.odd"}}, "reference.state", "/nodes/s/input_mapping/n"),
        ({"output_mapping": {"odd": "n"}}, "reference.state", "/nodes/s/output_mapping/odd"),
        ({"loop": {}}, "document.field", "/nodes/s/loop"),
        ({"loop": {"while": "state.n >"}}, "expression.syntax", "/nodes/s/loop/while"),
        ({"loop": {"until": "true", "on_limit": "stop"}}, "document.type", "/nodes/s/loop/on_limit"),
    ],
)
def test_a_subgraph_that_cannot_work_is_refused(fields, code, path):
    node = {name: value for name, value in {**ASKING, **fields}.items() if value is not None}
    made = document({"s": node}, chain("s"))
    made["state_schema"] = STATE

    assert (code, path) in [(problem.code, problem.path) for problem in validate(made)]


def test_what_is_wrong_inside_is_named_with_its_place():
    made = document({"s": child({"c": {"type": "odd"}}, chain("c"))}, chain("s"))
    made["state_schema"] = STATE

    problems = [(one.code, one.path, one.node) for one in validate(made)]

    assert problems == [("node.type", "/nodes/s/definition/nodes/c/type", "s/c")]


def test_graphs_by_name_are_found_in_the_documents_around():
    made = document({"s": {"type": "subgraph", "subgraph": "outer", "output_key": "got"}}, chain("s"))
    inner = {"state_schema": STATE, "nodes": {"c": writes(log="inner")}, "edges": chain("c")}
    outer = {
        "state_schema": STATE,
        "nodes": {"s": {"type": "subgraph", "subgraph": "inner", "output_mapping": {"log": "log"}}},
        "edges": chain("s"), "output": ["log"],
    }  # fmt: skip
    both = {"outer": outer, "inner": inner}
    named = {name: {**one, "edges": [list(edge) for edge in one["edges"]]} for name, one in both.items()}
    made |= {"state_schema": {"got": {}}, "subgraphs": named}
    world = World(graph_of(made))

    world.start()

    assert world.state["got"] == {"log": ["inner"]}


def test_a_graph_that_runs_itself_is_refused():
    inner = {"state_schema": STATE, "nodes": {"c": {"type": "subgraph", "subgraph": "self"}}, "edges": chain("c")}
    made = document({"s": {"type": "subgraph", "subgraph": "self"}}, chain("s")) | {"subgraphs": {"self": inner}}

    assert "subgraph.depth" in [problem.code for problem in validate(made)]


def test_how_much_of_a_graph_and_of_a_send_is_done_is_told():
    world = begun(ASKING)
    world.answer("c", {"output": 1})

    def told(world: World, node: str) -> Any:
        task = next(one for one in world.run.open_tasks() if one.node == node)
        return open_task_json(world.run, task)["progress"]

    assert told(world, "s") == {"stage": None, "progress": 0.5, "message": "1/2"}
    world.crash()
    assert told(world, "s") == {"stage": None, "progress": 0.5, "message": "1/2"}
    assert told(world, "d") is None
    send = {"type": "send", "items_key": "log", "target_node": "t", "output_key": "got"}
    items = begun(send, {"log": ["a", "b", "c", "d"]}, chain("s"), t=task())
    items.answer("t", {"output": 1}, 2)
    assert told(items, "s") == {"stage": None, "progress": 0.25, "message": "1/4"}


def test_which_turn_of_a_loop_it_is_is_told():
    world = begun({**ASKING, "loop": {"while": "true", "max_iterations": 3, "on_limit": "continue"}})
    for node in ("c", "d", "c"):
        world.answer(node, {"output": 1})

    (s,) = [one for one in world.run.open_tasks() if one.node == "s"]
    assert open_task_json(world.run, s)["progress"] == {"stage": "turn 2", "progress": 0.5, "message": "1/2"}


def layers(count: int, wide: int) -> dict[str, Any]:
    """Named graphs in layers, each of which runs all of the next one."""
    leaf = {"nodes": {"t": {"type": "transform", "updates": {}}}, "edges": [["__start__", "t"], ["t", "__end__"]]}
    named: dict[str, Any] = {f"g{count}-{number}": leaf for number in range(wide)}
    for layer in range(count - 1, 0, -1):
        runs = {f"n{number}": {"type": "subgraph", "subgraph": f"g{layer + 1}-{number}"} for number in range(wide)}
        graph = {"nodes": runs, "edges": [[a, b] for name in runs for a, b in (("__start__", name), (name, "__end__"))]}
        named |= {f"g{layer}-{number}": graph for number in range(wide)}
    return {**document({"s": {"type": "subgraph", "subgraph": "g1-0"}}, chain("s")), "subgraphs": named}


def test_graphs_that_multiply_are_refused_before_they_are_looked_at():
    (problem,) = validate(layers(8, 8))
    assert (problem.code, problem.path) == ("limit.nodes", "/nodes")
    assert "4,493,897 nodes, more than the 20,000 allowed" in problem.message
    assert [one for one in validate(layers(4, 4)) if one.severity == "error"] == []
    (deep, *_) = [one for one in validate(layers(300, 1)) if one.severity == "error"]
    assert deep.code == "subgraph.depth"
