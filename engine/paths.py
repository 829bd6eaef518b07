"""Paths into JSON values: `a.b[0].c`, or the JSON Pointer (RFC 6901) `/a/b/0/c`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine.missing import MISSING

Path = tuple[str | int, ...]
"""Keys of objects and indexes of arrays (from 0), outermost first."""

STATE = "state"
_KEY = r"[^\s.\[\]{}\"']+"
_PATH = re.compile(rf"{_KEY}(?:\.{_KEY}|\[\d{{1,9}}\])*")
_TILDE = re.compile(r"~(?![01])")
_STEP = re.compile(rf"\[(\d+)\]|({_KEY})")


class PathError(ValueError):
    """A text that is no path."""


def parse_path(text: str) -> Path:
    """Parse keys joined by dots and indexes in brackets, `a.b[0]`, or a JSON Pointer. Raises PathError."""
    if text.startswith("/"):
        return tuple(map(_token, text[1:].split("/")))
    if _PATH.fullmatch(text) is None:
        raise PathError(f"{text[:80]!r} is no path: expected keys and indexes such as 'a.b[0]'")
    return tuple(int(index) if index else key for index, key in _STEP.findall(text))


def _token(text: str) -> str | int:
    """A part of a JSON Pointer: digits are the index of an array."""
    if not text or _TILDE.search(text) is not None:
        raise PathError(f"{text[:80]!r} is no part of a JSON Pointer: `~0` stands for `~`, `~1` for `/`")
    plain = text.isascii() and text.isdecimal() and len(text) < 10 and str(int(text)) == text
    return int(text) if plain else text.replace("~1", "/").replace("~0", "~")


def state_path(text: str) -> Path:
    """Parse a path into the state, whose leading `state.` may be left out. Raises PathError."""
    path = parse_path(text)
    return path[1:] if len(path) > 1 and path[0] == STATE else path


def lookup(value: Any, path: Path) -> Any:
    """What stands at `path`, itself and not a copy, or MISSING."""
    for part in path:
        if isinstance(part, str):
            if not isinstance(value, (dict, Mapping)) or part not in value:
                return MISSING
        elif not isinstance(value, list) or part >= len(value):
            return MISSING
        value = value[part]
    return value


def dotted(path: Path) -> str:
    """A path as text, the inverse of `parse_path`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
