"""Finds reducers, node types and importers by name: public modules of our packages, and what other packages offer."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType, ModuleType
from typing import Any, Protocol

from engine.missing import MISSING
from engine.values import dataclass
from reducers._effect import Effect, Path

REDUCERS = ("reducers", "clew.reducers")
NODES = ("engine.nodes", "clew.nodes")
IMPORTERS = ("engine.importers", "clew.importers")


class Fold(Protocol):
    """A value of its own that takes one update after the other; `value` is as it is now, and changes with the next."""

    @property
    def value(self) -> Any: ...

    def add(self, update: Any) -> None:
        """Raises UpdateError, and changes nothing, for what the reducer refuses."""

    def extend(self, updates: Sequence[Any], start: int) -> int:
        """Take updates from `start` on, as long as they are such as most are; the place of the first that is not. It is
        the same as `add` for each of them, in less time; updates with `__overwrite` are not for a reducer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reducer:
    """A reducer as its module describes it.

    `reduce(current, update)` gets None for an absent value, changes neither of them, and raises an UpdateError for what
    does not fit. `empty` is MISSING where a key is absent until written, `types` are the JSON Schema types that fit
    (None: any), `collects` says that it adds items to a list, `replaces` that nothing is left of the value before, and
    `normalise(update, origin)` is applied once, when the update is committed. `fold(current)` is a Fold, where many
    updates are taken faster than one by one. `effect(current, update, path)` says
    what an update does to a place inside the value, `stable(value, path)` names a place by what does not move, and
    `located(value, path)` says where a place with such a name is.
    """

    name: str
    reduce: Callable[[Any, Any], Any]
    empty: Any = MISSING
    types: frozenset[str] | None = None
    collects: bool = False
    replaces: bool = False
    fold: Callable[[Any], Fold] | None = None
    normalise: Callable[[Any, str], Any] | None = None
    effect: Callable[[Any, Any, Path], Effect] | None = None
    stable: Callable[[Any, Path], Path] | None = None
    located: Callable[[Any, Path], Path] | None = None


@cache
def reducer(name: str) -> Reducer:
    """The reducer of that name. Raises KeyError where there is none."""
    module = _found(*REDUCERS)[name]()
    return Reducer(
        name=name,
        reduce=module.reduce,
        empty=getattr(module, "EMPTY", MISSING),
        types=getattr(module, "TYPES", None),
        collects=getattr(module, "COLLECTS", False),
        replaces=getattr(module, "REPLACES", False),
        fold=getattr(module, "Fold", None),
        normalise=getattr(module, "normalise", None),
        effect=getattr(module, "effect", None),
        stable=getattr(module, "stable", None),
        located=getattr(module, "located", None),
    )


def reducer_names() -> tuple[str, ...]:
    """The names of all reducers, sorted."""
    return tuple(sorted(_found(*REDUCERS)))


@cache
def node_types() -> Mapping[str, ModuleType]:
    """The modules of all node types by name, sorted; `engine.nodes` says what is in them."""
    loaders = _found(*NODES)
    return MappingProxyType({name: loaders[name]() for name in sorted(loaders)})


@cache
def importers() -> Mapping[str, ModuleType]:
    """The modules of all foreign formats by name, sorted; `engine.importers` says what is in them."""
    loaders = _found(*IMPORTERS)
    return MappingProxyType({name: loaders[name]() for name in sorted(loaders)})


@cache
def _found(package: str, group: str) -> Mapping[str, Callable[[], Any]]:
    """By name, what loads it. A name of ours is never taken over by another package."""
    offered: dict[str, Callable[[], Any]] = {point.name: point.load for point in entry_points(group=group)}
    paths = importlib.import_module(package).__path__
    for module in pkgutil.iter_modules(paths):
        if not module.name.startswith("_"):
            offered[module.name] = _importer(f"{package}.{module.name}")
    return MappingProxyType(offered)


def _importer(name: str) -> Callable[[], ModuleType]:
    return lambda: importlib.import_module(name)
