"""How an output becomes updates: `output_key` and `output_mapping`, shared by the node types that have an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from engine.missing import MISSING
from engine.model import Updates
from engine.nodes._common import STRING, STRING_MAP, Field, Given, Text, pointer
from engine.paths import Path, PathError, lookup, parse_path
from engine.values import dataclass

OUTPUT_FIELDS: dict[str, Field] = {
    "output_key": Field(STRING, "state key that takes the whole output"),
    "output_mapping": Field(STRING_MAP, "state key → path in the output"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where an output goes. A path that is missing in it writes nothing."""

    key: str | None = None
    mapping: Mapping[str, Path] = field(default_factory=dict)

    def updates(self, output: Any) -> Updates:
        """The updates that an output makes; MISSING makes none."""
        if output is MISSING:
            return ()
        found: list[tuple[str, Any]] = [] if self.key is None else [(self.key, output)]
        for key, path in self.mapping.items():
            if (value := lookup(output, path)) is not MISSING:
                found.append((key, value))
        return tuple(found)


def parse_output(fields: Mapping[str, Any]) -> Output:
    mapping = {key: parse_path(path) for key, path in fields.get("output_mapping", {}).items()}
    return Output(key=fields.get("output_key"), mapping=mapping)


def output_texts(fields: Mapping[str, Any]) -> Iterator[Text]:
    """The state keys that an output is written to, and the paths in it."""
    if "output_key" in fields:
        yield Text("key", "/output_key", fields["output_key"])
    for key, path in fields.get("output_mapping", {}).items():
        yield Text("key", f"/output_mapping/{pointer(key)}", key)
        yield Text("output", f"/output_mapping/{pointer(key)}", path)


def output_given(fields: Mapping[str, Any], schema: Any) -> Iterator[Given]:
    """What the JSON Schema of an output says about the values that are written from it."""
    if "output_key" in fields:
        yield Given(fields["output_key"], "/output_key", schema)
    for key, text in fields.get("output_mapping", {}).items():
        try:
            path = parse_path(text)
        except PathError:
            continue
        if (part := _schema_at(schema, path)) is not None:
            yield Given(key, f"/output_mapping/{pointer(key)}", part)


def _schema_at(schema: Any, path: Path) -> Any:
    """The schema of what stands at a path, where it is written out in `properties` and `items`."""
    for part in path:
        if not isinstance(schema, dict):
            return None
        inner = schema.get("items") if isinstance(part, int) else schema.get("properties")
        schema = inner if isinstance(part, int) else inner.get(part) if isinstance(inner, dict) else None
    return schema
