"""What this version knows: node types with their fields, reducers, protocols, limits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from api.render import workflow_json as row_json
from api.wiring import Wired, clock
from dispatch._registry import protocols
from engine.foreign import formats
from engine.nodes._common import Field
from engine.nodes._fields import NODE_FIELDS
from engine.plugins import node_types, reducer_names
from engine.ports import WorkflowRow
from engine.times import rfc3339

LIMITS = (
    "max_body", "max_import", "max_inline_bytes", "max_artifact_bytes", "max_depth", "max_nodes", "max_runs",
    "max_in_flight",
)  # fmt: skip


def server_json(server: Wired) -> dict[str, Any]:
    """What a server is, and what it allows."""
    settings = server.settings
    return {
        "name": "clew",
        "version": version("clew-engine"),
        "started_at": rfc3339(server.started_at),
        "uptime_s": (clock() - server.started_at) / 1000,
        "database": settings.db.partition(":")[0] if "://" in settings.db else "sqlite",
        "public_url": server.base_url,
        "auth": settings.token is not None,
        "protocols": list(protocols()),
        "node_types": list(node_types()),
        "import_formats": list(formats()),
        "reducers": list(reducer_names()),
        "workflows": _folder_json(server),
        "limits": {name: getattr(settings, name) for name in LIMITS},
    }


def _folder_json(server: Wired) -> dict[str, Any] | None:
    """The folder of workflow files, and what is wrong in it; None where there is no folder."""
    found = server.definitions
    if found is None:
        return None
    return {"folder": str(found.folder), "faults": [fault.as_json() for fault in found.faults]}


def workflow_json(server: Wired, row: WorkflowRow) -> dict[str, Any]:
    """A version of a workflow, with the file that it comes from and what is wrong with that file now."""
    found = server.definitions
    fault = None if found is None else found.fault_of(row.id)
    file = None if found is None else found.owned.get(row.id)
    return {**row_json(row), "file": file, "fault": None if fault is None else fault.as_json()}


@cache
def node_types_json() -> list[dict[str, Any]]:
    """Each node type with the JSON Schema of its fields."""
    return [
        {"type": name, "description": _first_line(module.__doc__), "schema": _schema(name, module.FIELDS)}
        for name, module in sorted(node_types().items())
    ]


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _schema(name: str, own: Mapping[str, Field]) -> dict[str, Any]:
    fields = {**NODE_FIELDS, **own}
    shapes = {field: {**found.schema, "description": found.about} for field, found in fields.items()}
    return {
        "type": "object",
        "properties": {**shapes, "type": {"const": name}},
        "required": [field for field, found in fields.items() if found.required],
        "additionalProperties": False,
    }
