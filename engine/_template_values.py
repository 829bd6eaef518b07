"""JSON values as templates see them: read-only, without methods, and as text the way the language says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from engine.codec import CodecError, dumps

MAX_OUTPUT = 4 * 1024 * 1024
"""Characters that one template may produce."""
MAX_MADE = 64 * 1024 * 1024
"""Characters that the filters of one template may make on the way."""

_CONSTANTS = {True: "true", False: "false", None: "null"}

room: ContextVar[list[int]] = ContextVar("room")
"""The numbers of characters that the template under way may still produce, and that its filters may still make."""


class TemplateFailed(ValueError):
    """A template that cannot be rendered: a wrong type, or too much work or output."""


class Object:
    """An object whose keys can be read and nothing else: the template engine offers a value's public attributes."""

    __slots__ = ("_value",)

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = value

    def __getitem__(self, key: Any) -> Any:
        value = self._value[key]
        kind = _KINDS.get(value.__class__)
        return value if kind is None else kind(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._value)

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Object) and bool(self._value == other._value)

    def __hash__(self) -> int:
        return id(self)

    def __str__(self) -> str:
        return text_of(self)


class Array:
    """A list whose items can be read and nothing else."""

    __slots__ = ("_value",)

    def __init__(self, value: Sequence[Any]) -> None:
        self._value = value

    def __getitem__(self, index: Any) -> Any:
        value = self._value[index]
        kind = _KINDS.get(value.__class__)
        return value if kind is None else kind(value)

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Array) and bool(self._value == other._value)

    def __hash__(self) -> int:
        return id(self)

    def __str__(self) -> str:
        return text_of(self)


Sequence.register(Array)  # what the engine asks before it counts and indexes

_KINDS: dict[type, type[Object] | type[Array]] = {dict: Object, list: Array, tuple: Array, MappingProxyType: Object}


def wrap(value: Any) -> Any:
    """A JSON value for a template; scalars are themselves."""
    kind = _KINDS.get(value.__class__)
    if kind is None and isinstance(value, Mapping):
        kind = Object
    return value if kind is None else kind(value)


def plain(value: Any) -> Any:
    """The JSON value again, also where a template built a list or an object around it."""
    if isinstance(value, Object | Array):
        return value._value if isinstance(value._value, dict | list) else plain(value._value)
    if isinstance(value, dict | Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def text_of(value: Any) -> str:
    """Strings as they are, everything else as JSON. Raises TemplateFailed for what is neither."""
    if isinstance(value, str):
        return value if value.__class__ is str else str.__str__(value)
    if value.__class__ is int:
        return str(value)
    if value is None or value is True or value is False:
        return _CONSTANTS[value]
    try:
        return dumps(plain(value)).decode()
    except CodecError as error:
        raise TemplateFailed(error.message) from None


def printed(value: Any) -> Any:
    """The text of a placeholder. Raises TemplateFailed where there is no room left for it."""
    if value.__class__ is int:
        return NotImplemented  # the engine writes it: it may be 1.0, which is handed over as 1
    text = value if value.__class__ is str else text_of(value)
    left = room.get()
    left[0] -= len(text)
    if left[0] < 0:
        raise TemplateFailed(f"the template produces more than {MAX_OUTPUT:,} characters")
    return text


def make(characters: int) -> None:
    """Take note of what a filter is about to make. Raises TemplateFailed where there is no room left for it."""
    left = room.get()
    left[1] -= characters
    if left[1] < 0:
        raise TemplateFailed(f"the filters of the template make more than {MAX_MADE:,} characters")
