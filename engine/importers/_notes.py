"""The report of an import: what was taken over as it is, what nearly, and what has no counterpart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from engine.checks.problem import clipped
from engine.values import dataclass

MOST = 500
"""So many notes of each outcome are kept; all are counted."""


class Outcome(StrEnum):
    """What became of a part of the source."""

    MAPPED = "mapped"
    APPROXIMATED = "approximated"
    UNMAPPED = "unmapped"


class Severity(StrEnum):
    """How much a note matters; an error keeps the result from being saved."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


SEVERITIES: Mapping[Outcome, Severity] = {
    Outcome.MAPPED: Severity.INFO,
    Outcome.APPROXIMATED: Severity.WARNING,
    Outcome.UNMAPPED: Severity.WARNING,
}


@dataclass(frozen=True, slots=True)
class Construct:
    """Something that documents of a format have: how it is called there, what it becomes, and what to know of that.

    `hint` says what can be done about it.
    """

    source: str
    becomes: str
    about: str
    outcome: Outcome = Outcome.MAPPED
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What became of one place in the source; `path` is its JSON Pointer."""

    outcome: Outcome
    severity: Severity
    construct: str
    path: str
    message: str
    hint: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "severity": self.severity.value,
            "part": self.construct,
            "path": self.path,
            "message": self.message,
            "hint": self.hint,
        }


MALFORMED = Construct(
    "a part of the wrong form", "nothing", "it is left out", Outcome.UNMAPPED, "repair it in the source"
)
CYCLE = Construct(
    "a cycle that no edge leads into",
    "an edge from the start to its first node",
    "as it stands in the document",
    Outcome.APPROXIMATED,
)
COMMON = (MALFORMED, CYCLE)
"""What documents of every format may have."""


class Notes:
    """The notes on one import, in the order in which they were made; `constructs` are those of the format."""

    def __init__(self, constructs: Mapping[str, Construct]) -> None:
        self.constructs = constructs
        self.counts: Counter[Outcome] = Counter()
        self.failed = False
        self._kept: dict[Outcome, list[Note]] = {outcome: [] for outcome in Outcome}

    def add(self, construct: str, path: str, message: str, hint: str | None = None) -> None:
        """Note what became of a place, as the construct says by its name."""
        found = self.constructs[construct]
        self._add(found, path, message, SEVERITIES[found.outcome], hint or found.hint)

    def common(self, construct: Construct, path: str, message: str) -> None:
        """Note what became of a place, by a construct that every format may have."""
        self._add(construct, path, message, SEVERITIES[construct.outcome], construct.hint)

    def malformed(self, path: str, message: str) -> None:
        """Note a place that is of the wrong form; nothing is saved then."""
        self.failed = True
        self._add(MALFORMED, path, message, Severity.ERROR, MALFORMED.hint)

    def _add(self, found: Construct, path: str, message: str, severity: Severity, hint: str | None) -> None:
        self.counts[found.outcome] += 1
        kept = self._kept[found.outcome]
        if len(kept) < MOST:
            note = Note(
                outcome=found.outcome,
                severity=severity,
                construct=found.source,
                path=path,
                message=clipped(message),
                hint=hint,
            )
            kept.append(note)

    def of(self, outcome: Outcome) -> tuple[Note, ...]:
        """The notes with this outcome, the first ones where there are many."""
        return tuple(self._kept[outcome])
