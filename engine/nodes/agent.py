"""The agent node: a task of several turns in one session with one worker, until it is done or has had enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.expression import compile_expression
from engine.graph import Node
from engine.nodes import task
from engine.nodes._common import COUNT, MILLISECONDS, STRING, Field, Given, Text, text_of
from engine.nodes._turns import DEFAULT_TURNS, GO_ON, Turns
from engine.nodes.task import TaskSpec
from engine.template import compile_template
from engine.values import replace
from engine.view import Ask, View

FIELDS: dict[str, Field] = {
    **task.FIELDS,
    "max_turns": Field(COUNT, f"most turns (default: 1, or {DEFAULT_TURNS} where `stop_when` is given)"),
    "continuation_prompt": Field(STRING, f"template of the prompt of every further turn (default `{GO_ON}`)"),
    "stop_when": Field(STRING, "expression over `output` that ends it after a turn"),
    "turn_timeout_ms": Field(
        MILLISECONDS, "most milliseconds of a turn; the last good answer counts then (default: `timeout_ms`)"
    ),
    "tools": Field({"type": "array"}, "tools that the agent may use, handed to the worker as written"),
    "max_iterations": Field(COUNT, "most steps of a turn, for the worker to keep to"),
}
SHAPE = ("[/", "/]")
PREFERS = "a2a"
"""The protocol whose workers are asked first."""


def parse(fields: Mapping[str, Any]) -> TaskSpec:
    stop = fields.get("stop_when")
    most = int(fields.get("max_turns", 1 if stop is None else DEFAULT_TURNS))
    turns = Turns(
        most=most,
        continuation=compile_template(fields.get("continuation_prompt", GO_ON)),
        stop_when=None if stop is None else compile_expression(stop),
        timeout_ms=fields.get("turn_timeout_ms"),
        tools=fields.get("tools"),
        max_iterations=fields.get("max_iterations"),
    )
    return replace(task.parse(fields), turns=turns)


def texts(fields: Mapping[str, Any]) -> Iterator[Text]:
    yield from task.texts(fields)
    if "continuation_prompt" in fields:
        yield Text("template", "/continuation_prompt", fields["continuation_prompt"])
    if "stop_when" in fields:
        yield Text("judgement", "/stop_when", fields["stop_when"])


def given(fields: Mapping[str, Any]) -> Iterator[Given]:
    """What `output_schema` says about the state keys that the output is written to."""
    return task.given(fields)


def enter(node: Node, view: View) -> Ask:
    spec: TaskSpec = node.spec
    asked, turns = task.enter(node, view), spec.turns
    assert turns is not None
    session = {
        "continuation": text_of(turns.continuation, view.names()) if turns.most > 1 else None,
        "tools": turns.tools,
        "max_iterations": turns.max_iterations,
    }
    request = replace(asked.request, agent=session)
    return replace(asked, request=request, prefers=PREFERS, timeout_ms=turns.timeout_ms)
