"""What the objects of a file may hold: fields by name, each of a kind; what else comes is refused with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any

from engine.values import dataclass


class Unfit(ValueError):
    """A line that does not fit. `path` is a JSON Pointer into it."""

    def __init__(self, why: str, path: str = "", code: str = "import.line") -> None:
        super().__init__(why)
        self.why, self.path, self.code = why, path, code


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value may be, and in which words that is told."""

    what: str
    fits: Callable[[Any], bool]

    def or_null(self) -> Kind:
        """The same, or null."""
        return Kind(f"{self.what} or null", lambda value: value is None or self.fits(value))


@dataclass(frozen=True, slots=True)
class Field:
    """A field: what it may be, and whether it has to be there."""

    kind: Kind
    needed: bool = True


def _is_int(value: Any) -> bool:
    return value.__class__ is int


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")

ANY = Kind("anything", lambda value: True)
INTEGER = Kind("a whole number", lambda value: _is_int(value) and abs(value) < 1 << 53)
COUNT = Kind("a whole number from 0 on", lambda value: _is_int(value) and 0 <= value < 1 << 53)
PLACE = Kind("a whole number from 1 on", lambda value: _is_int(value) and 1 <= value < 1 << 32)
TIME = Kind("milliseconds since the epoch", lambda value: _is_int(value) and abs(value) < 1 << 53)
REF = Kind("the number of a commit", lambda value: _is_int(value) and 1 <= value < 1 << 62)
NUMBER = Kind("a number", lambda value: _is_int(value) or value.__class__ is float)
FLAG = Kind("true or false", lambda value: value.__class__ is bool)
TEXT = Kind("a text", lambda value: isinstance(value, str))
NAME = Kind("an id", lambda value: isinstance(value, str) and _NAME.fullmatch(value) is not None)
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
LIST = Kind("a list", lambda value: isinstance(value, list))
TEXTS = Kind("a list of texts", _is_texts)


def one_of(words: type[StrEnum] | Collection[str]) -> Kind:
    """One of some words."""
    known = tuple(str(word) for word in words)
    return Kind(f"one of {', '.join(known)}", lambda value: isinstance(value, str) and value in known)


def check(value: Any, fields: Mapping[str, Field], path: str) -> dict[str, Any]:
    """An object with these fields and no others. Raises Unfit."""
    if not isinstance(value, dict):
        raise Unfit("an object is expected here", path)
    for name in value:
        if name not in fields:
            raise Unfit(f"'{name[:80]}' is not known here", f"{path}/{name[:80]}")
    for name, field in fields.items():
        if name not in value:
            if field.needed:
                raise Unfit("a value is required here", f"{path}/{name}")
        elif not field.kind.fits(value[name]):
            raise Unfit(f"{field.kind.what} is expected here", f"{path}/{name}")
    return value


def needed(**kinds: Kind) -> dict[str, Field]:
    """Fields that have to be there."""
    return {name: Field(kind) for name, kind in kinds.items()}


def optional(**kinds: Kind) -> dict[str, Field]:
    """Fields that may be missing."""
    return {name: Field(kind, False) for name, kind in kinds.items()}
