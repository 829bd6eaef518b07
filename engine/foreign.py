"""Documents of other systems: which format one is in, what becomes of it, and whether that is a valid workflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from engine.checks.document import check_size
from engine.checks.problem import Findings, Problem, listed, shown
from engine.errors import Invalid
from engine.importers._notes import Notes, Outcome
from engine.plugins import importers
from engine.validate import DEFAULT_LIMITS, Limits, validate
from engine.values import dataclass
from reducers._errors import described

UNKNOWN, UNREADABLE = "format.unknown", "format.unreadable"
INVALID = "import.invalid"
NODES = ("nodes", "actions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """What an import made: the document in Clew's language, notes on how, and the problems of that document."""

    format: str
    document: dict[str, Any]
    notes: Notes
    problems: tuple[Problem, ...]

    @property
    def complete(self) -> bool:
        """Whether everything of the source could be read."""
        return not self.notes.failed

    @property
    def valid(self) -> bool:
        """Whether everything could be read, and the document has no errors."""
        return self.complete and all(problem.severity != "error" for problem in self.problems)

    def report(self) -> dict[str, Any]:
        """The notes and problems as JSON."""
        problems = [problem.as_json() for problem in self.problems]
        return {
            "format": self.format,
            "valid": self.valid,
            "counts": {outcome.value: self.notes.counts[outcome] for outcome in Outcome},
            **{outcome.value: [note.as_json() for note in self.notes.of(outcome)] for outcome in Outcome},
            "errors": [problem for problem in problems if problem["severity"] == "error"],
            "warnings": [problem for problem in problems if problem["severity"] != "error"],
        }

    def require_valid(self) -> None:
        """Raises Invalid (`import.invalid`) with all that is wrong, and with the report, where the result is not to be
        saved."""
        if self.valid:
            return
        report = self.report()
        unread = [
            {"code": UNREADABLE, "node": None, **{key: note[key] for key in ("severity", "path", "message", "hint")}}
            for note in report[Outcome.UNMAPPED.value]
            if note["severity"] == "error"
        ]
        found = [*unread, *report["errors"]]
        where = found[0]["path"] or "/"
        raise Invalid(f"the import is not saved: {where}: {found[0]['message']}", INVALID, found, report=report)


def formats() -> tuple[str, ...]:
    """The names of all formats, sorted."""
    return tuple(importers())


def convert(document: Any, name: str | None = None, limits: Limits = DEFAULT_LIMITS) -> Converted:
    """What becomes of a document of another system, whose format is found out where no name is given.

    Raises Invalid: `format.unknown` where there is no such format, or where none or several of them look like this one;
    `format.unreadable` for what is no object, or too large to be looked into.
    """
    source = _readable(document, limits)
    found = _detected(source) if name is None else name
    module = _named(found)
    notes = Notes(module.CONSTRUCTS)
    made = module.convert(source, notes)
    return Converted(format=found, document=made, notes=notes, problems=validate(made, limits))


def _readable(document: Any, limits: Limits) -> dict[str, Any]:
    findings = Findings()
    if not isinstance(document, dict):
        raise Invalid(f"expected a document in an object, got {described(document)}", UNREADABLE)
    if not check_size(document, limits.max_bytes, findings):
        problems = [problem.as_json() for problem in findings.problems()]
        raise Invalid(problems[0]["message"], UNREADABLE, problems)
    if (most := max(_counts(document), default=0)) > limits.max_nodes:
        raise Invalid(f"a graph has {most:,} nodes, more than the {limits.max_nodes:,} allowed", UNREADABLE)
    return document


def _counts(document: dict[str, Any]) -> Iterator[int]:
    """How many nodes each graph in a document has."""
    todo: list[Any] = [document]
    while todo:
        value = todo.pop()
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(inner, dict | list):
                todo.append(inner)
                if name in NODES:
                    yield len(inner)


def _named(name: str) -> ModuleType:
    if (module := importers().get(name)) is None:
        raise Invalid(f"there is no format `{shown(name)}`; known: {listed(formats())}", UNKNOWN)
    return module


def _detected(document: Mapping[str, Any]) -> str:
    found = [name for name, module in importers().items() if module.recognises(document)]
    if len(found) != 1:
        what = f"it may be any of {listed(found)}" if found else f"it looks like none of {listed(formats())}"
        raise Invalid(f"the format is not clear: {what}; name it", UNKNOWN)
    return found[0]
