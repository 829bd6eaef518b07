"""What is wrong with a worker that is to be registered, field by field, before anything is sent to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.ports import WorkerRow


class Fault(NamedTuple):
    """A field that has a value by which the worker could not be asked; `field` is a path, such as `metadata/group`."""

    field: str
    why: str


def said(worker: WorkerRow, name: str, default: Any = None) -> Any:
    """What a worker's metadata says of something; `default` where it says nothing."""
    return worker.metadata.get(name, default) if isinstance(worker.metadata, Mapping) else default


def bool_fault(worker: WorkerRow, name: str) -> list[Fault]:
    """The fault of a value of the metadata that is to be true or false, if it is there."""
    if isinstance(said(worker, name, True), bool):
        return []
    return [Fault(f"metadata/{name}", f"metadata.{name} must be true or false")]
