"""Runs that are deleted while something of them waits to be written with what comes of others."""

from __future__ import annotations

import asyncio

from engine.model import RunId
from tests.unit.api.serving import Server, straight

DOCUMENTS = [straight()]


async def test_what_was_only_noted_of_a_run_does_not_keep_others_from_being_written(server: Server) -> None:
    loop = server.wired.engine.loop
    gone, other = [await server.post("/runs?wait=5", {"workflow_id": "straight"}, 201) for _ in range(2)]
    for run in (gone, other):
        live = loop.live(RunId(run["id"]))
        assert live is not None
        loop.ask(live, lambda turn, found: turn.note(found, "late", None, {"why": "it came late"}))
    await asyncio.sleep(0)
    await server.call("DELETE", f"/runs/{gone['id']}", 204)
    await loop.idle()

    kept = await server.wired.store.events(loop.keys[RunId(other["id"])], 0, 100)
    assert (loop.tally.lost, kept[-1].kind) == (0, "late")
