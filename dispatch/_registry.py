"""Finds the protocols: the public modules of this package, by their names."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import dispatch
from dispatch._transport import Tools, Transport


@cache
def protocols() -> tuple[str, ...]:
    """The protocols that there are, sorted."""
    return tuple(sorted(module.name for module in iter_modules(dispatch.__path__) if not module.name.startswith("_")))


def open_transports(tools: Tools) -> dict[str, Transport]:
    """A transport for every protocol."""
    return {name: import_module(f"dispatch.{name}").open_transport(tools) for name in protocols()}
