"""What the CEL library reports, in the words of who wrote the expression."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine._expression_source import JOINED, PARTS

MAX_ITEMS = "10,000"
"""Turns of all comprehensions in one evaluation, set by the library."""
MAX_TEXT = 300

_PROBLEM = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_UNCHECKED = re.compile(r"found no matching overload for '(?P<call>[^']+)' applied to '\((?P<types>.*)\)'")
_UNDECLARED = re.compile(r"undeclared reference to '(?P<name>[^']*)'")
_OVERLOAD = re.compile(r"No matching overloads found : (?P<call>.+?)(?:\((?P<types>[^()]*)\))?$")
_KEY = re.compile(r'Key not found in map : "?(?P<key>.*?)"?$', re.DOTALL)
_VARIABLE = re.compile(r'No value with name "(?P<name>.*)" found')
_STATUS = re.compile(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$")

_NUMERIC = frozenset({"int", "uint", "double"})
_NAMES = {"int64": "int", "uint64": "uint", "null_type": "null", "*error*": "this"}
_COMPARISONS = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"})


def located(message: str) -> str:
    """The first problem of a compilation, with its place."""
    message = _plain(message)
    found = _PROBLEM.search(message)
    if found is None:
        return message
    line, column, text = found.groups()
    return text[:MAX_TEXT] + (f" (line {line}, column {column})" if int(column) > 0 else "")


def type_error(message: str) -> str | None:
    """What the checker found, or None where that works all the same."""
    for found in _PROBLEM.finditer(_plain(message)):
        line, column, text = found.groups()
        place = f" (line {line}, column {column})"
        if (undeclared := _UNDECLARED.search(text)) is not None:
            return f"there is no function or name '{undeclared['name']}'{place}"
        if (call := _UNCHECKED.search(text)) is None:
            return f"{text[:MAX_TEXT]}{place}"
        types = _types(call["types"])
        if not _works(call["call"], types):
            return _no_overload(call["call"], types) + place
    return None


def explained(message: str, references: frozenset[tuple[str, ...]]) -> str:
    """An error of the evaluator; `references` are the paths of the expression."""
    reason = _plain(message)
    if (missing := _KEY.search(reason)) is not None:
        return f"'{_dotted(missing['key'], references)}' does not exist; guard it with has(…)"
    if (variable := _VARIABLE.search(reason)) is not None:
        return f"'{variable['name']}' does not exist here"
    if (overload := _OVERLOAD.search(reason)) is not None:
        return _no_overload(overload["call"], _types(overload["types"] or ""))
    if "Iteration budget" in reason:
        return f"the comprehensions go over {MAX_ITEMS} items or more"
    if "Applying SELECT" in reason:
        return "a key is read from a value that is no object"
    if JOINED in reason or "Python function" in reason:
        return "a comprehension gives a value that is no JSON value"
    return reason[:MAX_TEXT]


def _plain(message: str) -> str:
    """A message without the codes that stand around it."""
    return _STATUS.sub("", message)


def _types(listed: str) -> list[str]:
    return [_NAMES.get(kind, kind) for kind in listed.split(", ") if kind]


def _works(call: str, types: Sequence[str]) -> bool:
    """Whether values of these types are accepted although the checker says no: numbers compare, and null with all."""
    if call in _COMPARISONS:
        return "null" in types or all(kind.removeprefix("list(").removesuffix(")") in _NUMERIC for kind in types)
    return call == "_?_:_" and all(kind in _NUMERIC for kind in types[1:])


def _no_overload(call: str, types: Sequence[str]) -> str:
    if call == "<jump_condition>":
        return "a condition is neither true nor false"
    if PARTS in call or JOINED in call:
        return "map and filter need a list or an object"
    name = call.strip("_@").replace("_", " ") if call[0] in "_@-!" else f"{call}()"
    hint = ""
    if len(types) == 2 and types[0] != types[1] and not _NUMERIC.isdisjoint(types):
        hint = "; convert one side with int(…), double(…) or string(…)"
    return f"there is no '{name}' for {' and '.join(types) or 'these types'}{hint}"


def _dotted(key: str, references: frozenset[tuple[str, ...]]) -> str:
    """The dotted path that ends in a missing key, where there is one only."""
    ending = {path[: path.index(key, 1) + 1] for path in references if key in path[1:]}
    return ".".join(ending.pop()) if len(ending) == 1 else key
