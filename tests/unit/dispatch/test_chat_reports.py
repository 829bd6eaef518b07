"""What a model says is told while it says it."""

from __future__ import annotations

from dispatch._chat_reports import reporting
from dispatch._inbox import Receipt
from tests.unit.dispatch.builders import Caught


def told(inbox: Caught) -> list[tuple[str, str]]:
    return [(chunk["channel"], chunk["text"]) for _, [report] in inbox.reports for chunk in report["chunks"]]


async def test_the_first_text_is_told_at_once_and_what_follows_together():
    inbox = Caught()
    async with reporting(inbox, "t1.s") as reports:
        reports.add("llm", "a")
        await inbox.until(lambda: bool(inbox.reports))
        for text in "bcdefg":
            reports.add("llm", text)
        reports.add("reasoning", "h")
    assert told(inbox) == [("llm", "a"), ("llm", "bcdefg"), ("reasoning", "h")]
    assert [corr for corr, _ in inbox.reports] == ["t1.s", "t1.s"]


async def test_what_cannot_be_written_down_is_told_later_and_in_order():
    inbox = Caught()
    inbox.down = True
    async with reporting(inbox, "t1.s") as reports:
        reports.add("llm", "a")
        await inbox.until(lambda: inbox.asked > 0)
        reports.add("llm", "b")
        inbox.down = False
    assert told(inbox) == [("llm", "a"), ("llm", "b")]


async def test_nothing_more_is_told_of_a_task_that_nobody_waits_for():
    inbox = Caught()
    inbox.receipt = Receipt(code="task.over", message="it is over", wanted=False)
    async with reporting(inbox, "t1.s") as reports:
        reports.add("llm", "a")
        await inbox.until(lambda: bool(inbox.reports))
        reports.add("llm", "b")
    assert told(inbox) == [("llm", "a")]
