"""JSON Schema 2020-12: compiled once, never fetching anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import field
from itertools import islice
from typing import Any

import jsonschema_rs

from engine.values import dataclass

MAX_PROBLEMS = 100
MAX_MESSAGE = 300
BACKTRACKING = 100_000
"""Steps that a pattern with look-around or back references may take; what is beyond does not match."""

_OUTSIDE = re.compile(r"Resource '([^']*)' is not present in a registry")


class SchemaInvalid(ValueError):
    """What is no JSON Schema, or refers to one that is not inside of it."""


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """One thing that is wrong with a value: `place` are the keys and indexes that lead to it, none for the value
    itself, `missing` a key that it should have."""

    place: tuple[str | int, ...]
    message: str
    missing: str | None = None

    @property
    def path(self) -> str:
        """The place as a JSON Pointer."""
        return _pointer(self.place)


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled schema; keywords that JSON Schema does not know are ignored."""

    source: Any
    validator: jsonschema_rs.Draft202012Validator = field(repr=False, compare=False)
    has_defaults: bool = field(default=False, repr=False, compare=False)

    def accepts(self, value: Any) -> bool:
        """Whether a JSON value is valid."""
        return self.validator.is_valid(value)

    def completed(self, value: Any) -> Any:
        """A JSON value with the `default` of each of the `properties` that it has not, at any depth of objects; the
        value itself where nothing is missing. It is not changed. JSON Schema lets an application do so (2020-12,
        validation, 9.2)."""
        return _completed(self.source, value) if self.has_defaults else value

    def problems(self, value: Any) -> tuple[SchemaProblem, ...]:
        """What is wrong with a JSON value, at most 100 things; nothing where it is valid."""
        errors = islice(self.validator.iter_errors(value), MAX_PROBLEMS)
        return tuple(map(_problem, errors))


def compile_schema(schema: Any, *, formats: bool = False) -> Schema:
    """Compile a schema (an object or a boolean). `formats`: what `format` says has to hold too; else it is a remark
    alone, as JSON Schema wants it (2020-12, validation, 7.2.1). Raises SchemaInvalid."""
    if not isinstance(schema, dict | bool):
        raise SchemaInvalid(f"a schema is an object or a boolean, got {type(schema).__name__}")
    try:
        validator = jsonschema_rs.Draft202012Validator(
            schema, offline=True, validate_formats=formats,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACKING),
        )  # fmt: skip
    except jsonschema_rs.ValidationError as error:
        raise SchemaInvalid(_reason(error)) from None
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise SchemaInvalid(_shortened(str(error))) from None
    return Schema(schema, validator, _has_defaults(schema))


def _properties(schema: Any) -> dict[str, Any]:
    found = schema.get("properties") if isinstance(schema, dict) else None
    return {name: part for name, part in (found or {}).items() if isinstance(part, dict)}


def _has_defaults(schema: Any) -> bool:
    return any("default" in part or _has_defaults(part) for part in _properties(schema).values())


def _completed(schema: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    added: dict[str, Any] = {}
    for name, part in _properties(schema).items():
        if name in value:
            found = _completed(part, value[name])
            if found is not value[name]:
                added[name] = found
        elif "default" in part:
            added[name] = _completed(part, part["default"])
    return {**value, **added} if added else value


def _problem(error: jsonschema_rs.ValidationError) -> SchemaProblem:
    kind = error.kind
    missing = kind.property if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required) else None
    return SchemaProblem(tuple(error.instance_path), _shortened(error.message), missing)


def _reason(error: jsonschema_rs.ValidationError) -> str:
    if (outside := _OUTSIDE.match(error.message)) is not None:
        return f"'{outside[1]}' is not inside the schema; other documents are never fetched"
    place = _pointer(error.instance_path)
    return _shortened(error.message) + (f" (at {place})" if place else "")


def _pointer(path: Sequence[str | int]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _shortened(message: str) -> str:
    """A message without most of the value in it: that stands first and may be of any size."""
    if len(message) <= MAX_MESSAGE:
        return message
    return f"{message[: MAX_MESSAGE // 2]} … {message[-MAX_MESSAGE // 2 :]}"
