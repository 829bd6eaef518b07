"""JSON as it goes to the server: values of Python, pydantic models and dataclasses among them."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python


class NoJson(ValueError):
    """A value that JSON cannot carry; the message says what it is."""


def plain(value: Any) -> Any:
    """The value made of dicts, lists, texts, numbers, booleans and None alone. Raises NoJson."""
    try:
        return to_jsonable_python(value, by_alias=True, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError) as error:
        raise NoJson(f"this is no value that JSON can carry: {error}") from None


def encode(value: Any) -> bytes:
    """The value as JSON text. Raises NoJson, for numbers that are infinite or none as well."""
    try:
        return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise NoJson(f"this is no value that JSON can carry: {error}") from None


def given(**fields: Any) -> dict[str, Any]:
    """The fields that are not None: what is not said is left to the server."""
    return {name: value for name, value in fields.items() if value is not None}
