"""Expressions: CEL over JSON values, checked when they are compiled and bounded in work."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from engine._expression_errors import explained, located, type_error
from engine._expression_source import JOINED, PARTS, in_parts, read
from engine.values import dataclass

MAX_SOURCE = 10_000
MAX_RESULT = 16 * 1024 * 1024
"""Characters and values that a result may have."""
LOWEST, HIGHEST = -(2**63), 2**63 - 1

NAMES = ("state", "input", "item", "index", "output", "config", "meta", "error", "errors")

_PART = 32
_DYN = cel.Type.DYN
_ERROR = cel.Type.ERROR
_TYPES = {
    "array": cel.Type.List(_DYN),
    "boolean": cel.Type.BOOL,
    "integer": cel.Type.INT,
    "object": cel.Type.Map(cel.Type.STRING, _DYN),
    "string": cel.Type.STRING,
}

Wanted = Mapping[str, Any]
"""The keys to hand over: by key None for the whole value, or what is wanted of it."""


class ExpressionError(ValueError):
    """An expression that does not compile."""

    code = "expression.syntax"


class ExpressionSyntaxError(ExpressionError):
    """An expression that cannot be read."""


class ExpressionTypeError(ExpressionError):
    """An expression that can never work: an operator or a function for other types, or one that does not exist.

    `expression` is compiled all the same, so that what it refers to can be checked too.
    """

    code = "expression.type"

    def __init__(self, message: str, expression: Expression) -> None:
        super().__init__(message)
        self.expression = expression


class ExpressionFailed(ValueError):
    """An expression that has no value here: a missing key, a wrong type, an overflow, too much work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A compiled expression.

    `references` are the names that it reads, as far as they are dotted keys: `("state", "x")` for `state.x[0]`,
    variables of comprehensions left out. Those in `guarded` are asked for by `has()` (and may be read as well).
    """

    source: str
    references: frozenset[tuple[str, ...]]
    guarded: frozenset[tuple[str, ...]]
    program: cel.Expression = field(repr=False, compare=False)
    wanted: Wanted = field(repr=False, compare=False)


def compile_expression(source: str, state_types: Mapping[str, str] | None = None) -> Expression:
    """Compile an expression; `state_types` are the JSON Schema types of state keys, where they are known.

    Raises ExpressionSyntaxError and ExpressionTypeError. Names that do not exist are no error: see `references`.
    """
    expression = _compiled(source)
    _check(expression, frozenset((state_types or {}).items()))
    return expression


def evaluate(expression: Expression, names: Mapping[str, Any]) -> Any:
    """The value of an expression as JSON; objects have their keys sorted. Raises ExpressionFailed."""
    try:
        result = expression.program.eval(data=_given(names, expression))
    except RuntimeError as error:
        raise ExpressionFailed(explained(str(error), expression.references)) from None
    value = result.value()
    if value is True or value is False or value is None:
        return value
    if isinstance(value, str) and result.type() == _ERROR:
        raise ExpressionFailed(explained(value, expression.references))
    return _json(value, [MAX_RESULT])


def evaluate_bool(expression: Expression, names: Mapping[str, Any]) -> bool:
    """The value of a condition. Raises ExpressionFailed, also where it is neither true nor false."""
    value = evaluate(expression, names)
    if not isinstance(value, bool):
        raise ExpressionFailed(f"'{expression.source}' gives {_kind(value)}, expected true or false")
    return value


# ---- compiling


@lru_cache(maxsize=2048)
def _compiled(source: str) -> Expression:
    if len(source) > MAX_SOURCE:
        raise ExpressionSyntaxError(f"the expression is longer than {MAX_SOURCE:,} characters")
    try:
        # Types are checked apart: the checker does not know that comparisons mix integers and doubles.
        program = _runtime().compile(source, disable_check=True)
    except TypeError:
        raise ExpressionSyntaxError("the expression is not valid Unicode: it holds half of a surrogate pair") from None
    except RuntimeError as error:
        raise ExpressionSyntaxError(located(str(error))) from None
    with suppress(RuntimeError):  # in parts it is nested more deeply, perhaps more than is allowed
        if (parted := in_parts(source)) != source:
            program = _runtime().compile(parted, disable_check=True)
    names = read(source)
    return Expression(
        source=source,
        references=names.references,
        guarded=names.guarded,
        program=program,
        wanted=_wanted(names.references),
    )


@lru_cache(maxsize=4096)
def _check(expression: Expression, state_types: frozenset[tuple[str, str]]) -> None:
    # The checker takes `has(state.x)` for the type of a declared `state.x`.
    untyped = {path[1] for path in expression.guarded if len(path) > 1}
    typed = frozenset(pair for pair in state_types if pair[0] not in untyped)
    unknown = {path[0] for path in expression.references} - set(NAMES)
    try:
        _checker(typed, frozenset(unknown)).compile(expression.source)
    except RuntimeError as error:
        if (wrong := type_error(str(error))) is not None:
            raise ExpressionTypeError(wrong, expression) from None


@lru_cache(maxsize=256)
def _checker(state_types: frozenset[tuple[str, str]], unknown: frozenset[str]) -> cel.Env:
    variables = dict.fromkeys((*NAMES, *unknown), _DYN)
    variables |= {f"state.{key}": _TYPES[kind] for key, kind in state_types if kind in _TYPES and _is_name(key)}
    return cel.NewEnv(variables=variables)


def _is_name(key: str) -> bool:
    return key.isascii() and key.isidentifier()


@cache
def _runtime() -> cel.Env:
    dyn_list = cel.Type.List(_DYN)
    functions = [_method(PARTS, _parts, dyn_list, cel.Type.Map(_DYN, _DYN)), _method(JOINED, _joined, dyn_list)]
    return cel.NewEnv(variables=dict.fromkeys(NAMES, _DYN), functions=functions)


def _method(name: str, implementation: Any, *receivers: cel.Type) -> cel.FunctionDecl:
    return cel.FunctionDecl(
        name,
        [
            cel.Overload(
                f"{name}{place}",
                return_type=cel.Type.List(_DYN),
                parameters=[receiver],
                is_member=True,
                impl=implementation,
            )
            for place, receiver in enumerate(receivers)
        ],
    )


def _parts(value: Any) -> list[Any]:
    items = sorted(value, key=str) if isinstance(value, dict) else value
    return [items[start : start + _PART] for start in range(0, len(items), _PART)]


def _joined(parts: list[list[Any]]) -> list[Any]:
    return [item for part in parts for item in part]


def _wanted(references: frozenset[tuple[str, ...]]) -> Wanted:
    """The keys on the way to each reference; None where all of a value is read."""
    wanted: dict[str, Any] = {}
    for path in sorted(references, key=len):
        inside = wanted
        for key in path[:-1]:
            if inside.setdefault(key, {}) is None:
                break
            inside = inside[key]
        else:
            inside.setdefault(path[-1], None)
    return wanted


# ---- evaluating


def _given(names: Mapping[str, Any], expression: Expression) -> dict[str, Any]:
    """What an expression reads of the names. An `error` that `has()` asks for is empty off error edges."""
    picked = _picked(names, expression.wanted)
    if "error" not in picked and any(name[0] == "error" for name in expression.guarded):
        picked["error"] = {}
    return picked


def _picked(value: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """The part of an object that is wanted: the evaluator converts all that it is given."""
    picked = {}
    for key, inner in wanted.items():
        if key in value:
            found = value[key]
            if inner is not None and isinstance(found, dict | Mapping):
                found = _picked(found, inner)
            elif found.__class__ is not dict and isinstance(found, Mapping):
                found = dict(found)
            picked[key] = found
    return picked


def _json(value: Any, room: list[int]) -> Any:
    """A CEL value as JSON. Raises ExpressionFailed for what is none, and where there is no room left."""
    room[0] -= len(value) if isinstance(value, str) else 1
    if room[0] < 0:
        raise ExpressionFailed("the result is too large")
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if not LOWEST <= value <= HIGHEST:
            raise ExpressionFailed(f"{value} is out of range: integers have 64 bits")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionFailed(f"the result is {value}, which JSON cannot say")
        return value
    return _json_container(value, room)


def _json_container(value: Any, room: list[int]) -> Any:
    if isinstance(value, list):
        return [_json(item.value(), room) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ExpressionFailed("the keys of an object have to be strings; convert them with string(…)")
        return {key: _json(value[key].value(), room) for key in sorted(value)}
    if isinstance(value, datetime.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, datetime.timedelta):
        return f"{value.total_seconds():f}".rstrip("0").rstrip(".") + "s"
    raise ExpressionFailed(f"the result is {_kind(value)}, which is no JSON value")


def _kind(value: Any) -> str:
    kinds = {str: "a string", list: "a list", dict: "an object", bool: "a boolean", type(None): "null"}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "a number"
    return kinds.get(type(value), f"a value of type {type(value).__name__}")
