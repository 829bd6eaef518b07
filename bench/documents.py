"""The workflows that are measured."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not mind it at all. "
KILOBYTE = (TEXT * 13)[:1000]
HUNDRED = KILOBYTE[:100]


def chain(length: int, node: Document | None = None, **state: Any) -> Document:
    """A chain of equal nodes; by itself each adds one to a counter."""
    made = node or {"type": "transform", "updates": {"n": 1}}
    names = [f"n{number}" for number in range(length)]
    return {
        "id": f"chain-{length}",
        "state_schema": {"n": {"type": "integer", "reducer": "add"}, **state},
        "nodes": dict.fromkeys(names, made),
        "edges": [list(pair) for pair in zip(["__start__", *names], [*names, "__end__"], strict=True)],
        "config": {"max_steps": max(1000, length + 10)},
    }


def carrying() -> Document:
    """A chain of 1,000 steps, each of which writes 100 bytes beside whatever the input has put into the state."""
    writes = {"type": "transform", "updates": {"small": HUNDRED}}
    return {**chain(1000, writes, small={"type": "string"}, blob={"type": "string"}), "id": "carrying"}


def asking(length: int, protocol: str | None = None, **fields: Any) -> Document:
    """A chain of tasks for a worker, of one protocol where it is given."""
    task = {"type": "task", "worker_tags": ["bench"], "output_key": "n", **fields}
    if protocol is None:
        return {**chain(length, task), "id": f"asking-{length}"}
    return {**chain(length, {**task, "protocol": protocol}), "id": f"asking-{length}-{protocol}"}


def waiting() -> Document:
    """A run that asks a person at once."""
    ask = {"type": "interrupt", "message": "Publish {{ state.title }}?", "output_key": "approved"}
    return {
        "id": "waiting",
        "state_schema": {"title": {"type": "string", "default": "this"}, "approved": {"type": "boolean"}},
        "nodes": {"ask": ask},
        "edges": [["__start__", "ask"], ["ask", "__end__"]],
    }


def listened(length: int) -> Document:
    """A chain of tasks that begins when somebody says so."""
    made = asking(length)
    edges = [["__start__", "go"], ["go", "n0"], *made["edges"][1:]]
    return {
        **made,
        "id": "listened",
        "nodes": {"go": {"type": "interrupt", "message": "go?"}, **made["nodes"]},
        "edges": edges,
    }


def fan_out() -> Document:
    """A send whose items a worker does, one task each."""
    return {
        "id": "fan-out",
        "state_schema": {"items": {"type": "array"}, "results": {"type": "array"}},
        "nodes": {
            "each": {"type": "send", "items_key": "state.items", "target_node": "one", "output_key": "results"},
            "one": {"type": "task", "worker_tags": ["bench"], "prompt_template": "{{ item }}"},
        },
        "edges": [["__start__", "each"], ["each", "__end__"]],
    }


def rounds() -> Document:
    """A loop that goes round until the counter has come to `count`: two steps a round."""
    return _loop("rounds", {"type": "transform", "updates": {"n": 1}})


def said_by_transform(reducer: str) -> Document:
    """A loop that appends a message of 1 KB a round."""
    message: Any = KILOBYTE if reducer == "append" else {"role": "assistant", "content": KILOBYTE}
    say = {"type": "transform", "updates": {"n": 1, "messages": message}}
    return _loop(f"said-{reducer}", say, messages={"type": "array", "reducer": reducer})


def said_by_worker() -> Document:
    """A loop in which a worker reads all messages, and answers with one more."""
    say = {"type": "task", "worker_tags": ["bench"], "reads": ["messages"], "parameters": {"updates": True}}
    return _loop("said-by-worker", say, messages={"type": "array", "reducer": "append"})


def pausing(document: Document) -> Document:
    """A loop that asks a human before its next round where the run's config says `pause`."""
    route = document["nodes"]["enough"]
    rules = [{"when": "config.pause", "to": "ask"}, *route["rules"]]
    nodes = {**document["nodes"], "enough": {**route, "rules": rules}, "ask": {"type": "interrupt", "message": "On?"}}
    edges = [*document["edges"], ["enough:ask", "ask"], ["ask", "say"]]
    config = {**document["config"], "pause": False}
    return {**document, "id": f"{document['id']}-pausing", "nodes": nodes, "edges": edges, "config": config}


def _loop(name: str, body: Document, **state: Any) -> Document:
    return {
        "id": name,
        "state_schema": {
            "n": {"type": "integer", "reducer": "add"},
            "count": {"type": "integer"},
            **state,
        },
        "nodes": {
            "say": body,
            "enough": {"type": "route", "rules": [{"when": "state.n >= state.count", "to": "yes"}], "default": "no"},
        },
        "edges": [["__start__", "say"], ["say", "enough"], ["enough:no", "say"], ["enough:yes", "__end__"]],
        "config": {"max_steps": 100_000},
    }


def ladder(joins: int) -> Document:
    """Joins in a row, each of the one before and of a node beside it."""
    nodes = {f"{kind}{number}": {"type": "transform", "updates": {"n": 1}} for number in range(joins) for kind in "xj"}
    edges = [["__start__", "x0"], ["__start__", "j0"], *([f"x{number}", f"j{number}"] for number in range(joins))]
    edges += [[f"j{number - 1}", f"{kind}{number}"] for number in range(1, joins) for kind in "xj"]
    edges.append([f"j{joins - 1}", "__end__"])
    state = {"n": {"type": "integer", "reducer": "add"}}
    return {
        "id": "ladder", "state_schema": state, "nodes": nodes, "edges": edges, "config": {"max_steps": 3 * joins + 10},
    }  # fmt: skip


def nested(depth: int, length: int) -> Document:
    """Chains of so many nodes, each with one more that runs the next chain, so many deep."""
    made = chain(length)
    for _ in range(depth - 1):
        outer = chain(length)
        inner = {"type": "subgraph", "definition": {key: made[key] for key in ("state_schema", "nodes", "edges")}}
        edges = [*outer["edges"][:-1], [f"n{length - 1}", "inner"], ["inner", "__end__"]]
        made = {**outer, "nodes": {**outer["nodes"], "inner": inner}, "edges": edges}
    return {**made, "id": f"nested-{depth}"}


def dividing(by: str) -> Document:
    """A step, and one that divides by an expression."""
    nodes = {
        "before": {"type": "transform", "updates": {"seen": "{{ state.n }}"}},
        "divide": {"type": "transform", "updates": {"result": {"$expr": f"10 / {by}"}}},
    }
    state = {"n": {"type": "integer"}, "seen": {}, "result": {}}
    edges = [["__start__", "before"], ["before", "divide"], ["divide", "__end__"]]
    return {"id": "dividing", "state_schema": state, "nodes": nodes, "edges": edges}
