"""What a task node asks, and what it refuses to ask."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import NodeFailure
from engine.graph import Node
from engine.nodes import task
from engine.view import Ask, View


def entered(fields: dict[str, Any], state: dict[str, Any]) -> Ask:
    return task.enter(Node(name="a", type="task", position=0, spec=task.parse(fields)), View(state=state))


def test_an_input_that_breaks_its_schema_fails_the_node_before_a_worker_is_asked() -> None:
    fields = {"input": {"n": "{{ state.n }}"}, "input_schema": {"properties": {"n": {"type": "integer"}}}}
    assert entered(fields, {"n": 1}).request.input == {"n": 1}
    with pytest.raises(NodeFailure) as caught:
        entered(fields, {"n": "one"})
    assert (caught.value.node_code, caught.value.retryable) == ("input.invalid", False)
    assert "/n" in caught.value.message


def test_the_defaults_of_the_schema_fill_in_an_input_before_it_is_checked() -> None:
    schema = {"properties": {"ms": {"type": "integer", "default": 30000, "maximum": 120000}}, "required": ["ms", "url"]}
    fields = {"input": {"url": "{{ state.url }}"}, "input_schema": schema}
    assert entered(fields, {"url": "u"}).request.input == {"url": "u", "ms": 30000}
    with pytest.raises(NodeFailure, match='/: "url" is a required property'):
        entered({"input_schema": schema}, {})


def test_only_the_keys_that_a_node_reads_go_along_and_missing_ones_are_left_out() -> None:
    asked = entered({"reads": ["b", "a", "gone"]}, {"a": 1, "b": 2, "c": 3})
    assert asked.request.state == {"b": 2, "a": 1}
