"""What the readers of templates and expressions share: tokens of a regular expression, and which brackets pair."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

OPEN, CLOSE = frozenset("([{"), frozenset(")]}")


class Token(NamedTuple):
    """A piece of source: `kind` is the name of the group that matched it, `start` where it stands."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


NONE = Token("", "", 0)
"""What stands before the first token and after the last one."""


class Tokens:
    """A list of tokens that can be asked beyond its ends."""

    __slots__ = ("_all", "_depths", "partner")

    def __init__(self, found: Iterable[Token]) -> None:
        self._all = tuple(found)
        self.partner, self._depths = _brackets(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, at: int) -> Token:
        return self._all[at] if 0 <= at < len(self._all) else NONE

    def part(self, start: int, stop: int) -> Tokens:
        """The tokens from `start` up to `stop`."""
        return Tokens(self._all[start:stop])

    def is_inside(self, at: int) -> bool:
        """Whether a token that is no bracket stands inside of some."""
        return self._depths[at] > 0

    def find(self, text: str, start: int = 0) -> int:
        """The place of the first `text` outside of brackets, or the length."""
        at = start
        while at < len(self):
            if self[at].text == text and self[at].kind in ("name", "op"):
                return at
            at = self.partner.get(at, at) + 1
        return at


def scan(pattern: re.Pattern[str], source: str) -> Tokens:
    """The tokens of a source that is known to be well formed; unnamed matches, such as white space, are left out."""
    return Tokens(Token(m.lastgroup, m[0], m.start()) for m in pattern.finditer(source) if m.lastgroup is not None)


def _brackets(tokens: Sequence[Token]) -> tuple[dict[int, int], list[int]]:
    """The place of the closing bracket for each opening one, and how many are open at each token."""
    partners: dict[int, int] = {}
    waiting: list[int] = []
    depths = []
    for at, token in enumerate(tokens):
        if token.kind == "op" and token.text in OPEN:
            waiting.append(at)
        elif token.kind == "op" and token.text in CLOSE and waiting:
            partners[waiting.pop()] = at
        depths.append(len(waiting))
    return partners, depths
