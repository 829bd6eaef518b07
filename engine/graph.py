"""A parsed workflow version: nodes, edges and state keys, as frozen values; versions never change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from engine.model import START
from engine.plugins import Reducer
from engine.retry import RetryPolicy
from engine.schema import Schema
from engine.values import dataclass

if TYPE_CHECKING:
    from engine.cache import CacheRule
    from engine.topology import Topology

ERROR_HANDLE = "error"
EXPIRED_HANDLE = "expired"
LIMIT_HANDLE = "limit"
BROKEN = "broken"
"""Stands for the handle of a failure that ends the frame around a task, and leads nowhere in it."""
DEFAULT_TIMEOUT_MS = 15 * 60 * 1000
DEFAULT_MAX_STEPS = 1000
DEFAULT_MAX_TASKS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An edge as authored; `index` is its place in the document, `handle` what follows the colon of its source."""

    index: int
    source: str
    target: str
    handle: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A named step: the fields that every type has, and `spec`, what its type's module made of the others."""

    name: str
    type: str
    position: int
    spec: Any
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    wait_timeout_ms: int | None = None
    on_error: str = "fail"
    parameters: Any = None
    join: str = "all"
    quorum: int | None = None
    """How many edges a join of that name needs something from."""
    defer: bool = False
    cache: CacheRule | None = None
    goto: tuple[str, ...] | None = None
    """The nodes that answers may name, None where they may name any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateKey:
    """One entry of `state_schema`, compiled.

    `check` says what is wrong with a value after reducing (None: nothing); it is given the value and the update that
    led to it, so that a long list is not read again for each element that is appended.
    """

    name: str
    reducer: Reducer
    schema: Mapping[str, Any]
    compiled: Schema
    ephemeral: bool
    default: Any
    check: Callable[[Any, Any], str | None]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """One version of a workflow, parsed and ready to run. `document` is the stored form."""

    workflow_id: str
    version: int
    document: Mapping[str, Any]
    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    state: Mapping[str, StateKey]
    input_schema: Schema | None = None
    input_keys: frozenset[str] = frozenset()
    output: Any = None
    config: Mapping[str, Any] = field(default_factory=dict)
    interrupt_before: tuple[str, ...] = ()
    interrupt_after: tuple[str, ...] = ()

    @cached_property
    def apart(self) -> frozenset[str]:
        """The nodes that each arrival activates by itself."""
        return frozenset(node.name for node in self.nodes.values() if node.join == "each")

    @cached_property
    def needed(self) -> Mapping[str, int]:
        """How many edges the nodes need something from that do not wait for all that can come."""
        most = {"any": 1, "first": 1}
        found = {node.name: most.get(node.join, node.quorum) for node in self.nodes.values()}
        return {name: count for name, count in found.items() if count is not None}

    def in_vain_after(self, node: str) -> frozenset[str]:
        """The nodes whose work leads nowhere but to a node that takes no more; empty for one that is no `first`."""
        return self._leads_only_to.get(node, frozenset())

    @cached_property
    def _leads_only_to(self) -> Mapping[str, frozenset[str]]:
        """By `first`: the nodes from which forward paths lead to the end, all of them through it."""
        names = [name for name, node in self.nodes.items() if node.join == "first"]
        led = frozenset(self.topology.to_the_end())
        return {name: led - self.topology.to_the_end(without=name) - {name} for name in names}

    @cached_property
    def deferred(self) -> frozenset[str]:
        """The nodes that run when nothing else is active, but for those that a send runs."""
        called = {name for node in self.nodes.values() for name in getattr(node.spec, "targets", ())}
        return frozenset(node.name for node in self.nodes.values() if node.defer) - called

    @cached_property
    def at_the_end(self) -> tuple[str, ...]:
        """The deferred nodes that no edge leads to: they run once in any case."""
        led_to = {edge.target for edge in self.edges}
        return tuple(name for name in self.nodes if name in self.deferred and name not in led_to)

    @cached_property
    def depths(self) -> Mapping[str, int]:
        """Per node the longest path of forward edges from the start; 0 where none leads."""
        shape = self.topology
        found = dict.fromkeys(shape.names, -1) | {START: 0}
        for source, target in sorted(shape.forward(), key=lambda ends: shape.walk.place[ends[0]]):
            if found[shape.names[source]] >= 0:
                name = shape.names[target]
                found[name] = max(found[name], found[shape.names[source]] + 1)
        return {name: max(depth, 0) for name, depth in found.items()}

    @cached_property
    def topology(self) -> Topology:
        """Loops, levels and reach; computed once per version."""
        from engine.topology import Topology

        return Topology(self)


def deep_merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, objects key by key: how a run's config joins its workflow's."""
    merged = dict(base)
    for key, value in over.items():
        current = merged.get(key)
        merged[key] = deep_merge(current, value) if isinstance(current, dict) and isinstance(value, dict) else value
    return merged
