"""Checks of state values: what is wrong with a value after reducing, without reading long lists again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.artifacts import is_reference
from engine.codec import dumps
from engine.missing import MISSING
from engine.plugins import Reducer
from engine.schema import Schema, compile_schema
from reducers._overwrite import is_overwrite

PLAIN = frozenset({"type", "reducer", "ephemeral", "default", "title", "description", "examples", "$comment"})
SHOWN = 80
KEPT_APART = ". It was too long and is kept as an artifact: allow for a reference here, or raise --max-inline-bytes"

Check = Callable[[Any, Any], str | None]


def check_of(entry: Mapping[str, Any], compiled: Schema, by: Reducer | None = None) -> Check:
    """The check of a `state_schema` entry: given a value and the update that led to it, what is wrong, or None.

    `by` is the reducer that made the value, None for one that stands for itself.
    """
    types = entry.get("type")
    if set(entry) <= PLAIN:
        return _always if types is None else _by_type((types,) if isinstance(types, str) else tuple(types))
    if by is not None and by.collects and set(entry) <= PLAIN | {"items"} and types in (None, "array"):
        return _by_items(compile_schema(entry["items"]), compiled, removes=by.normalise is not None)
    return _by_schema(compiled)


def _always(value: Any, update: Any) -> None:
    return None


def _by_type(types: tuple[str, ...]) -> Check:
    wanted = " or ".join(types)
    tests = [IS_TYPE[name] for name in types]

    def check(value: Any, update: Any) -> str | None:
        if any(test(value) for test in tests):
            return None
        return f"expected {wanted}, got {_shown(value)}{_why(value)}"

    return check


def _by_items(item: Schema, whole: Schema, *, removes: bool) -> Check:
    """Only the elements that an update adds are looked at; those before it were when they were added.

    `removes` says that `{"remove": true}` takes an element away, as among messages.
    """

    def check(value: Any, update: Any) -> str | None:
        if update is MISSING or is_overwrite(update) or not isinstance(value, list):
            return _problem(whole, value)
        for added in update if isinstance(update, list) else [update]:
            is_removal = removes and isinstance(added, dict) and added.get("remove") is True
            if not is_removal and not item.accepts(added):
                return _problem(item, added)
        return None

    return check


def _by_schema(schema: Schema) -> Check:
    return lambda value, update: None if schema.accepts(value) else _problem(schema, value)


def _problem(schema: Schema, value: Any) -> str | None:
    found = schema.problems(value)
    if not found:
        return None
    place = f" at {found[0].path}" if found[0].path else ""
    return f"{found[0].message}{place}, got {_shown(value)}{_why(value)}"


def _why(value: Any) -> str:
    """What may not be clear about a value: an output that was long comes as something else than the worker gave."""
    return KEPT_APART if is_reference(value) else ""


def _shown(value: Any) -> str:
    text = dumps(value).decode()
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


IS_TYPE: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
}
