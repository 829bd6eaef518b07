"""What validation says of a document, for the tests of one problem each."""

from __future__ import annotations

from typing import Any

from engine.validate import Problem, validate
from tests.builders import chain, document, task, writes

GOOD = document({"a": writes(n=1), "b": task(output_key="log")}, chain("a", "b"))


def with_(**more: Any) -> dict[str, Any]:
    """A good document with these fields."""
    return {**GOOD, **more}


def node(fields: Any, *, state: Any = None, **more: Any) -> dict[str, Any]:
    """A document with the one node `a`."""
    return document({"a": fields}, chain("a"), state, **more)


def found(wrong: Any, code: str) -> list[Problem]:
    """The problems with a code."""
    return [problem for problem in validate(wrong) if problem.code == code]


def only(wrong: Any) -> Problem:
    """The one problem that there is."""
    problems = validate(wrong)
    assert len(problems) == 1, problems
    return problems[0]


def codes(wrong: Any) -> list[str]:
    """The codes of all problems, in order."""
    return sorted(problem.code for problem in validate(wrong))
