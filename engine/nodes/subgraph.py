"""The subgraph node: runs another graph, with a state of its own, as a frame of the same run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from engine.expression import Expression, compile_expression
from engine.graph import LIMIT_HANDLE, Node
from engine.missing import MISSING
from engine.nodes._common import (
    COUNT,
    MILLISECONDS,
    OBJECT,
    STRING,
    Computed,
    Field,
    Flaw,
    JsonSchema,
    Text,
    pointer,
    result_of,
    value_texts,
)
from engine.nodes._limits import LimitSpec, limit_texts, parse_limits, stay_fields
from engine.nodes._output import OUTPUT_FIELDS, Output, output_texts, parse_output
from engine.paths import Path, lookup, state_path
from engine.values import dataclass
from engine.view import Nest, View

if TYPE_CHECKING:
    from engine.graph import Graph

LOOP: JsonSchema = {
    "type": "object",
    "properties": {
        "while": STRING,
        "until": STRING,
        "max_iterations": COUNT,
        "on_limit": {"enum": ["fail", "continue", "edge"]},
    },
    "additionalProperties": False,
}
FIELDS: dict[str, Field] = {
    "workflow": Field(
        {
            "type": ["string", "object"],
            "properties": {"id": STRING, "version": COUNT},
            "required": ["id"],
            "additionalProperties": False,
        },
        "id of the workflow to run, or `{id, version}`; it is copied into this document when that is saved",
    ),
    "definition": Field(OBJECT, "the document of the graph to run, in place"),
    "subgraph": Field(STRING, "name of the graph to run, among the document's `subgraphs`"),
    "input_mapping": Field(OBJECT, "input key of the graph → path in the state around it, template or expression"),
    **OUTPUT_FIELDS,
    "loop": Field(LOOP, "runs the graph again and again"),
    "timeout_ms": Field(MILLISECONDS, "most milliseconds that all turns together may take (default: no limit)"),
    **stay_fields("run", "runs", "begin"),
}
EXITS = {LIMIT_HANDLE: "loop"}
SHAPE = ("[\\", "\\]")
DEFAULT_ITERATIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """How often a graph runs; `again` is asked before each turn, `enough` after it."""

    again: Expression | None
    enough: Expression | None
    most: int
    on_limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubgraphSpec:
    """A subgraph's fields, compiled; `child` is the graph that it runs."""

    given: Mapping[str, Path | Computed]
    output: Output
    loop: Loop | None
    timeout_ms: int | None
    stay: LimitSpec | None
    """What bounds its tasks, which have their place from the beginning of the first turn to the end, tries included."""
    child: Graph = field(default=None)  # type: ignore[assignment]  # known once the document around it is read

    def input_of(self, names: Mapping[str, Any]) -> dict[str, Any]:
        """What goes in; a path that leads nowhere gives nothing. Raises NodeFailure."""
        found = {}
        for key, source in self.given.items():
            value = source.value(names) if isinstance(source, Computed) else lookup(names["state"], source)
            if value is not MISSING:
                found[key] = value
        return found

    def goes_on(self, names: Mapping[str, Any]) -> bool:
        """Whether a turn of the loop begins in this state. Raises NodeFailure."""
        again = self.loop.again if self.loop is not None else None
        return again is None or result_of(again, names) is True

    def is_done(self, names: Mapping[str, Any]) -> bool:
        """Whether the loop has had enough in this state. Raises NodeFailure."""
        enough = self.loop.enough if self.loop is not None else None
        return self.loop is None or (enough is not None and result_of(enough, names) is True)


def parse(fields: Mapping[str, Any]) -> SubgraphSpec:
    given = fields.get("input_mapping", {})
    return SubgraphSpec(
        given={key: _source(value) for key, value in given.items()},
        output=parse_output(fields),
        loop=_loop(fields["loop"]) if "loop" in fields else None,
        timeout_ms=fields.get("timeout_ms"),
        stay=parse_limits(fields),
    )


def _source(value: Any) -> Path | Computed:
    return state_path(value) if _is_path(value) else Computed(value)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and "{" not in value


def _loop(loop: Mapping[str, Any]) -> Loop:
    def compiled(name: str) -> Expression | None:
        return compile_expression(loop[name]) if name in loop else None

    most = int(loop.get("max_iterations", DEFAULT_ITERATIONS))
    return Loop(again=compiled("while"), enough=compiled("until"), most=most, on_limit=loop.get("on_limit", "fail"))


def definition(fields: Mapping[str, Any], named: Mapping[str, Any]) -> tuple[str, Any] | None:
    """The graph to run: where it is from, and its document; `named` are the `subgraphs` of the documents around. None
    where there is none of that name."""
    if "definition" in fields:
        return "", fields["definition"]
    name = fields.get("subgraph") or pin_of(fields.get("workflow"), named)
    return (name, named[name]) if isinstance(name, str) and name in named else None


def pin_of(workflow: Any, named: Mapping[str, Any]) -> str:
    """The name under which a workflow is copied into the document: the id, and the version of it. What is no workflow
    has none that is there."""
    wanted, version = workflow, None
    if isinstance(workflow, Mapping):
        wanted, version = workflow.get("id"), workflow.get("version")
    if isinstance(version, int | float):
        return f"{wanted}@{int(version)}"
    return next((name for name in named if name.rpartition("@")[0] == wanted), f"{wanted}@")


def texts(fields: Mapping[str, Any]) -> Iterator[Text]:
    for key, value in fields.get("input_mapping", {}).items():
        place = f"/input_mapping/{pointer(key)}"
        if _is_path(value):
            yield Text("path", place, value)
        else:
            yield from value_texts(value, place)
    for name in ("while", "until"):
        if name in fields.get("loop", {}):
            yield Text("expression", f"/loop/{name}", fields["loop"][name])
    yield from output_texts(fields)
    yield from limit_texts(fields)


def flaws(fields: Mapping[str, Any]) -> Iterator[Flaw]:
    """A subgraph says which graph it runs, once, and when its loop ends."""
    sources = [name for name in ("workflow", "definition", "subgraph") if name in fields]
    if len(sources) != 1:
        message = "a subgraph needs one of the fields `workflow`, `definition` and `subgraph`"
        yield Flaw("document.field", f"/{sources[1]}" if sources else "", message)
    loop = fields.get("loop", {})
    if "loop" in fields and not {"while", "until", "max_iterations"} & loop.keys():
        yield Flaw("document.field", "/loop", "a loop needs one of `while`, `until` and `max_iterations`")


def enter(node: Node, view: View) -> Nest:
    return Nest()
