"""The nodes of a document: names, types, and the fields of each type, with the defaults of the type under them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from engine.checks.draft import DraftNode
from engine.checks.problem import Findings, listed, shown
from engine.checks.reading import DEFAULT_TYPE
from engine.checks.values import check_value, sound_part
from engine.missing import MISSING
from engine.model import END, START
from engine.nodes._common import Field, pointer
from engine.nodes._fields import NODE_FIELDS
from engine.plugins import node_types
from reducers._errors import described

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""A name, or a UUID (RFC 9562), which may begin with a digit."""
Checked = tuple[dict[str, Any], bool]
"""The fields that are of the right form, and whether that is all of them."""


def read_nodes(top: Mapping[str, Any], findings: Findings) -> dict[str, DraftNode]:
    """The nodes by name, each as far as it can be read."""
    defaults = {kind: _defaults(kind, fields, findings) for kind, fields in top.get("defaults", {}).items()}
    return {
        name: _node(name, source, defaults, findings)
        for name, source in top.get("nodes", {}).items()
        if _check_name(name, findings)
    }


def _check_name(name: str, findings: Findings) -> bool:
    """Adds `node.name`; False only for the names that mean the start and the end."""
    if not NAME.fullmatch(name):
        findings.error(
            "node.name",
            f"/nodes/{pointer(name)}",
            f"`{shown(name)}` is not a name for a node",
            node=name,
            hint="begin with a letter, go on with letters, digits, `_`, `.` and `-`; or take a UUID",
        )
    return name not in (START, END)


def _node(name: str, source: Any, defaults: Mapping[str, Checked], findings: Findings) -> DraftNode:
    path = f"/nodes/{pointer(name)}"
    if not isinstance(source, dict):
        findings.error("document.type", path, f"expected a node in an object, got {described(source)}", node=name)
        return DraftNode(name=name, path=path, type="", module=None, fields={}, origins={}, whole=False)
    kind = source.get("type", DEFAULT_TYPE)
    module = _module(kind, f"{path}/type", findings, name)
    kind = kind if isinstance(kind, str) else ""
    under, complete = defaults.get(kind, ({}, True))
    own, good = _fields(source, Kind(kind, module), path, findings, name)
    node = DraftNode(
        name=name,
        path=path,
        type=kind,
        module=module,
        fields={**under, **own},
        origins={**dict.fromkeys(under, f"/defaults/{pointer(kind)}"), **dict.fromkeys(own, path)},
        whole=good and complete and module is not None,
    )
    _check_together(node, source, findings)
    return node


def _defaults(kind: str, source: Any, findings: Findings) -> Checked:
    path = f"/defaults/{pointer(kind)}"
    module = _module(kind, path, findings)
    if not isinstance(source, dict):
        findings.error("document.type", path, f"expected node fields in an object, got {described(source)}")
        return {}, False
    if "type" in source:
        findings.error("document.field", f"{path}/type", "defaults are by type, they cannot change it")
    fields = {name: value for name, value in source.items() if name != "type"}
    return _fields(fields, Kind(kind, module), path, findings)


def _module(kind: Any, path: str, findings: Findings, node: str | None = None) -> ModuleType | None:
    if not isinstance(kind, str):
        return None  # the field says so
    if (module := node_types().get(kind)) is not None:
        return module
    message = f"unknown node type `{shown(kind)}`; known: {listed(node_types())}"
    findings.error("node.type", path, message, node=node, hint=findings.guess(kind, node_types()))
    return None


class Kind:
    """What a field of a node of some type can be: known, or not."""

    def __init__(self, name: str, module: ModuleType | None) -> None:
        self.name = name
        self.known = module is not None
        self.fields: Mapping[str, Field] = {**NODE_FIELDS, **getattr(module, "FIELDS", {})}


def _fields(source: Mapping[str, Any], kind: Kind, path: str, findings: Findings, node: str | None = None) -> Checked:
    found, complete = {}, True
    for name, value in source.items():
        place = f"{path}/{pointer(name)}"
        if name in kind.fields and check_value(value, kind.fields[name].schema, place, findings, node):
            found[name] = value
            continue
        complete = False
        if name in kind.fields:
            if (rest := sound_part(value, kind.fields[name].schema)) is not MISSING:
                found[name] = rest
        elif kind.known:
            message = f"unknown field `{shown(name)}` of a node of type `{kind.name}`"
            findings.error("document.field", place, message, node=node, hint=findings.nearest(name, kind.fields))
    return found, complete


def _check_together(node: DraftNode, source: Mapping[str, Any], findings: Findings) -> None:
    """Fields that are missing, and fields that do not go together."""
    fields: Mapping[str, Field] = getattr(node.module, "FIELDS", {})
    for name, field in fields.items():
        if field.required and name not in source and name not in node.fields:
            message = f"the field `{name}` is missing: {field.about}"
            findings.error("document.field", node.path, message, node=node.name)
    if node.whole:
        for flaw in node.ask("flaws"):
            findings.error(flaw.code, node.at(flaw.path), flaw.message, node=node.name)
