"""Work beside a server: it goes on, and ends with the server."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from engine.errors import Conflict
from watcher._beside import beside


async def test_work_goes_on_until_the_end() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with beside(work()):
        await begun.wait()
        assert not ended.is_set()
    assert ended.is_set()


async def test_what_is_raised_inside_comes_out_as_it_is() -> None:
    with pytest.raises(Conflict):
        async with beside(asyncio.Event().wait()):  # type: ignore[arg-type]
            raise Conflict("no")


async def test_work_that_fails_is_told_and_takes_nothing_along() -> None:
    failed = asyncio.Event()

    async def work() -> None:
        failed.set()
        raise ZeroDivisionError

    with capture_logs() as logs:
        async with beside(work()):
            await failed.wait()
    assert [line["event"] for line in logs] == ["watcher.failed"]
