"""A Clew document in the making: names that the language allows, nodes, edges with both ends, state keys."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Mapping
from typing import Any

from engine.checks.nodes import NAME
from engine.checks.problem import shown
from engine.importers._notes import CYCLE, Notes
from engine.importers._paths import RESERVED
from engine.model import END, START

NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_]+")
LONGEST = 120

Top = dict[str, Any]


class Draft:
    """Nodes, edges and state keys, in the order in which they are added. Notes of it need the construct `name`."""

    def __init__(self, notes: Notes, path: str = "") -> None:
        self.notes, self.path = notes, path
        self.nodes: dict[str, dict[str, Any]] = {}
        self.edges: list[Any] = []
        self.state: dict[str, Any] = {}
        self.subgraphs: dict[str, Any] = {}
        self._names: set[str] = {START, END}
        self._joined: set[tuple[str, str | None, str]] = set()
        self._left: dict[str, set[str | None]] = {}
        self._into = Counter[str]()
        self._numbers = Counter[str]()

    # ---- names

    def name(self, wanted: str, path: str | None = None) -> str:
        """A free name for a node, as near to the wanted one as the language allows; with a note where that is another
        one and `path` says where it comes from."""
        clean = NOT_IN_NAMES.sub("-", wanted).strip("-.")[:LONGEST]
        if NAME.fullmatch(clean) is None:
            clean = f"n-{clean}" if clean else "node"
        found = self._free(clean, self._names, "-")
        if NAME.fullmatch(found) is None:  # a UUID with a number behind it
            found = self._free(f"n-{clean}", self._names, "-")
        self._names.add(found)
        if path is not None and found != wanted:
            self.notes.add("name", path, f"`{shown(wanted)}` is called `{shown(found)}`")
        return found

    def key(self, wanted: str, schema: Mapping[str, Any] | None = None) -> str:
        """A new state key, with this schema."""
        clean = NOT_IN_KEYS.sub("_", wanted)[:LONGEST]
        if not clean or not (clean[0].isalpha() or clean[0] == "_") or clean in RESERVED:
            clean = f"n_{clean}" if clean else "value"
        found = self._free(clean, self.state.keys(), "_")
        self.state[found] = dict(schema or {})
        return found

    def _free(self, wanted: str, taken: Container[str], sign: str) -> str:
        """The name, with a number behind it where it is taken."""
        found = wanted
        while found in taken:
            self._numbers[wanted] += 1
            found = f"{wanted}{sign}{self._numbers[wanted] + 1}"
        return found

    # ---- nodes and edges

    def add(self, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A node; fields that are None are left out."""
        self.nodes[name] = {field: value for field, value in fields.items() if value is not None}
        return self.nodes[name]

    def connect(self, source: str, target: str, handle: str | None = None, **kept: Any) -> None:
        """An edge, once; what is `kept` with it goes into the long form: `target_port` and `metadata`."""
        if (source, handle, target) in self._joined:
            return
        self._joined.add((source, handle, target))
        self._left.setdefault(source, set()).add(handle)
        self._into[target] += 1
        kept = {name: value for name, value in kept.items() if value not in (None, {}, "")}
        if not kept:
            self.edges.append([source if handle is None else f"{source}:{handle}", target])
            return
        port, metadata = kept.get("target_port"), kept.get("metadata")
        self.edges.append(
            {
                "source": {"node": source, **({"port": handle} if handle else {})},
                "target": {"node": target, **({"port": port} if port else {})},
                **({"metadata": metadata} if metadata else {}),
            }
        )

    def close(self) -> None:
        """Lead an edge from the start to every node that none leads to, and to the first of a cycle that nothing else
        leads into; and one to the end from every node that ends a way."""
        called = {target for node in self.nodes.values() for target in targets_of(node)}
        inner, self.edges = self.edges, []
        for name in self._begun(called) or [END]:
            self.connect(START, name)
        self.edges += inner
        for name, node in self.nodes.items():
            if node.get("type") != "route" and None not in self._left.get(name, ()) and name not in called:
                self.connect(name, END)

    def _begun(self, called: set[str]) -> list[str]:
        after = defaultdict[str, list[str]](list)
        for source, _, target in self._joined:
            after[source].append(target)
        begun = [name for name in self.nodes if not self._into[name] and name not in called]
        reached = set(called)
        for name in [*begun, *self.nodes]:
            if name in reached:
                continue
            if self._into[name]:
                self.notes.common(CYCLE, self.path, f"`{name}` is where a cycle begins")
                begun.append(name)
            todo = [name]
            while todo:
                if (one := todo.pop()) not in reached:
                    reached.add(one)
                    todo += [*after[one], *targets_of(self.nodes.get(one, {}))]
        return begun

    def document(self, top: Mapping[str, Any]) -> Top:
        """The document, with the fields of its top level that are not None first."""
        parts = {"state_schema": self.state, "nodes": self.nodes, "edges": self.edges, "subgraphs": self.subgraphs}
        found = {name: value for name, value in top.items() if value is not None and value not in ({}, [])}
        return {**found, **{name: value for name, value in parts.items() if value or name in ("nodes", "edges")}}


def targets_of(node: Mapping[str, Any]) -> list[str]:
    """The nodes that a node runs as calls."""
    several, one = node.get("targets"), node.get("target_node")
    return [name for name in [*(several if isinstance(several, list) else ()), one] if isinstance(name, str)]
