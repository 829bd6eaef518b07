"""Where everything durable lives: one public module for each store, chosen by the scheme of a database's address."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from engine.errors import Invalid
from engine.ports import Store

StoreType = Callable[..., Store]
"""A class that takes an address, and `artifacts`: where large ones are to be, or None. It has two constants: `scheme`,
that of its addresses, and `keeps`, whether a new object at the same address finds again what was written."""


def stores() -> dict[str, StoreType]:
    """All stores, by the scheme of their addresses."""
    names = sorted(found.name for found in iter_modules(__path__) if not found.name.startswith("_"))
    modules = [import_module(f"{__name__}.{name}") for name in names]
    kinds: list[Any] = [
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
    ]
    return {kind.scheme: kind for kind in kinds if hasattr(kind, "scheme")}


def store_at(address: str, artifacts: str | None = None) -> Store:
    """The store of an address: `sqlite:///clew.db`, `memory://`, or the path of a SQLite file. Large artifacts are
    where `artifacts` says, `s3://bucket/prefix`, or with the rest. Raises Invalid."""
    scheme = address.partition("://")[0] if "://" in address else "sqlite"
    known = stores()
    if scheme not in known:
        schemes = ", ".join(f"{name}://" for name in known)
        raise Invalid(f"no store has addresses like '{address}'; known are {schemes}", "store.address", address=address)
    return known[scheme](address, artifacts=artifacts)
