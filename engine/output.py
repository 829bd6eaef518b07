"""What a run answers: its whole state, some keys of it, or an object of templates and expressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import NodeFailure
from engine.graph import Graph
from engine.model import ErrorInfo
from engine.nodes._common import Computed


def parse_output_spec(spec: Any) -> Any:
    """The `output` of a document, compiled: None, a tuple of keys, or a Computed."""
    if spec is None:
        return None
    return tuple(spec) if isinstance(spec, list) else Computed(spec)


def output_of(graph: Graph, names: Mapping[str, Any], state: Mapping[str, Any]) -> Any:
    """The output of a run that ends in `state`; `names` are the other names that templates see. Raises NodeFailure."""
    if graph.output is None:
        return state
    if isinstance(graph.output, tuple):
        return {key: state[key] for key in graph.output if key in state}
    return graph.output.value({**names, "state": state})


def check_output(graph: Graph, names: Mapping[str, Any], state: Mapping[str, Any]) -> ErrorInfo | None:
    """The error with which a run ends whose output cannot be made."""
    if graph.output is None or isinstance(graph.output, tuple):
        return None
    try:
        output_of(graph, names, state)
    except NodeFailure as failure:
        return ErrorInfo(code=failure.node_code, message=f"output: {failure.message}", retryable=False)
    return None
