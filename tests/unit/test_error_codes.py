"""The pages of codes list each code that the sources have, and no other."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from dispatch._choose import Reason
from engine import places
from engine.limits import LimitReason
from engine.progress import TIMER

ROOT = Path(__file__).parents[2]
ERRORS, VALIDATION = (ROOT / "docs/reference" / f"{name}.md" for name in ("errors", "validation"))
SOURCES = ("engine", "api", "dispatch", "store", "watcher", "reducers")
CODE = re.compile(r"[a-z_]+\.[a-z0-9_]+")

BARE = {"timeout", "internal", "not_found"}
"""Codes of one word."""
BY_STATUS = {"worker.http_408", "worker.http_429", "worker.http_4xx", "worker.http_5xx"}
"""Codes that are made of a status."""
NEVER_TOLD = {"engine.error", "node.failed", "http.failed", "request.refused", "json.value"}
"""What classes of errors have where each one raised has a code of its own, or none gets out."""
NO_CODES = {
    "clew.nodes", "clew.reducers", "clew.importers", "engine.nodes", "engine.importers", "workflow.container",
    "uvicorn.error", "runs.key", "worker.http_", "error.message", "jobs.id", "goto.updates", "interrupt.message",
    "interrupt.expires_in_ms", "usage.input_tokens", "usage.output_tokens", "message.parts", "http.disconnect",
    "clew.abort", "cmd.dispatch",
    "task.dispatch", "task.result", "task.feedback", "command.error", "websocket.accept", "websocket.receive",
    "websocket.send", "websocket.close",
}  # fmt: skip
"""Names of modules, columns, fields, frames and messages that look like codes."""


def tables(page: Path) -> Iterator[dict[str, list[str]]]:
    """The tables of a page: what stands behind each code in its first column, once for each time that it is there."""
    for block in re.findall(r"(?:^\|.*\n)+", page.read_text("utf-8"), re.MULTILINE):
        found: dict[str, list[str]] = {}
        for row in block.splitlines()[2:]:
            first, rest = row.strip("| ").split(" | ", 1)
            for code in re.findall(r"`([a-z0-9_.]+)`", first):
                found.setdefault(code, []).append(rest)
        yield found


@cache
def in_sources() -> set[str]:
    """Every text in the sources that could be a code, but for the words of the log."""
    found: set[str] = set()
    for path in (path for name in SOURCES for path in (ROOT / name).rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        logged = {id(word) for call in calls if is_log(call) for word in call.args}
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and id(node) not in logged else None
            if isinstance(text, str) and CODE.fullmatch(text):
                found.add(text)
    return found


def is_log(call: ast.Call) -> bool:
    return (
        isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "log"
    )


def listed() -> set[str]:
    return {code for page in (ERRORS, VALIDATION) for table in tables(page) for code in table}


def test_every_code_in_the_sources_is_listed() -> None:
    assert in_sources() - NO_CODES - NEVER_TOLD - listed() == set()


def test_every_code_that_is_listed_is_in_the_sources() -> None:
    reasons = {reason.value for reason in (*Reason, *LimitReason, *places.Reason)} | {TIMER}
    assert listed() - in_sources() == BARE | BY_STATUS | reasons


def test_what_is_left_out_is_there() -> None:
    assert in_sources() >= NO_CODES | NEVER_TOLD


@pytest.mark.parametrize("page", [ERRORS, VALIDATION], ids=lambda page: page.stem)
def test_a_code_stands_once_in_a_table_and_in_another_one_for_a_reason_of_its_own(page: Path) -> None:
    twice = Counter[str]()
    reasons: dict[str, set[str]] = {}
    for table in tables(page):
        assert [code for code, rows in table.items() if len(rows) > 1] == []
        for code, [row] in table.items():
            twice[code] += 1
            reasons.setdefault(code, set()).add(row.rpartition(" | ")[2])
    assert {code: count for code, count in twice.items() if len(reasons[code]) != count} == {}
