"""Paths in the tags of a template: how far they are written out, and what the tokens around them say."""

from __future__ import annotations

from engine._template_filters import OUR_FILTERS
from engine._tokens import Token, Tokens
from engine.paths import Path

ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "**"})


def static_path(tokens: Tokens, at: int) -> tuple[Path, int]:
    """The path that begins at a name, as far as it is written out, and the place after it."""
    parts: list[str | int] = [tokens[at].text]
    at += 1
    while True:
        step, key = tokens[at].text, tokens[at + 1]
        if step == "." and key.kind in ("name", "int") and tokens[at + 2].text != "(":
            at += 2
        elif step == "[" and tokens[at + 2].text == "]" and key.kind in ("string", "int") and "\\" not in key.text:
            at += 3
        else:
            return tuple(parts), at
        parts.append(_key(key))


def _key(token: Token) -> str | int:
    if token.kind == "int":
        return int(token.text, 0)
    return token.text[1:-1] if token.kind == "string" else token.text


def may_be_missing(tokens: Tokens, at: int, end: int) -> bool:
    """Whether a path, or a path in parentheses, is used in a way that allows it to be missing."""
    while tokens[at - 1].text == "(" and tokens[end].text == ")" and tokens[at - 2].kind != "name":
        at, end = at - 1, end + 1
    if tokens[end].text == "|":
        return tokens[end + 1].text in ("default", "d")
    test = tokens[end + 2] if tokens[end + 1].text == "not" else tokens[end + 1]
    return tokens[end].text == "is" and test.text in ("defined", "undefined")


def could_hide(tokens: Tokens, at: int, end: int) -> bool:
    """Whether the engine would take a missing path for null here: for a filter of ours, or inside of brackets."""
    if tokens[end].text == "|" and tokens[end + 1].text in OUR_FILTERS:
        return True
    return concatenated(tokens, at, end) or tokens.is_inside(at)


def concatenated(tokens: Tokens, at: int, end: int) -> bool:
    """Whether a path is an operand of `~`, which would write true, false and null in the engine's own way."""
    before, after = tokens[at - 1].text, tokens[end].text
    return (before == "~" and after not in ARITHMETIC | {"|"}) or (after == "~" and before not in ARITHMETIC)


def without_parents(tokens: Tokens, at: int, end: int) -> str:
    """A path from a local name that is undefined, instead of an error, where one of its parents is missing."""
    texts = [tokens[place].text for place in range(at, end)]
    steps = [place for place, text in enumerate(texts) if text in (".", "[")]
    parents = ["".join(texts[:place]) for place in steps[1:]]
    if not parents:
        return "".join(texts)
    return f"({''.join(texts)} if {' and '.join(f'{parent} is defined' for parent in parents)})"


def operand_end(tokens: Tokens, at: int) -> int:
    """The place after the operand of `*` that begins at `at`: signs, a value, and what is applied to it."""
    while tokens[at].text in ("-", "+"):
        at += 1
    at = tokens.partner.get(at, at) + 1
    while True:
        if tokens[at].text in (".", "|"):
            at += 2
        elif tokens[at].text in ("[", "("):
            at = tokens.partner.get(at, at) + 1
        elif tokens[at].kind == "string":
            at += 1
        else:
            return at
