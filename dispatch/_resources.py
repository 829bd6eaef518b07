"""Resources that one worker alone has, such as a browser session or a file: tasks that refer to one go to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from engine.values import dataclass
from engine.view import Request

NO_OWNERS: Mapping[str, str] = MappingProxyType({})
NAMES = ("resource_ref", "resourceRef")


@dataclass(frozen=True, slots=True)
class Resource:
    """What a task refers to, and the worker that has it where the reference says so."""

    id: str
    worker: str | None = None

    def owner(self, owners: Mapping[str, str]) -> str | None:
        """The worker that has it; `owners` are the workers by the ids of what they say that they have."""
        return self.worker or owners.get(self.id)


def resource_of(request: Request) -> Resource | None:
    """What the parameters of a task, or its input, refer to: `resource_ref`, an id or `{resource_id, worker_id}`."""
    for holder in (request.parameters, request.input):
        if isinstance(holder, dict):
            for name in NAMES:
                if name in holder and (found := _referred(holder[name])) is not None:
                    return found
    return None


def _referred(given: Any) -> Resource | None:
    if isinstance(given, str) and given:
        return Resource(given)
    if not isinstance(given, dict):
        return None
    resource, worker = (_first(given, names) for names in (("resource_id", "resourceId"), ("worker_id", "workerId")))
    return None if resource is None else Resource(resource, worker)


def _first(given: Mapping[str, Any], names: Iterable[str]) -> str | None:
    return next((given[name] for name in names if isinstance(given.get(name), str) and given[name]), None)


def resource_ids(reported: Any) -> tuple[str, ...]:
    """The ids of what a worker says that it has: a list of ids or of objects with one, or an object by ids."""
    if isinstance(reported, dict):
        listed = reported.get("items")
        return resource_ids(listed) if isinstance(listed, list) else ()
    if not isinstance(reported, list):
        return ()
    found = (
        one if isinstance(one, str) else _first(one, ("resource_id", "resourceId", "id"))
        for one in reported
        if isinstance(one, str | dict)
    )
    return tuple(name for name in found if name)
