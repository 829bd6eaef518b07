"""Copies of the workflows that a document runs: kept in it, so that a version says all that it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from engine.codec import CodecError, dumps
from engine.nodes.subgraph import pin_of
from engine.parse import stored_form
from engine.ports import WorkflowRow

Find = Callable[[str, int | None], Awaitable[WorkflowRow | None]]
"""A version of a workflow, or its newest."""


async def pinned(document: Any, find: Find) -> Any:
    """The document with a copy, as `id@version` among its `subgraphs`, of every workflow that it runs and that is not
    there yet. What cannot be found is left out; whoever checks the document says so."""
    if not isinstance(document, dict) or not isinstance(document.get("subgraphs", {}), dict):
        return document
    copies = dict(document.get("subgraphs", {}))
    for workflow in _runs(document):
        if pin_of(workflow, copies) in copies:
            continue
        row = await find(*_named(workflow))
        if row is not None and row.status != "archived":
            copies[f"{row.id}@{row.version}"] = row.document
    return {**document, "subgraphs": copies} if copies else document


def _named(workflow: Any) -> tuple[str, int | None]:
    if isinstance(workflow, dict):
        version = workflow.get("version")
        return workflow["id"], None if version is None else int(version)
    return workflow, None


def _runs(document: Mapping[str, Any], depth: int = 0) -> Iterator[Any]:
    """The workflows that the nodes of a document run, and those of the graphs in it that are no copies themselves."""
    nodes, own = document.get("nodes"), document.get("subgraphs")
    for node in nodes.values() if isinstance(nodes, dict) else ():
        if not isinstance(node, dict) or node.get("type") != "subgraph":
            continue
        workflow, inner = node.get("workflow"), node.get("definition")
        if isinstance(workflow, str) or (isinstance(workflow, dict) and _is_named(workflow)):
            yield workflow
        if isinstance(inner, dict) and depth < 64:
            yield from _runs(inner, depth + 1)
    for name, inner in own.items() if isinstance(own, dict) else ():
        if "@" not in name and isinstance(inner, dict) and depth < 64:
            yield from _runs(inner, depth + 1)


def _is_named(workflow: Mapping[str, Any]) -> bool:
    version = workflow.get("version")
    whole = version is None or (isinstance(version, int) and not isinstance(version, bool))
    return isinstance(workflow.get("id"), str) and whole


def says_same(stored: Mapping[str, Any], document: Any) -> bool:
    """Whether a document says what is stored: copies of other workflows that it does not hold count as it was saved."""
    if not isinstance(document, dict):
        return False
    given = stored_form(document)
    try:
        return dumps(given) == dumps(stored) or dumps(given) == dumps(_without_copies(stored))
    except CodecError:
        return False


def _without_copies(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The document as it was written, had it no copies in it."""
    own = {name: inner for name, inner in stored.get("subgraphs", {}).items() if "@" not in name}
    return {name: value if name != "subgraphs" else own for name, value in stored.items() if name != "subgraphs" or own}
