"""Conditions of other systems as expressions: names are put in the words of the state, and the rest has to be CEL."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.expression import MAX_SOURCE, NAMES, ExpressionError, compile_expression

_TOKENS = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |(?P<same>===|!==)
    |(?P<chain>(?<![\w.$])[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*)
    |(?P<rest>.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ALONE = re.compile(r"\s*\$?\{\{?(?P<inner>[^{}]*)\}?\}\s*")


class Untranslatable(ValueError):
    """A condition that cannot be said in an expression; the text says why."""


def translated(source: str, roots: Mapping[str, str]) -> str:
    """The condition as an expression, with what it calls by a key of `roots` read from the value there: an expression
    such as `state.a`. The longest dotted name counts. Raises Untranslatable."""
    if len(source) > MAX_SOURCE:
        raise Untranslatable("it is too long")
    if (alone := _ALONE.fullmatch(source)) is not None:
        source = alone["inner"]
    found = "".join(_piece(token, roots) for token in _TOKENS.finditer(source)).strip()
    if not found:
        raise Untranslatable("it is empty")
    try:
        expression = compile_expression(found)
    except ExpressionError as error:
        raise Untranslatable(str(error)) from None
    unknown = {reference[0] for reference in expression.references} - set(NAMES)
    if unknown:
        raise Untranslatable(f"it asks for `{min(unknown)}`, which has no place in the state")
    return found


def _piece(token: re.Match[str], roots: Mapping[str, str]) -> str:
    if token["same"]:
        return token["same"][:2]
    if token["chain"] is None:
        return token[0]
    parts = token[0].split(".")
    for size in range(len(parts), 0, -1):
        if (root := roots.get(".".join(parts[:size]))) is not None:
            return ".".join((root, *parts[size:]))
    return token[0]
