"""Who is being answered is counted, and who only waits or is streamed to is not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api.visits import Visits
from engine.driver.guests import Guests

Send = Callable[[Any], Awaitable[None]]
START, BODY = {"type": "http.response.start", "status": 200}, {"type": "http.response.body", "body": b""}


async def nothing() -> Any:
    raise AssertionError("nothing is received")


async def played(scope: str, *steps: str) -> list[int]:
    """How many guests there are after each step, and in the end."""
    guests, counts = Guests(), list[int]()

    async def app(scope: Any, receive: Any, send: Send) -> None:
        for step in steps:
            if step == "break":
                raise RuntimeError("broken")
            if step == "wait":
                with guests.away():
                    counts.append(guests.count)
            elif step in ("start", "body"):
                await send(START if step == "start" else BODY)
            counts.append(guests.count)

    async def send(message: Any) -> None:
        assert message in (START, BODY)

    try:
        await Visits(app, guests)({"type": scope}, nothing, send)
    except RuntimeError:
        counts.append(-1)
    return [*counts, guests.count]


@pytest.mark.parametrize(
    ("scope", "steps", "counts"),
    [
        ("http", ("work", "start", "body", "body"), [1, 0, 0, 0, 0]),
        ("http", ("work", "wait", "work", "start"), [1, 0, 1, 1, 0, 0]),
        ("http", ("work", "break"), [1, -1, 0]),
        ("http", ("start", "break"), [0, -1, 0]),
        ("http", (), [0]),
        ("lifespan", ("work",), [0, 0]),
    ],
)
async def test_a_call_counts_until_its_answer_begins(scope: str, steps: tuple[str, ...], counts: list[int]) -> None:
    assert await played(scope, *steps) == counts
