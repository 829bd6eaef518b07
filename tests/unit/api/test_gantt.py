"""A trace as it is drawn."""

from __future__ import annotations

import re

from api.cli._gantt import LATER, gantt

ITEM = {
    "address": "a", "status": "running", "created_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:00:01Z",
    "finished_at": None, "waits": [], "worker_id": None, "attempts": [], "join": None, "reused": False, "cached": False,
}  # fmt: skip
NOW = 1_767_225_600.0 + 10


def drawn(status: str, finished_at: str | None = None) -> list[str]:
    item = {**ITEM, "status": status, "finished_at": finished_at}
    trace = {"run_id": "r", "status": status, "items": [item], "joins": []}
    return [re.sub("\x1b\\[[0-9;]*m", "", line) for line in gantt(trace, 20, NOW)]


def test_what_is_under_way_is_drawn_until_now() -> None:
    head, line = drawn("running")
    assert head == "r running, 10.000 s"
    assert line == f"a |··{LATER * 18}| running"


def test_what_has_ended_is_drawn_until_its_end() -> None:
    head, _ = drawn("completed", "2026-01-01T00:00:04Z")
    assert head == "r completed, 4.000 s"
