"""Graphs as lists of nodes with ids and of edges between them, as most systems write them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from engine.checks.problem import shown
from engine.importers._draft import Draft
from engine.importers._notes import Notes
from engine.importers._source import Source
from engine.values import dataclass

FROM, TO = ("source", "from", "sourceRef", "sourceNode"), ("target", "to", "targetRef", "targetNode")
OUT, IN = ("sourceHandle", "sourcePort", "sourceOutput"), ("targetHandle", "targetPort", "targetInput")


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A node of the source: its id there, its name here, and where it stands."""

    id: str
    name: str
    at: Source


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """An edge of the source, with the ports at both ends."""

    source: Step
    target: Step
    out: str | None
    into: str | None
    at: Source


class Listed:
    """The nodes and edges that could be read; notes say what could not."""

    def __init__(
        self, draft: Draft, notes: Notes, nodes: Source, edges: Source, ids: Sequence[str] = ("id", "ref", "key")
    ) -> None:
        self.draft, self.notes = draft, notes
        self.steps = self._steps(nodes, ids)
        self.links: list[Link] = []
        self.leaving: defaultdict[str, list[Link]] = defaultdict(list)
        self.entering: defaultdict[str, list[Link]] = defaultdict(list)
        self._edges(edges)

    def _steps(self, at: Source, ids: Sequence[str]) -> dict[str, Step]:
        found: dict[str, Step] = {}
        if not isinstance(at.value, list | dict):
            self.notes.malformed(at.path, f"expected nodes in a list, got {at.described()}")
        for wanted, inner in _identified(at, ids):
            if not isinstance(inner.value, dict) or not wanted:
                self.notes.malformed(inner.path, f"expected a node with an id, got {inner.described()}")
            elif wanted in found:
                self.notes.malformed(inner.path, f"there is a node `{shown(wanted)}` already")
            else:
                found[wanted] = Step(wanted, self.draft.name(wanted, inner.path), inner)
        return found

    def _edges(self, at: Source) -> None:
        if at.given() and not isinstance(at.value, list):
            self.notes.malformed(at.path, f"expected edges in a list, got {at.described()}")
        for inner in at.items():
            source, target = _end(inner, FROM, OUT), _end(inner, TO, IN)
            if source is None or target is None:
                self.notes.malformed(inner.path, f"expected an edge with two ends, got {inner.described()}")
                continue
            self.link(source[0], target[0], inner, source[1], target[1])

    def link(self, source: str, target: str, at: Source, out: str | None = None, into: str | None = None) -> None:
        """An edge between two ids; one that leads from or to no node is noted."""
        if unknown := [name for name in (source, target) if name not in self.steps]:
            self.notes.malformed(at.path, f"there is no node `{shown(unknown[0])}`")
            return
        found = Link(self.steps[source], self.steps[target], out, into, at)
        self.links.append(found)
        self.leaving[source].append(found)
        self.entering[target].append(found)

    def named(self, at: Source) -> list[Step]:
        """The nodes that a value names; names of none are noted."""
        found = []
        for name in dict.fromkeys(at.names()):
            if name in self.steps:
                found.append(self.steps[name])
            else:
                self.notes.malformed(at.path, f"there is no node `{shown(name)}`")
        return found

    @cached_property
    def begins(self) -> set[str]:
        """The ids of the nodes that a run begins with: those that no edge leads to, and the first of each cycle that
        nothing else leads into."""
        found = {step for step in self.steps if not self.entering[step]}
        reached = self.reached([self.steps[step] for step in found])
        for step in self.steps:
            if step not in reached:
                found.add(step)
                reached |= self.reached([self.steps[step]])
        return found

    @cached_property
    def cyclic(self) -> bool:
        """Whether edges lead back to where they come from."""
        waiting = {step: len(self.entering[step]) for step in self.steps}
        todo = [step for step, count in waiting.items() if not count]
        while todo:
            for link in self.leaving[todo.pop()]:
                waiting[link.target.id] -= 1
                if not waiting[link.target.id]:
                    todo.append(link.target.id)
        return any(waiting.values())

    def reached(self, begin: Sequence[Step]) -> set[str]:
        """The ids that edges lead to from some nodes, those included."""
        found, todo = set[str](), [step.id for step in begin]
        while todo:
            if (step := todo.pop()) not in found:
                found.add(step)
                todo += [link.target.id for link in self.leaving[step]]
        return found


def _identified(at: Source, ids: Sequence[str]) -> Iterator[tuple[str, Source]]:
    if isinstance(at.value, dict):
        yield from at.entries()
    for inner in at.items():
        yield inner.name(*ids) or "", inner


def _end(edge: Source, names: Sequence[str], ports: Sequence[str]) -> tuple[str, str | None] | None:
    """The id of a node, and its port."""
    found = edge.get(*names)
    if isinstance(found.value, dict):
        name, port = found.name("node", "id", "nodeId"), found.name("port", "handle")
    else:
        name, port = edge.name(*names), edge.name(*ports)
    return None if name is None else (name, port)


def metadata_of(at: Source, read: Sequence[str], original: str | None = None) -> dict[str, Any] | None:
    """The metadata of a node: its own as it is, and under `imported` the fields that were not `read`."""
    own = at.get("metadata")
    left = at.without(*read, "metadata")
    if original is not None:
        left = {"id": original, **left}
    if own.given() and not isinstance(own.value, dict):
        left["metadata"] = own.value
    kept = {**at.object("metadata"), **({"imported": left} if left else {})}
    return kept or None


def described_top(at: Source, fallback: str) -> dict[str, Any]:
    """The id, name, description and tags of a document, and its version as the author counts."""
    tags = at.get("tags").names() if isinstance(at.get("tags").value, list) else []
    return {
        "id": workflow_id(at.name("id", "workflowId") or at.name("name", "title") or fallback),
        "name": at.text("name", "title"),
        "description": at.text("description"),
        "tags": list(dict.fromkeys(tags)),
    }


def workflow_id(wanted: str) -> str:
    """An id that a URL can hold."""
    clean = "".join(c if c.isalnum() or c in "_.~-:" else "-" for c in wanted).strip("-")[:200]
    return clean or "imported"
