"""Splits the source of a template into text and tags, and tags into tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine._tokens import Token, Tokens
from engine.values import dataclass

_TAG = re.compile(r"\{(?P<kind>[{%#])(?P<trim>[-+]?)")
_END = {"{": re.compile(r"[-+]?\}\}"), "%": re.compile(r"[-+]?%\}")}
_COMMENT_END = re.compile(r"#\}")
_RAW = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}.*?\{%[-+]?\s*endraw\s*[-+]?%\}", re.DOTALL)
_TOKEN = re.compile(
    r"\s+"
    r"|(?P<string>'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<float>\d[\d_]*(?:\.\d[\d_]*(?:[eE][-+]?\d+)?|[eE][-+]?\d+))"
    r"|(?P<int>0[xXoObB]\w+|\d[\d_]*)"
    r"|(?P<op>\*\*|//|[=!<>]=|.)",
    re.DOTALL,
)

MAX_TOKENS = 1000
"""Tokens in one tag: the engine's parser takes a piece of the stack for each operator, and does not look how much."""


class TemplateSyntaxError(ValueError):
    """A template that does not compile."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a template: text, or a tag with what begins it, its tokens and what ends it."""

    text: str
    begin: str = ""
    tokens: Tokens | None = None
    end: str = ""


def split(source: str) -> Iterator[Part]:
    at = 0
    while (tag := _TAG.search(source, at)) is not None:
        if tag.start() > at:
            yield Part(source[at : tag.start()])
        if tag["kind"] == "#" or (raw := _RAW.match(source, tag.start())) is not None:
            end = _COMMENT_END.search(source, tag.end()) if tag["kind"] == "#" else raw
            at = end.end() if end is not None else len(source)
            yield Part(source[tag.start() : at])
            continue
        tokens, end = _tokens(source, tag.end(), _END[tag["kind"]])
        at = end.end()
        yield Part("", tag[0], tokens, end[0])
    if at < len(source):
        yield Part(source[at:])


def _tokens(source: str, start: int, end: re.Pattern[str]) -> tuple[Tokens, re.Match[str]]:
    found: list[Token] = []
    depth, at = 0, start
    while at < len(source):
        if depth == 0 and (ended := end.match(source, at)) is not None:
            return Tokens(found), ended
        match = _TOKEN.match(source, at)
        assert match is not None  # the last alternative takes any character
        if match.lastgroup is not None:
            if len(found) == MAX_TOKENS:
                raise TemplateSyntaxError(
                    f"the tag at character {start - 1} has more than {MAX_TOKENS} words and signs"
                )
            found.append(Token(match.lastgroup, match[0], at))
            depth += (match[0] in ("(", "[", "{")) - (match[0] in (")", "]", "}"))
        at = match.end()
    raise TemplateSyntaxError(f"the tag at character {start + 1} has no end")
