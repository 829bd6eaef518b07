"""An outbox for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.dispatch.desk import Desk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    found = Desk()
    yield found
    await found.box.close(0)
