"""Documents of other systems for tests: those that the documentation shows, and small ones beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.foreign import Converted, convert
from engine.importers._notes import Note, Outcome

FOLDER = Path(__file__).parents[3] / "docs" / "examples" / "imports"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json") if "." not in path.stem)
FORMATS = {name: name.removesuffix("_older") for name in NAMES}


def sample(name: str) -> Any:
    """A document that the documentation shows, or the answers to its nodes (`NAME.answers`)."""
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def notes_of(found: Converted, outcome: Outcome | None = None) -> list[Note]:
    """All notes of an import, or those with this outcome."""
    return [note for one in Outcome if outcome in (None, one) for note in found.notes.of(one)]


def paths(found: Converted, part: str) -> list[str]:
    """The places that are noted as a construct of the format that begins so."""
    return [note.path for note in notes_of(found) if note.construct.startswith(part)]


def malformed(found: Converted) -> list[str]:
    """The places that could not be read."""
    return [note.path for note in notes_of(found) if note.severity == "error"]


def read(format: str, **document: Any) -> Converted:
    """What becomes of a document of this format."""
    return convert(document, format)


def astraflow(nodes: list[Any], edges: list[tuple[str, str]] = (), subgraphs: list[Any] = (), **more: Any) -> Converted:
    """A document of AstraFlow with these nodes; edges are `node:port` pairs."""
    ends = [[dict(zip(("node", "port"), end.split(":"), strict=False)) for end in edge] for edge in edges]
    made = [{"id": f"e{n}", "source": source, "target": target} for n, (source, target) in enumerate(ends)]
    whole = {"id": "w", "schemaVersion": "2025-10", "nodes": nodes, "edges": made, "subgraphs": list(subgraphs), **more}
    return convert(whole, "astraflow")


def container(id: str, subgraph: str, **policy: Any) -> dict[str, Any]:
    """A container of AstraFlow."""
    return {
        "id": id,
        "type": "workflow.container",
        "parameters": {"__container": {"subgraphId": subgraph, **policy}},
    }


def bound(key: str, path: str, mode: str = "read", **more: Any) -> dict[str, Any]:
    """A port with a binding."""
    return {"key": key, "binding": {"path": path, "mode": mode, **more}}
