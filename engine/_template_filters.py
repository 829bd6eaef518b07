"""The filters of templates: those that know JSON or could multiply text are ours, the others are the engine's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from engine._template_values import Object, TemplateFailed, make, plain, text_of, wrap
from engine.codec import CodecError, dumps

MAX_INDENT = 1000

_ON_TEXTS = frozenset({"capitalize", "e", "escape", "lower", "safe", "striptags", "title", "trim", "truncate", "upper"})
_TO_LISTS = frozenset({"chain", "groupby", "lines", "list", "map", "reverse", "sort", "split", "unique", "zip"})
_ON_LISTS = frozenset({"first", "last", "max", "min", "reject", "rejectattr", "select", "selectattr", "sum"})
_ON_VALUES = frozenset({"abs", "bool", "d", "default", "filesizeformat", "float", "int", "pluralize", "round"})
_TO_TEXTS = frozenset({"urlencode"})
REMOVED_FILTERS = ("attr", "batch", "format", "pprint", "slice", "wordwrap")
"""Filters of the engine that make more than they are given, or show its own types."""

_KINDS = frozenset({"boolean", "false", "float", "integer", "iterable", "none", "number", "sequence", "string", "true"})
_COMPARISONS = frozenset({"eq", "equalto", "ge", "greaterthan", "gt", "in", "le", "lessthan", "lt", "ne", "sameas"})
_QUALITIES = frozenset({"defined", "divisibleby", "endingwith", "even", "lower", "odd", "startingwith", "upper"})
_OTHER_TESTS = frozenset({"undefined"})

FUNCTIONS = frozenset({"dict", "range"})
REMOVED_FUNCTIONS = ("cycler", "debug", "joiner", "namespace")


def join(value: Any, separator: str = "", attribute: str | None = None) -> str:
    """The texts of a list's items with a separator between them."""
    items: Any = plain(value)
    if not isinstance(items, list | tuple | str):
        raise TemplateFailed(f"join needs a list, got {text_of(value)[:60]}")
    if attribute is not None:
        items = [wrap(item)[attribute] for item in items]
    make(len(separator) * len(items))
    try:
        joined = separator.join(items)
    except TypeError:
        joined = separator.join(map(text_of, items))
    make(len(joined))
    return joined


def tojson(value: Any, indent: int | None = None) -> str:
    """A value as JSON, over several lines where `indent` is given."""
    try:
        compact = dumps(plain(value))
    except CodecError as error:
        raise TemplateFailed(error.message) from None
    if indent is None or indent is False:
        return compact.decode()
    return json.dumps(json.loads(compact), ensure_ascii=False, indent=min(int(indent), MAX_INDENT))


def replace(value: Any, old: str, new: str) -> str:
    """A text with one part replaced by another wherever it stands."""
    text = text_of(value)
    make(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def indent(value: Any, width: int = 4, first: bool = False, blank: bool = False) -> str:
    """A text with spaces before its lines: not the first and the blank ones, where not asked for."""
    lines = text_of(value).split("\n")
    margin = " " * min(width, MAX_INDENT)
    make(sum(map(len, lines)) + len(lines) * len(margin))
    return "\n".join(
        margin + line if (first or place) and (blank or line.strip()) else line for place, line in enumerate(lines)
    )


def length(value: Any) -> int:
    """The number of items, keys or characters."""
    if not hasattr(value, "__len__"):
        raise TemplateFailed(f"length needs a list, an object or a text, got {text_of(value)[:60]}")
    return len(value)


def items(value: Any) -> Any:
    """The keys and values of an object as a list of pairs, in its order."""
    content = plain(value)
    if not isinstance(content, Mapping):
        raise TemplateFailed(f"items and dictsort need an object, got {text_of(value)[:60]}")
    return wrap([[key, inner] for key, inner in content.items()])


def dictsort(value: Any) -> Any:
    """The keys and values of an object as a list of pairs, sorted by key."""
    return wrap(sorted(plain(items(value)), key=lambda pair: str(pair[0])))


def number(value: Any) -> Any:
    """The value itself where it is a number: it stands at both sides of `*`, which would repeat texts and lists."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TemplateFailed(f"'*' multiplies numbers only, got {text_of(value)[:60]}")
    return value


def is_mapping(value: Any) -> bool:
    """Whether a value is an object."""
    return isinstance(value, Object | dict)


NUMBER = "_number"
OUR_FILTERS: dict[str, Callable[..., Any]] = {
    "count": length,
    "dictsort": dictsort,
    "indent": indent,
    "items": items,
    "join": join,
    "length": length,
    "replace": replace,
    "string": text_of,
    "tojson": tojson,
}
OUR_TESTS: dict[str, Callable[[Any], bool]] = {"mapping": is_mapping}

FILTERS = _ON_TEXTS | _TO_LISTS | _ON_LISTS | _ON_VALUES | _TO_TEXTS | OUR_FILTERS.keys()
TESTS = _KINDS | _COMPARISONS | _QUALITIES | _OTHER_TESTS | OUR_TESTS.keys()
