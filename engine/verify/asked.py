"""Interrupts as the checker sees them: what was asked, whether the value fits, and how one expires."""

from __future__ import annotations

from engine.answer import parse_answer
from engine.errors import NodeFailure
from engine.expiry import outcome
from engine.kinds import AUTH
from engine.model import Commit, InterruptOpened, Kind
from engine.schema import compile_schema
from engine.verify.line import Line


def asked_right(line: Line, commit: Commit) -> bool:
    """Whether the interrupts that a commit opens and ends are what they should be."""
    opened = [line.asked.get(name) for name in commit.resolved]
    if commit.worker_asks and commit.interrupt is not None:
        pause = parse_answer(commit.answer).interrupt
        asked = commit.interrupt.message, commit.interrupt.schema, commit.interrupt.kind == AUTH
        return pause is not None and (pause.message, pause.schema, pause.auth) == asked
    return all(found is not None and _ended_right(line, commit, found) for found in opened)


def _ended_right(line: Line, commit: Commit, opened: InterruptOpened) -> bool:
    if commit.kind is not Kind.RESUME:
        return _expired_right(line, commit, opened)
    elsewhere = opened.kind == AUTH and commit.answer["resume"] is None
    given = opened.by_worker and opened.schema is not None and not elsewhere
    return not given or compile_schema(opened.schema).accepts(commit.answer["resume"])


def _expired_right(line: Line, commit: Commit, opened: InterruptOpened) -> bool:
    if opened.expires_at is None or commit.at < opened.expires_at:
        return False
    code = commit.error.code if commit.error is not None else None
    try:
        found = outcome(line.graph, opened)
    except NodeFailure as failure:
        return code == failure.node_code
    return (commit.handle, commit.answer) == (found.handle, found.answer) or code == "state.invalid"
