"""NullBoiler: state graphs in nearly the same words; older kinds of nodes, types and managed names are put in ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine.checks.document import FIELDS
from engine.checks.problem import shown
from engine.importers._draft import Draft
from engine.importers._notes import Construct, Notes, Outcome
from engine.importers._source import Source
from engine.model import END, START
from engine.nodes._fields import NODE_FIELDS
from engine.nodes.send import DEFAULT_OUTPUT_KEY
from engine.plugins import node_types, reducer_names

TITLE = "NullBoiler"
NEARLY, NOT = Outcome.APPROXIMATED, Outcome.UNMAPPED
CONSTRUCTS: Mapping[str, Construct] = {
    "node": Construct("`nodes`", "`nodes`", "the seven types are the same"),
    "edges": Construct("`edges`: `[\"a\", \"b\"]`, `[\"r:value\", \"c\"]`", "`edges`", "as they are"),
    "schema": Construct("`schema`", "`state_schema`", "`state_schema` is the name that counts"),
    "type": Construct("types `any`, `str`, `int`, `float`, `bool`, `list`, `map`", "JSON Schema", "`any` has no type"),
    "entry": Construct("an entry that is a word", "`reducer` or `type`", "whichever has that name"),
    "meta": Construct("`state.__meta.node_name` and others", "`meta.node`", "managed names have a root of their own"),
    "undeclared": Construct(
        "a key that is written and not declared", "an entry without a type", "ours have to be declared", NEARLY,
        "give it a type and a reducer in the source",
    ),
    "routes": Construct("a route whose values only its edges name", "`routes`", "each value and where it leads"),
    "default": Construct("`default` with the name of a node", "`default` with the value of its edge", "a handle"),
    "leads": Construct("`routes` without edges", "`routes` and an edge each", "to the nodes that they name"),
    "name": Construct("a name with other signs", "letters, digits, `_`, `.`, `-`", "references follow", NEARLY),
    "older": Construct(
        "the older kinds `approval`, `router`, `sub_workflow`, `map`, `fan_out`",
        "`interrupt`, `route`, `subgraph`, `send`", "what took their place", NEARLY, "look at its fields",
    ),
    "kind": Construct(
        "any other type", "`task` with the type as a worker tag", "a worker has to know what to do", NEARLY,
        "register a worker with this tag",
    ),
    "field": Construct("a field that is not known", "`metadata.imported`", "kept, and not read", NOT),
}  # fmt: skip

KINDS = {"approval": "interrupt", "router": "route", "sub_workflow": "subgraph", "map": "send", "fan_out": "send"}
RENAMED = {"workflow_id": "workflow"}
TYPES = {
    "str": "string", "int": "integer", "float": "number", "bool": "boolean",
    "list": "array", "map": "object", "dict": "object", "any": None,
}  # fmt: skip
META = re.compile(r"\b(?:state\.)?__meta\b(?:\.(\w+))?")
META_KEYS = {"node_name": "node"}
WRITTEN = ("output_mapping", "updates")


def recognises(document: Mapping[str, Any]) -> bool:
    """Nodes by name, and edges as pairs."""
    edges = document.get("edges")
    pairs = isinstance(edges, list) and all(
        isinstance(edge, list) or (isinstance(edge, dict) and isinstance(edge.get("source"), dict)) for edge in edges
    )
    return isinstance(document.get("nodes"), dict) and pairs


def convert(document: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """The document in Clew's language; one that is in it already is not changed."""
    return _Graph(Source(document), notes).made()


class _Graph:
    """A document, or one inside it."""

    def __init__(self, source: Source, notes: Notes) -> None:
        self.source, self.notes = source, notes
        draft = Draft(notes)
        self.names = {name: draft.name(name, at.path) for name, at in source.get("nodes").entries()}
        self.names |= {START: START, END: END}
        self.edges = self._edges()
        self.written: dict[str, str] = {}

    def made(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, at in self.source.entries():
            known = "state_schema" if name == "schema" else name
            if known not in FIELDS:
                self.notes.add("field", at.path, f"`{shown(name)}` is kept in the metadata")
            elif known not in found:
                found[known] = self._top(known, at)
        left = {name: at.value for name, at in self.source.entries() if name not in FIELDS and name != "schema"}
        if left:
            found["metadata"] = with_left(found.get("metadata"), left)
        self._declare(found)
        return found

    def _top(self, name: str, at: Source) -> Any:
        if name == "nodes" and isinstance(at.value, dict):
            return {self.names[key]: self._node(key, inner) for key, inner in at.entries()}
        if name == "edges" and isinstance(at.value, list):
            return self.edges
        if name == "state_schema" and isinstance(at.value, dict):
            if at.path.endswith("/schema"):
                self.notes.add("schema", at.path, "it is called `state_schema`")
            return {key: self._entry(inner) for key, inner in at.entries()}
        if name == "subgraphs" and isinstance(at.value, dict):
            return {key: self._inner(inner) for key, inner in at.entries()}
        if name in ("interrupt_before", "interrupt_after"):
            return self._named(at.value)
        return self._words(at)

    # ---- state

    def _entry(self, at: Source) -> Any:
        if isinstance(at.value, str):
            self.notes.add("entry", at.path, f"`{shown(at.value)}`")
            return {"reducer": at.value} if at.value in reducer_names() else self._typed({"type": at.value}, at)
        return self._typed(at.value, at) if isinstance(at.value, dict) else at.value

    def _typed(self, entry: dict[str, Any], at: Source) -> dict[str, Any]:
        kind = entry.get("type")
        if not isinstance(kind, str) or kind not in TYPES:
            return entry
        self.notes.add("type", at.path, f"`{kind}` is {TYPES[kind] or 'no type'}")
        inner = TYPES[kind]
        return {key: inner if key == "type" else value for key, value in entry.items() if key != "type" or inner}

    def _declare(self, found: dict[str, Any]) -> None:
        """Give every key that is written an entry."""
        state = found.get("state_schema", {})
        missing = {key: path for key, path in self.written.items() if isinstance(state, dict) and key not in state}
        for key, path in missing.items():
            self.notes.add("undeclared", path, f"the state key `{shown(key)}` has an entry now")
        if missing:
            kinds = {DEFAULT_OUTPUT_KEY: {"type": "array"}}
            found["state_schema"] = {**state, **{key: kinds.get(key, {}) for key in missing}}

    # ---- nodes

    def _node(self, name: str, at: Source) -> Any:
        if not isinstance(at.value, dict):
            return at.value  # the validator says so
        kind = self._kind(at)
        known = {**NODE_FIELDS, **getattr(node_types().get(kind), "FIELDS", {})}
        found: dict[str, Any] = {} if kind == at.value.get("type", "task") else {"type": kind}
        left: dict[str, Any] = {}
        for field, inner in at.entries():
            called = RENAMED.get(field, field)
            if called not in known:
                left[field] = inner.value
                self.notes.add("field", inner.path, f"`{shown(field)}` is no field of the type `{kind}`")
            elif called not in found:
                found[called] = self._field(called, inner)
        if left:
            found["metadata"] = with_left(found.get("metadata"), left)
        self._routed(name, kind, found, at)
        self._writes(kind, found, at)
        self._unknown(at, kind, found)
        self.notes.add("node", at.path, f"the {kind} `{self.names[name]}`")
        return found

    def _kind(self, at: Source) -> str:
        given = at.value.get("type", "task")
        if not isinstance(given, str):
            self.notes.malformed(f"{at.path}/type", f"expected the name of a type, got {at.get('type').described()}")
            return "task"
        if given in node_types():
            return given
        if given in KINDS:
            self.notes.add("older", f"{at.path}/type", f"`{given}` is the type `{KINDS[given]}`")
        return KINDS.get(given, "task")

    def _unknown(self, at: Source, kind: str, found: dict[str, Any]) -> None:
        given = at.value.get("type", "task")
        if isinstance(given, str) and given != kind and given not in KINDS:
            self.notes.add(
                "kind", f"{at.path}/type", f"`{shown(given)}` is a task with the worker tag `{shown(given)}`"
            )
            tags = found.get("worker_tags")
            found["worker_tags"] = [*(tags if isinstance(tags, list) else []), given]

    def _field(self, name: str, at: Source) -> Any:
        if name == "definition" and isinstance(at.value, dict):
            return self._inner(at)
        if name in ("target_node", "targets", "goto"):
            return self._named(at.value)
        if name == "routes" and isinstance(at.value, dict):
            return {value: self._named(target) for value, target in at.value.items()}
        return at.value if name in ("type", "parameters", "metadata", "position", "ui") else self._words(at)

    def _inner(self, at: Source) -> Any:
        return _Graph(at, self.notes).made() if isinstance(at.value, dict) else at.value

    def _routed(self, name: str, kind: str, found: dict[str, Any], at: Source) -> None:
        """Values and edges of a route say the same."""
        if kind != "route":
            return
        mine = {handle: target for node, handle, target in self._ends if node == name and handle not in (None, "error")}
        routes, default = found.get("routes"), found.get("default")
        if "routes" not in found and "rules" not in found and mine:
            found["routes"] = {str(handle): target for handle, target in mine.items()}
            self.notes.add("routes", at.path, f"the values {', '.join(map(shown, found['routes']))}")
        elif isinstance(routes, dict) and not mine:
            self.notes.add("leads", f"{at.path}/routes", "each value has an edge")
            ways = [(value, target) for value, target in routes.items() if isinstance(target, str)]
            self.edges += [[f"{self.names[name]}:{value}", target] for value, target in ways]
        if isinstance(default, str) and default not in mine and default not in (routes or {}):
            wanted = self.names.get(default)
            handles = [handle for handle, target in mine.items() if target == wanted]
            if handles:
                found["default"] = handles[0]
                self.notes.add(
                    "default", f"{at.path}/default", f"`{shown(default)}` is the value `{shown(handles[0])}`"
                )

    def _writes(self, kind: str, found: dict[str, Any], at: Source) -> None:
        """Note the state keys that a node writes, each once."""
        keys = [found["output_key"]] if isinstance(found.get("output_key"), str) else []
        if kind == "send" and not keys:
            keys = [DEFAULT_OUTPUT_KEY]
        keys += [key for name in WRITTEN if isinstance(found.get(name), dict) for key in found[name]]
        for key in keys:
            self.written.setdefault(key, at.path)

    # ---- edges and names

    def _edges(self) -> list[Any]:
        """The edges with the names that the nodes have here."""
        self._ends: list[tuple[str, str | None, str]] = []
        at = self.source.get("edges")
        if isinstance(at.value, list):
            self.notes.add("edges", at.path, f"{len(at.value)} edges")
        return [self._edge(edge.value) for edge in at.items()]

    def _edge(self, edge: Any) -> Any:
        if not isinstance(edge, list) or len(edge) != 2 or not all(isinstance(end, str) for end in edge):
            return edge
        source, target = edge
        name, colon, handle = (source, "", "") if source in self.names else source.partition(":")
        known, to = self.names.get(name, name), str(self.names.get(target, target))
        self._ends.append((name, handle if colon else None, to))
        return [f"{known}{colon}{handle}", to]

    def _named(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._named(inner) for inner in value]
        return self.names.get(value, value) if isinstance(value, str) else value

    def _words(self, at: Source) -> Any:
        """A value whose texts name what is managed in our words."""
        found = _said(at.value)
        if found != at.value:
            self.notes.add("meta", at.path, "managed values are read from `meta`")
        return found


def _said(value: Any) -> Any:
    if isinstance(value, str):
        return META.sub(_meta, value) if "__meta" in value else value
    if isinstance(value, list):
        return [_said(inner) for inner in value]
    if isinstance(value, dict):
        return {key: _said(inner) for key, inner in value.items()}
    return value


def _meta(found: re.Match[str]) -> str:
    key = found[1]
    return "meta" if key is None else f"meta.{META_KEYS.get(key, key)}"


def with_left(metadata: Any, left: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata with what had no other place."""
    kept = metadata if isinstance(metadata, dict) else {} if metadata is None else {"metadata": metadata}
    return {**kept, "imported": dict(left)}
