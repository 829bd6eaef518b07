"""Every operation answers as it is described, whatever is asked: a short form of `tests.e2e.interface`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.furnished import Furnished, furnished
from tests.e2e.interface import SEED, Prober, mistakes, operations

EXAMPLES = 15
OPERATIONS = operations()

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Furnished]:
    async with furnished(tmp_path_factory.mktemp("furnished")) as found:
        yield found


@pytest.mark.parametrize("name", OPERATIONS)
async def test_an_operation_answers_as_it_is_described(place: Furnished, name: str) -> None:
    prober, ids = Prober(place.server.url), await place.furnish()
    await asyncio.to_thread(prober.probe, OPERATIONS[name], ids, EXAMPLES, SEED)
    assert mistakes(place.server) == []
