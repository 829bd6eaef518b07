"""Scripted answers: what each node's tasks are answered, in turn, when no worker is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.errors import Invalid
from engine.model import ErrorInfo
from engine.outbox import Answered, Refused, Reply
from engine.values import dataclass

KINDS = ("output", "answer", "fail", "resume")
KNOWN = (*KINDS, "delay_ms")
MAX_DELAY_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One answer. `resume` is for interrupts; `output` is short for the answer `{"output": …}` of a worker."""

    kind: str
    value: Any
    delay_ms: int = 0

    def reply(self, node: str) -> Reply:
        """What the engine is told a worker has said."""
        match self.kind:
            case "output":
                return Answered(body={"output": self.value})
            case "answer":
                return Answered(body=self.value)
            case "fail":
                return _refusal(node, self.value)
            case _:
                return _refusal(node, {"code": "script.kind", "message": f"'{node}' asks a worker: give 'output'"})


def _refusal(node: str, fault: Any) -> Refused:
    given = fault if isinstance(fault, dict) else {"message": fault, "retryable": True}
    error = ErrorInfo(code=str(given.get("code", "script.failed")), message=str(given["message"]), node=node)
    return Refused(error=error, retryable=given.get("retryable", False))


class Script:
    """The lines of each node. A list is used up line by line; a single line answers every time."""

    def __init__(self, lines: Mapping[str, Line | list[Line]]) -> None:
        self._lines = {node: found if isinstance(found, Line) else list(found) for node, found in lines.items()}

    def next(self, node: str) -> Line | None:
        """The next line of a node; None where there is none (any more)."""
        found = self._lines.get(node)
        if isinstance(found, list):
            return found.pop(0) if found else None
        return found

    def why_none(self, node: str) -> str:
        """Why a node has no next line, and what to do."""
        if node in self._lines:
            return f"the answers for node '{node}' are used up: add one to its list"
        return f"there are no answers for node '{node}': add them to the file of --answers"

    def unused(self) -> dict[str, int]:
        """How many lines of a list were not needed, by node."""
        return {node: len(found) for node, found in self._lines.items() if isinstance(found, list) and found}


def parse_script(given: Any, nodes: Iterable[str]) -> Script:
    """A script from JSON: an object of lines, or lists of them, by node. Raises Invalid with all that is wrong."""
    if not isinstance(given, dict):
        raise Invalid("the answers are an object of nodes", "script.invalid")
    known, problems, lines = set(nodes), [], {}
    for node, found in given.items():
        if node not in known:
            problems.append({"path": f"/{node}", "message": f"the workflow has no node '{node}'"})
        several = found if isinstance(found, list) else [found]
        problems += [
            {"path": f"/{node}/{n}", "message": fault} for n, line in enumerate(several) if (fault := _fault(line))
        ]
        if not problems:
            parsed = [_line(line) for line in several]
            lines[node] = parsed if isinstance(found, list) else parsed[0]
    if problems:
        raise Invalid("the answers are not valid", "script.invalid", problems)
    return Script(lines)


def _line(given: Mapping[str, Any]) -> Line:
    kind = next(kind for kind in KINDS if kind in given)
    return Line(kind=kind, value=given[kind], delay_ms=given.get("delay_ms", 0))


def _fault(line: Any) -> str | None:
    if not isinstance(line, dict) or len([kind for kind in KINDS if kind in line]) != 1:
        return "an answer is an object with one of " + ", ".join(KINDS)
    if unknown := [key for key in line if key not in KNOWN]:
        return f"'{unknown[0]}' is not known here; known are {', '.join(KNOWN)}"
    delay = line.get("delay_ms", 0)
    if isinstance(delay, bool) or not isinstance(delay, int) or not 0 <= delay <= MAX_DELAY_MS:
        return f"delay_ms is a whole number of milliseconds, at most {MAX_DELAY_MS}"
    if "fail" in line and not _is_failure(line["fail"]):
        return "fail is a message, or an object with message, and with code and retryable where they matter"
    return None


def _is_failure(given: Any) -> bool:
    if isinstance(given, str):
        return True
    return (
        isinstance(given, dict)
        and isinstance(given.get("message"), str)
        and given.keys() <= {"message", "code", "retryable"}
        and isinstance(given.get("code", ""), str)
        and isinstance(given.get("retryable", False), bool)
    )
