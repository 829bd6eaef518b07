"""A document as far as it can be read: what is of the wrong form is left out, and a problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import ModuleType
from typing import Any

from engine.graph import Edge
from engine.missing import MISSING
from engine.schema import Schema
from engine.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftNode:
    """A node of a document: the fields that are of the right form, its own and the defaults of its type.

    `path` is its JSON Pointer, `origins` those of what its fields come from. `module` is None for an unknown type,
    and `whole` false where a field had to be left out.
    """

    name: str
    path: str
    type: str
    module: ModuleType | None
    fields: Mapping[str, Any]
    origins: Mapping[str, str]
    whole: bool = True

    def at(self, below: str) -> str:
        """The JSON Pointer of something in the node, given the one below the node."""
        name = below[1:].partition("/")[0].replace("~1", "/").replace("~0", "~")
        return self.origins.get(name, self.path) + below if name in self.fields else self.path

    def ask(self, question: str) -> list[Any]:
        """What the module of its type answers about its fields, where it can be asked (`engine.nodes`)."""
        function = getattr(self.module, question, None)
        return [] if function is None else list(function(self.fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of `state_schema`; `schema` is None and `types` too where it is not valid or does not say."""

    name: str
    path: str
    source: Mapping[str, Any]
    reducer: str | None
    schema: Schema | None
    types: frozenset[str] | None
    default: Any = MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What could be read: `wrong` are edges that cannot be kept, `called` nodes that others run as calls, `gotos`
    those that a node's answers may name."""

    top: Mapping[str, Any]
    state: Mapping[str, Entry]
    nodes: Mapping[str, DraftNode]
    edges: tuple[Edge, ...]
    wrong: tuple[Edge, ...] = ()
    called: frozenset[str] = frozenset()
    gotos: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
