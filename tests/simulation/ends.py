"""How a simulated run ended, in a form in which two ends can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.codec import canonical
from engine.model import Commit, Kind, RunStatus, run_key_of
from tests.simulation.fate import Violation
from tests.simulation.workers import TASK_ID


@dataclass(frozen=True, slots=True)
class End:
    """Where a run has come to rest: its status, the state shown, and what each task was asked and did."""

    status: RunStatus
    state: dict[str, Any]
    facts: dict[Any, Any]
    commits: list[Commit]
    """Its own commits in order."""


def same(what: str, one: Any, other: Any, how: str) -> None:
    """Raise Violation where two values are not the same."""
    if one != other:
        raise Violation(f"{what}: {one} in one way, {other} {how}")


def check_message_names(commits: list[Commit]) -> None:
    """Two tasks never give their messages the same id."""
    seen: dict[str, Commit] = {}
    for commit in commits:
        for name, update in commit.writes:
            for message in update if name == "msgs" and isinstance(update, list) else [update]:
                known = message.get("id", "") if name == "msgs" and isinstance(message, dict) else ""
                if known.startswith("msg_") and seen.setdefault(known, commit) is not commit:
                    raise Violation(f"commits {seen[known].seq} and {commit.seq} both made a message {known}")


def nameless(state: Mapping[str, Any]) -> bytes:
    """A state without the names of tasks, which are others in a fork."""
    return TASK_ID.sub(b"", canonical(state))


def timeless(commit: Commit) -> Commit:
    """A commit without its times, which differ with the order of what happens."""
    asked = commit.interrupt and replace(commit.interrupt, expires_at=None)
    cancelled = tuple(replace(one, created_at=0, started_at=None) for one in commit.cancelled)
    return replace(commit, at=0, created_at=None, started_at=None, interrupt=asked, cancelled=cancelled)


def facts(commits: list[Commit], key: int) -> dict[Any, Any]:
    """Per task that a run has ended: where it stood, what it was asked, what came of it."""
    names = {commit.ref: commit.task.id if commit.task else str(commit.kind) for commit in commits}
    found: dict[Any, Any] = {}
    for commit in commits:
        if (
            commit.task is not None
            and commit.kind in (Kind.NODE, Kind.ITEM, Kind.SEND)
            and run_key_of(commit.ref) == key
        ):
            causes = tuple(names[ref] for ref in commit.causes)
            error = commit.error.code if commit.error is not None else None
            found[commit.task.id, commit.kind] = (
                commit.task.wave, commit.level, commit.task.index, causes, canonical(commit.writes), commit.chosen,
                commit.handle, error, commit.input_hash,
            )  # fmt: skip
    return found
