"""Nodes whose tasks would wait, since no worker is registered that may take them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dispatch._choose import Need, fits
from engine.checks.problem import Problem
from engine.ports import WorkerRow

CODE = "worker.missing"
NEEDS = ("worker_tags", "worker", "protocol")


def unserved(document: Any, workers: Iterable[WorkerRow], path: str = "") -> Iterator[Problem]:
    """A warning for each node of a document, and of the graphs in it, that asks for what no active worker has."""
    workers = tuple(workers)
    for name, node in _objects(document, "nodes"):
        place = f"{path}/nodes/{_escaped(name)}"
        need = Need(frozenset(node.get("worker_tags", ())), node.get("worker"), node.get("protocol"))
        if any(node.get(key) for key in NEEDS) and not any(fits(worker, need) for worker in workers):
            message = f"no active worker has {_words(need)}: the node's tasks would wait"
            yield Problem(code=CODE, severity="warning", path=place, node=name, message=message, hint=None)
        yield from unserved(node.get("definition"), workers, f"{place}/definition")
    for name, graph in _objects(document, "subgraphs"):
        yield from unserved(graph, workers, f"{path}/subgraphs/{_escaped(name)}")


def _objects(holder: Any, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = holder.get(name) if isinstance(holder, Mapping) else None
    for key, value in found.items() if isinstance(found, Mapping) else ():
        if isinstance(value, Mapping):
            yield key, value


def _words(need: Need) -> str:
    parts = [
        *([f"the tags [{', '.join(sorted(need.tags))}]"] if need.tags else []),
        *([f"the id {need.worker}"] if need.worker else []),
        *([f"the protocol {need.protocol}"] if need.protocol else []),
    ]
    return " and ".join(parts)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
