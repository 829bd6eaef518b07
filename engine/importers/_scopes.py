"""Definitions of AstraFlow inside each other: which container runs which, and how values come in and are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from engine.checks.problem import shown
from engine.importers._bindings import PARAMETERS, Binding
from engine.importers._draft import Draft
from engine.importers._listed import Listed, Step
from engine.importers._notes import Notes
from engine.importers._paths import Steps, constant, guarded
from engine.importers._source import Source
from engine.missing import MISSING
from engine.paths import lookup

CONTAINER, SETTINGS = "workflow.container", "__container"
DEFAULT_NAMESPACE = "default"
DEEPEST = 16
"""How deep values are handed into containers in containers: deeper than those may be nested."""


class Unbound(ValueError):
    """A binding that leads nowhere; the text says why."""


class Scope:
    """One definition: the root, or a localized subgraph. `own` are those inside it, by id."""

    def __init__(self, source: Source, notes: Notes, around: Scope | None = None) -> None:
        self.source, self.notes, self.around = source, notes, around
        self.draft = Draft(notes, source.path)
        self.listed = Listed(self.draft, notes, source.get("nodes"), source.get("edges"))
        self.keys = {step.id: self.draft.key(step.name) for step in self.listed.steps.values()}
        self.alias = ""
        """Its name among the subgraphs of the document around it."""
        self.provenance = Source(None)
        self.own: dict[str, Scope] = {}
        self._accepted: dict[tuple[str, ...], str] = {}
        self._read_subgraphs()

    def _read_subgraphs(self) -> None:
        at = self.source.get("subgraphs")
        if at.given() and not isinstance(at.value, list):
            self.notes.malformed(at.path, f"expected subgraphs in a list, got {at.described()}")
        names = Draft(self.notes)
        for item in at.items():
            id, definition = item.name("id"), item.get("definition")
            if id is None or not isinstance(definition.value, dict) or id in self.own:
                self.notes.malformed(item.path, "expected a subgraph with an id of its own and a definition")
                continue
            child = self.own[id] = Scope(definition, self.notes, self)
            child.alias, child.provenance = names.name(id), item.get("metadata")

    def subgraph(self, id: str) -> Scope | None:
        """The subgraph of that id, here or in the definitions around."""
        scope: Scope | None = self
        while scope is not None and id not in scope.own:
            scope = scope.around
        return None if scope is None else scope.own[id]

    # ---- containers

    def child(self, step: Step) -> Scope | None:
        """The definition that a container runs."""
        return self.subgraph(settings_of(step).text("subgraphId") or "")

    @cached_property
    def runners(self) -> dict[str, list[Step]]:
        """The containers, by the ids of the subgraphs that they run, and by their own."""
        found: dict[str, list[Step]] = {}
        for step in self.listed.steps.values():
            if is_container(step) and self.child(step) is not None:
                for id in {step.id, settings_of(step).text("subgraphId") or ""}:
                    found.setdefault(id, []).append(step)
        return found

    def container(self, alias: str, own: Step | None = None) -> Step:
        """The container that runs the subgraph of that id, or that has the id itself; of several the `own` one, or else
        the first. Raises Unbound."""
        if alias not in self.runners:
            raise Unbound(f"no container here runs a subgraph `{shown(alias)}`")
        found = self.runners[alias]
        return own if own is not None and own in found else found[0]

    def aliases(self, binding: Binding) -> tuple[str, ...]:
        """The aliases of a binding, without the namespace that they may begin with."""
        first = binding.aliases[:1]
        is_namespace = bool(first) and first[0] not in self.runners and first[0] == self.namespace
        return binding.aliases[1:] if is_namespace else binding.aliases

    @property
    def namespace(self) -> str:
        """The namespace of the whole document."""
        if self.around is not None:
            return self.around.namespace
        return self.source.get("metadata").text("namespace") or DEFAULT_NAMESPACE

    def way(self, binding: Binding, own: Step) -> tuple[list[Step], Scope, Step]:
        """The containers that a binding leads through, the definition that it ends in, and the node there; the last
        alias may be that node. Raises Unbound."""
        scope, chain, aliases = self, list[Step](), self.aliases(binding)
        for place, alias in enumerate(aliases):
            if place and place == len(aliases) - 1 and binding.node is None and alias in scope.listed.steps:
                return chain, scope, scope.listed.steps[alias]
            step = scope.container(alias, own if place == 0 else None)
            inner = scope.child(step)
            assert inner is not None
            chain.append(step)
            scope = inner
        if binding.node is None and chain:
            return chain[:-1], self.before(chain), chain[-1]
        node = own if binding.node is None else scope.listed.steps.get(binding.node)
        if node is None:
            raise Unbound(f"there is no node `{shown(binding.node or '')}`")
        return chain, scope, node

    def before(self, chain: Sequence[Step]) -> Scope:
        """The definition that the last of some containers stands in."""
        scope = self
        for step in chain[:-1]:
            inner = scope.child(step)
            assert inner is not None
            scope = inner
        return scope

    # ---- values

    def value(self, binding: Binding, own: Step) -> Any:
        """What a binding reads, for the `input` of a node or the `input_mapping` of a container. Raises Unbound."""
        chain, scope, node = self.way(binding, own)
        if binding.part == PARAMETERS:
            found = lookup(node.at.object("parameters"), binding.steps)
            if found is MISSING or (made := constant(found)) is None:
                raise Unbound("there is no such parameter" if found is MISSING else "the parameter is too long")
            return made
        return {"$expr": guarded("state", (*self.steps(chain), scope.keys[node.id], *binding.steps))}

    def steps(self, chain: Sequence[Step]) -> Steps:
        """Where the state of the last of some containers stands in that of this definition."""
        scope, found = self, list[str]()
        for step in chain:
            found.append(scope.keys[step.id])
            inner = scope.child(step)
            assert inner is not None
            scope = inner
        return tuple(found)

    def give(self, step: Step, name: str, value: Any, depth: int = 0) -> None:
        """Have a node get a value by a name; a container hands it to the first nodes of what it runs."""
        node = self.draft.nodes[step.name]
        if not is_container(step):
            node.setdefault("input", {})[name] = value
        elif (child := self.child(step)) is not None and depth < DEEPEST:
            mapping = node.setdefault("input_mapping", {})
            for first in child.firsts():
                key, inner = child.accept((first.id, name))
                mapping[key] = value
                if inner is not None:
                    child.give(first, name, inner, depth + 1)

    def hand(self, chain: Sequence[Step], node: Step, name: str, value: Any) -> None:
        """Have a node inside containers get a value by a name."""
        scope: Scope = self
        for place, step in enumerate(chain):
            child = scope.child(step)
            assert child is not None
            key, inner = child.accept((*(one.id for one in chain[place + 1 :]), node.id, name))
            scope.draft.nodes[step.name].setdefault("input_mapping", {})[key] = value
            if inner is None:
                return
            scope, value = child, inner
        scope.give(node, name, value)

    def accept(self, ids: tuple[str, ...]) -> tuple[str, Any]:
        """The state key by which something comes in for a node, and the first time also how it is read here."""
        if (known := self._accepted.get(ids)) is not None:
            return known, None
        key = self._accepted[ids] = self.draft.key("_".join(ids[-2:]))
        return key, {"$expr": guarded("state", (key,))}

    def firsts(self) -> list[Step]:
        """The nodes that no edge leads to."""
        return [step for step in self.listed.steps.values() if not self.listed.entering[step.id]]

    def lasts(self) -> list[Step]:
        """The nodes that no edge leaves."""
        return [step for step in self.listed.steps.values() if not self.listed.leaving[step.id]]

    def all(self) -> Iterator[Scope]:
        """This definition and those inside it."""
        yield self
        for child in self.own.values():
            yield from child.all()


def settings_of(step: Step) -> Source:
    """The settings of a container."""
    return step.at.get("parameters").get(SETTINGS)


def is_container(step: Step) -> bool:
    """Whether a node runs a graph."""
    return step.at.text("type") == CONTAINER or isinstance(settings_of(step).value, dict)
