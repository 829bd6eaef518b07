"""What nobody needs is collected beside the server, and a store that fails is asked again."""

from __future__ import annotations

import asyncio

from engine.artifacts import Lease
from engine.errors import StoreUnavailable
from store.memory import MemoryStore
from watcher.artifacts import collected

PATIENCE_S = 10.0


class Failing(MemoryStore):
    """A store that cannot be read the first time."""

    fails = 1

    async def collect_artifacts(self, now: int) -> int:
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("not now")
        return await super().collect_artifacts(now)


async def test_it_is_collected_also_after_a_failure() -> None:
    store, looked, looks = Failing(), asyncio.Event(), 0
    async with store.receive() as upload:
        await upload.write(b"x")
        kept = await upload.finish("text/plain", Lease(now=0, expires_at=5))

    def clock() -> int:
        nonlocal looks
        looks += 1
        if looks == 3:  # the second time is over
            looked.set()
        return 5

    async with collected(store, clock, 0), asyncio.timeout(PATIENCE_S):
        await looked.wait()

    assert await store.artifact(kept.sha256) is None
