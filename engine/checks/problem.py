"""Problems of a document, and the list that checks add them to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any, Literal

from engine.values import dataclass

Severity = Literal["error", "warning"]

SHOWN = 80
MESSAGE = 240
FEW = 50
NEAREST_SIZE = 64
NEAREST_COMPARISONS = 6_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong with a document. `path` is a JSON Pointer into it, `node` the node that it concerns."""

    code: str
    severity: Severity
    path: str
    node: str | None
    message: str
    hint: str | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Findings:
    """The problems found so far, each once, in the order in which they were found."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Problem] = {}
        self._comparisons = 0

    def error(self, code: str, path: str, message: str, *, node: str | None = None, hint: str | None = None) -> None:
        self._add(Problem(code=code, severity="error", path=path, node=node, message=message, hint=hint))

    def warning(self, code: str, path: str, message: str, *, node: str | None = None, hint: str | None = None) -> None:
        self._add(Problem(code=code, severity="warning", path=path, node=node, message=message, hint=hint))

    def _add(self, problem: Problem) -> None:
        self._found.setdefault((problem.code, problem.path, problem.message), problem)

    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._found.values())

    def nearest(self, name: str, known: Iterable[str]) -> str | None:
        """A hint that names the known word most like `name`, or the known ones where none is like it."""
        words = list(known)
        if (guess := self.guess(name, words)) is not None:
            return guess
        return f"known: {listed(sorted(words))}" if 0 < len(words) <= FEW else None

    def guess(self, name: str, known: Iterable[str]) -> str | None:
        """A hint that names the known word most like `name`, if one is."""
        words = list(known)
        self._comparisons += len(words)
        if len(name) > NEAREST_SIZE or self._comparisons > NEAREST_COMPARISONS:
            return None
        close = get_close_matches(name, words, n=1)
        return f"did you mean `{close[0]}`?" if close else None


def listed(words: Iterable[str], most: int = 12) -> str:
    """Words in a row, shortened."""
    words = list(words)
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(map(shown, words[:most])) + more


def clipped(message: str) -> str:
    """A message that may quote a long value, shortened in its middle."""
    return message if len(message) <= MESSAGE else f"{message[: MESSAGE // 2]} … {message[-MESSAGE // 2 :]}"


def shown(word: object) -> str:
    """A word from the document as messages show it: on one line, and not longer than a line."""
    text = " ".join(str(word).split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
