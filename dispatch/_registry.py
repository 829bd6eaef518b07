"""Finds the protocols: the public modules of this package, by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import dispatch
from dispatch._fault import Fault
from dispatch._http import Http
from dispatch._transport import Tools, Transport
from engine.ports import WorkerRow


@cache
def protocols() -> tuple[str, ...]:
    """The protocols that there are, sorted."""
    return tuple(sorted(module.name for module in iter_modules(dispatch.__path__) if not module.name.startswith("_")))


def open_transports(tools: Tools, *, in_process: bool = True) -> dict[str, Transport]:
    """A transport for every protocol; without `in_process`, for those that run no code of others in this process."""
    return {name: _module(name).open_transport(tools) for name in protocols() if in_process or not runs_code(name)}


def runs_code(protocol: str) -> bool:
    """Whether workers of a protocol are code that runs in this process."""
    return getattr(_module(protocol), "IN_PROCESS", False)


def faults_of(worker: WorkerRow) -> list[Fault]:
    """All that keeps a worker from being asked as it says, by the rules of its protocol; nothing is looked up."""
    module = _module(worker.protocol)
    check: Callable[[WorkerRow], Iterable[Fault]] = getattr(module, "check", lambda worker: ())
    why = None
    if worker.url is not None:
        why = module.check_address(worker.url)
    elif getattr(module, "ADDRESSED", True):
        why = f"a worker that is reached by {worker.protocol} needs an address in `url`"
    return [*([] if why is None else [Fault("url", why)]), *check(worker)]


async def introduced(
    http: Http, clock: Callable[[], int], worker: WorkerRow, before: WorkerRow | None = None
) -> WorkerRow:
    """A worker as its protocol gets to know it; `before` is how it was known. Most protocols ask nobody."""
    introduce = getattr(_module(worker.protocol), "introduce", None)
    return worker if introduce is None else await introduce(http, clock, worker, before)


def needs_introduction(worker: WorkerRow, *, again: bool) -> bool:
    """Whether a worker is to be got to know still; with `again`, also one that is known."""
    wants = getattr(_module(worker.protocol), "needs_introduction", None)
    return wants is not None and (again or wants(worker))


def _module(protocol: str) -> ModuleType:
    return import_module(f"dispatch.{protocol}")
