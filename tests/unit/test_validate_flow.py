"""What is wrong with edges, routes, calls, cycles and parallel writers."""

from __future__ import annotations

import pytest

from engine.validate import validate
from tests.builders import chain, document, route, task, writes
from tests.unit.validating import found, only

START, END = "__start__", "__end__"


def plain(names, *edges):
    return document({name: task() for name in names.split()}, edges)


# ---- edges


@pytest.mark.parametrize("edge", [7, "a", [], ["a"], ["a", "b", "c"], ["a", 1], {}, {"source": "a", "target": "b"},
                                  {"source": {"node": "a", "port": 1}, "target": {"node": "b"}},
                                  {"source": {"node": "a"}, "target": {}}])  # fmt: skip
def test_what_is_no_edge_is_refused(edge):
    wrong = plain("a", *chain("a"))
    wrong["edges"].append(edge)

    problem = only(wrong)
    assert (problem.code, problem.path) == ("document.type", "/edges/2")


@pytest.mark.parametrize(
    ("edge", "path", "name"),
    [
        (["a", "ghost"], "/edges/2/1", "ghost"),
        (["ghost", "a"], "/edges/2/0", "ghost"),
        ([END, "a"], "/edges/2/0", END),
        (["a", START], "/edges/2/1", START),
        ({"source": {"node": "ghost"}, "target": {"node": "a"}}, "/edges/2/source/node", "ghost"),
        ({"source": {"node": "a"}, "target": {"node": "ghost"}}, "/edges/2/target/node", "ghost"),
        ({"source": {"node": "a:error"}, "target": {"node": "a"}}, "/edges/2/source/node", "a:error"),
    ],
)
def test_an_edge_leads_from_a_node_to_a_node(edge, path, name):
    wrong = plain("a", *chain("a"))
    wrong["edges"].append(edge)

    problem = only(wrong)
    assert (problem.code, problem.path) == ("edge.node", path)
    assert f"`{name}`" in problem.message


def test_both_ends_of_an_edge_are_looked_at():
    assert [problem.path for problem in found(plain("a", *chain("a"), ("x", "y")), "edge.node")] == [
        "/edges/2/0",
        "/edges/2/1",
    ]


@pytest.mark.parametrize("source", ["a:ok", "a:", f"{START}:x"])
def test_a_handle_that_a_node_does_not_have_is_refused(source):
    problem = only(plain("a b", *chain("a", "b"), (source, "b")))

    assert (problem.code, problem.path) == ("edge.handle", "/edges/3")


def test_a_port_that_is_no_handle_is_refused():
    wrong = plain("a b", *chain("a", "b"))
    wrong["edges"].append({"source": {"node": "a", "port": "out"}, "target": {"node": "b", "port": "in"}})

    assert only(wrong).code == "edge.handle"


def test_every_node_may_have_an_error_edge():
    nodes = {
        "t": task(), "w": writes(n=1), "i": {"type": "interrupt"}, "r": route("x"), "h": task(),
        "s": {"type": "send", "items_key": "items", "target_node": "t"},
    }  # fmt: skip
    edges = [(START, "t"), ("t", "w"), ("w", "i"), ("i", "s"), ("s", "r"), ("r:x", END), ("h", END)]

    assert validate(document(nodes, [*edges, *((f"{name}:error", "h") for name in "twisr")])) == ()


def test_an_edge_that_is_there_twice_is_refused():
    problem = only(plain("a b", *chain("a", "b"), ("a", "b")))

    assert (problem.code, problem.path, problem.node) == ("edge.duplicate", "/edges/3", "a")


def test_a_short_and_a_long_edge_may_be_the_same_one():
    wrong = plain("a", *chain("a"))
    wrong["edges"].append({"source": {"node": "a"}, "target": {"node": END}})

    assert only(wrong).code == "edge.duplicate"


# ---- routes


def test_a_value_without_an_edge_is_named():
    wrong = document({"r": route("x", ("true", ["x", "y"])), "a": task()}, [(START, "r"), ("r:x", "a"), ("a", END)])

    problem = only(wrong)
    assert (problem.code, problem.path, problem.node) == ("route.edge", "/nodes/r/rules/0/to", "r")
    assert "`y`" in problem.message


@pytest.mark.parametrize("source", ["r:other", "r"])
def test_an_edge_without_a_value_is_named(source):
    wrong = document({"r": route("x"), "a": task()}, [(START, "r"), ("r:x", "a"), ("a", END), (source, "a")])

    problem = only(wrong)
    assert (problem.code, problem.path) == ("route.edge", "/edges/3")


def test_routes_say_where_their_edges_lead():
    fields = {"type": "route", "input": "last", "routes": {"x": "b"}}
    wrong = document({"r": fields, "a": task(), "b": task()}, [(START, "r"), ("r:x", "a"), ("a", "b"), ("b", END)])

    problem = only(wrong)
    assert (problem.code, problem.path) == ("route.edge", "/nodes/r/routes/x")
    assert "`b`" in problem.message


def test_error_is_no_value_of_a_route():
    assert only(document({"r": route("error")}, [(START, "r"), ("r:error", END)])).code == "route.edge"


def test_a_value_may_hold_a_colon():
    assert validate(document({"r": route("a:b")}, [(START, "r"), ("r:a:b", END)])) == ()


# ---- calls


def test_a_send_to_an_unknown_node_is_refused():
    problem = only(document({"s": {"type": "send", "items_key": "items", "targets": ["s2"]}}, chain("s")))

    assert (problem.code, problem.path, problem.node) == ("send.target", "/nodes/s/targets/0", "s")


@pytest.mark.parametrize("target", ["i", "r", "s"])
def test_a_send_to_what_cannot_be_called_is_refused(target):
    nodes = {
        "s": {"type": "send", "items_key": "items", "target_node": target}, "i": {"type": "interrupt"}, "r": route("x"),
    }  # fmt: skip

    problem = only(document(nodes, [(START, "s"), ("s", "i"), ("i", "r"), ("r:x", END)]))
    assert (problem.code, problem.node) == ("send.target", "s")


def test_the_target_of_a_send_and_what_follows_it_is_reachable():
    nodes = {"s": {"type": "send", "items_key": "items", "target_node": "w"}, "w": task(), "n": task()}

    assert validate(document(nodes, [*chain("s"), ("w", "n"), ("n", END)])) == ()


# ---- what can be reached


def test_a_node_that_nothing_leads_to_is_unreachable():
    problem = only(plain("a u", *chain("a"), ("u", END)))

    assert (problem.code, problem.severity, problem.node) == ("node.unreachable", "error", "u")


def test_a_node_without_any_edge_is_unused_and_nothing_else():
    problem = only(plain("a u", *chain("a")))

    assert (problem.code, problem.severity, problem.node) == ("node.unused", "warning", "u")


def test_an_end_that_cannot_be_reached_is_told_once():
    problem = only(plain("a b c", (START, "a"), ("a", "b"), ("a", "c")))

    assert (problem.code, problem.node) == ("end.unreachable", None)


def test_the_edges_of_a_call_do_not_lead_to_the_end():
    nodes = {"s": {"type": "send", "items_key": "items", "target_node": "w"}, "w": task()}

    assert only(document(nodes, [(START, "s"), ("w", END)])).code == "end.unreachable"


def test_what_follows_from_a_wrong_edge_is_not_told_again():
    assert only(plain("a b c", (START, "a"), ("aa", "b"), ("b", "c"), ("c", END))).code == "edge.node"


def test_nothing_is_said_of_the_flow_where_nodes_or_edges_cannot_be_read():
    assert only({"nodes": {"a": task()}, "edges": 7}).code == "document.type"


# ---- cycles


def test_a_cycle_of_plain_edges_never_ends():
    problem = only(plain("a b c", (START, "a"), ("a", "b"), ("b", "a"), ("b", "c"), ("c", END)))

    assert (problem.code, problem.path, problem.node) == ("cycle.unbounded", "/edges/2", "a")
    assert "`a` → `b` → `a`" in problem.message


def test_a_node_that_leads_to_itself_never_ends():
    assert only(plain("a", *chain("a"), ("a", "a"))).code == "cycle.unbounded"


def test_each_cycle_is_told_once():
    edges = [*chain("a", "b", "c", "d"), ("b", "a"), ("c", "a"), ("d", "d")]

    assert [problem.node for problem in validate(plain("a b c d", *edges))] == ["a", "d"]


@pytest.mark.parametrize("source", ["r:again", "a:error"])
def test_a_cycle_through_a_route_or_an_error_edge_may_end(source):
    nodes = {"a": task(), "r": route("out", *([("state.n < 3", "again")] if source == "r:again" else []))}

    assert validate(document(nodes, [(START, "a"), ("a", "r"), ("r:out", END), (source, "a")])) == ()


def test_a_cycle_with_two_ways_in_is_a_warning_that_names_its_head():
    nodes = {"o": task(), "h": task(), "r": route("out", ("state.n < 3", "again"))}
    wrong = document(nodes, [(START, "h"), ("h", "r"), ("r:again", "h"), ("r:out", END), (START, "o"), ("o", "r")])

    problem = only(wrong)
    assert (problem.code, problem.severity, problem.path) == ("graph.two_entries", "warning", "/edges/5")
    assert problem.node == "h"
    assert "`r`" in problem.message


def test_a_call_is_no_way_into_a_cycle():
    nodes = {
        "s": {"type": "send", "items_key": "items", "target_node": "w"}, "w": task(), "h": task(),
        "r": route("out", ("state.n < 3", "again")),
    }  # fmt: skip
    edges = [(START, "s"), ("s", "h"), ("h", "r"), ("r:again", "h"), ("r:out", END), ("w", "r")]

    assert validate(document(nodes, edges)) == ()


# ---- races


def races(nodes, *edges) -> list[tuple[str, str | None]]:
    problems = validate(document(nodes, edges))
    assert {problem.code for problem in problems} <= {"state.race"}, problems
    return [(problem.message.split("`")[1], problem.node) for problem in problems]


W = writes(last="x")


def test_two_parallel_writers_of_one_key_are_a_warning_that_says_who_wins():
    problem = only(
        document({"p": W, "q": W, "j": task()}, [(START, "p"), (START, "q"), ("p", "j"), ("q", "j"), ("j", END)])
    )

    assert (problem.code, problem.severity, problem.node) == ("state.race", "warning", "q")
    assert "the value of `q` wins" in problem.message


def test_the_deeper_one_wins_wherever_it_stands():
    assert races({"deep": W, "mid": task(), "flat": W}, *chain("mid", "deep"), *chain("flat")) == [("flat", "deep")]


def test_writers_one_after_the_other_do_not_race():
    assert races({"a": W, "b": W}, *chain("a", "b")) == []


def test_the_branches_of_a_route_do_not_race():
    nodes = {"r": route("x", ("true", "y")), "a": W, "b": W, "j": W}

    assert races(nodes, (START, "r"), ("r:x", "a"), ("r:y", "b"), ("a", "j"), ("b", "j"), ("j", END)) == []


def test_branches_that_a_route_takes_at_once_do():
    nodes = {"r": route("x", ("true", ["x", "y"])), "a": W, "b": W}

    assert races(nodes, (START, "r"), ("r:x", "a"), ("r:y", "b"), ("a", END), ("b", END)) == [("a", "b")]


def test_the_error_edge_and_the_plain_edge_do_not_race():
    nodes = {"t": task(), "a": W, "b": W}

    assert races(nodes, (START, "t"), ("t", "a"), ("t:error", "b"), ("a", END), ("b", END)) == []


def test_keys_with_a_reducer_do_not_race():
    assert races({"a": writes(log=1), "b": writes(log=2)}, *chain("a"), *chain("b")) == []


def test_each_loser_is_told_once_with_the_one_that_wins_in_the_end():
    assert races({"a": W, "b": W, "c": W}, *chain("a"), *chain("b"), *chain("c")) == [("a", "c"), ("b", "c")]


def test_a_call_does_not_race():
    nodes = {"s": {"type": "send", "items_key": "items", "target_node": "w"}, "w": task(output_key="last"), "a": W}

    assert races(nodes, *chain("s"), *chain("a")) == []
