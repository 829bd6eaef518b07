"""Workers that dial again: what they said of themselves on the connection before."""

from __future__ import annotations

from pathlib import Path

from tests.sockets import Dialler, a_socketed_server
from tests.unit.api.serving import working


async def test_one_that_drained_and_dials_again_gets_tasks(tmp_path: Path) -> None:
    async with a_socketed_server(tmp_path) as (server, url):
        await server.post("/workflows", working(), 201)
        async with Dialler.at(url) as worker:
            await worker.say("heartbeat", status="draining")
            while not (drained := await server.get("/workers/w1"))["away"]:
                pass
        run = await server.post("/workflows/working/runs", {}, 201)
        async with Dialler.at(url) as worker:
            await worker.answer(await worker.take(), {"output": "done"})
            ended = await server.settled(run["id"])
            back = await server.get("/workers/w1")

    assert drained["reason"] == "it says that it is draining"
    assert (ended["status"], back["away"], back["reported_status"]) == ("completed", False, None)
