"""Reports go together, in order, and none is lost where a line is down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from clew.worker._reports import LineDown, Outage, Reports, together


def text(channel: str, words: str) -> dict[str, Any]:
    return {"chunks": [{"channel": channel, "text": words}]}


def test_pieces_of_text_that_follow_each_other_are_one() -> None:
    reports = [
        text("llm", "a"),
        text("llm", "b"),
        {"stage": "s"},
        text("llm", "c"),
        text("tool", "d"),
        text("tool", "e"),
    ]
    assert together(reports) == [text("llm", "ab"), {"stage": "s"}, text("llm", "c"), text("tool", "de")]


def test_lines_of_a_log_stay_lines() -> None:
    reports = [text("log", "a"), text("log", "b")]
    assert together(reports) == reports


class Line:
    """Notes what is sent. `down` says how often it is not there; `wanted` what it answers."""

    beat_s = 3600.0

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.down = 0
        self.wanted = True
        self.changed = asyncio.Event()

    async def report(self, reports: Sequence[Any]) -> bool:
        return self._said(list(reports))

    async def heartbeat(self) -> bool:
        return self._said("beat")

    def _said(self, what: Any) -> bool:
        self.changed.set()
        if self.down:
            self.down -= 1
            raise LineDown("down")
        self.sent.append(what)
        return self.wanted

    async def next(self) -> None:
        async with asyncio.timeout(5):
            await self.changed.wait()
        self.changed.clear()


async def test_what_a_line_does_not_take_goes_before_what_comes_later() -> None:
    line = Line()
    line.down = 1
    reports = Reports(line, lambda: None, Outage())
    sending = asyncio.create_task(reports.run())
    reports.add({"stage": "one"})
    await line.next()
    reports.add({"stage": "two"})
    await line.next()
    reports.end()
    await sending
    assert line.sent == [[{"stage": "one"}, {"stage": "two"}]]
    assert reports.left() == []


async def test_what_was_not_sent_is_left_for_the_answer() -> None:
    line = Line()
    line.down = 1
    reports = Reports(line, lambda: None, Outage())
    sending = asyncio.create_task(reports.run())
    reports.add({"stage": "one"})
    await line.next()
    reports.end()
    await sending
    assert reports.left() == [{"stage": "one"}]


async def test_silence_is_broken_by_heartbeats_and_their_answer_counts() -> None:
    line, unwanted = Line(), asyncio.Event()
    line.beat_s, line.wanted = 0.001, False
    await Reports(line, unwanted.set, Outage()).run()
    assert line.sent == ["beat"]
    assert unwanted.is_set()
