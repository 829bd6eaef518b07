"""Many callers of an agent at once: each gets its own task, to its end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tests.e2e.processes import Client, client_of, serving

SENDS, STREAMS = 1_000, 200
PATIENCE_S = 120.0
DOCUMENT = {
    "id": "patient",
    "state_schema": {"n": {"type": "integer"}, "seen": {"type": "integer"}},
    "nodes": {
        "wait": {"type": "wait", "seconds": 3},
        "see": {"type": "transform", "updates": {"seen": "{{ state.n }}"}},
    },
    "edges": [["__start__", "wait"], ["wait", "see"], ["see", "__end__"]],
    "output": ["seen"],
}


def asking(number: int, method: str) -> dict[str, Any]:
    message = {"messageId": f"m{number}", "role": "ROLE_USER", "parts": [{"data": {"n": number}}]}
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": {"message": message}}


def seen(task: dict[str, Any]) -> int:
    """What a task that is completed has given."""
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    [artifact] = task["artifacts"]
    return int(artifact["parts"][0]["data"]["seen"])


async def sent(session: aiohttp.ClientSession, url: str, number: int) -> int:
    async with session.post(url, json=asking(number, "SendMessage"), headers={"A2A-Version": "1.0"}) as response:
        answer = await response.json()
    assert answer["id"] == number
    return seen(answer["result"]["task"])


async def streamed(session: aiohttp.ClientSession, url: str, number: int) -> tuple[int, str]:
    """What the artifact of a stream said, and the last state."""
    found, state = -1, ""
    async with session.post(url, json=asking(number, "SendStreamingMessage"), headers={"A2A-Version": "1.0"}) as told:
        async for line in told.content:
            if not line.startswith(b"data: "):
                continue
            event = orjson.loads(line[6:])["result"]
            if "artifactUpdate" in event:
                found = event["artifactUpdate"]["artifact"]["parts"][0]["data"]["seen"]
            elif "statusUpdate" in event:
                state = event["statusUpdate"]["status"]["state"]
    return found, state


async def test_a_thousand_wait_and_two_hundred_listen_and_none_is_lost(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, client_of(server.url) as client, asyncio.timeout(PATIENCE_S):
        await client.save(DOCUMENT)
        url = f"{server.url}/a2a/v1/patient"
        waiting = [asyncio.ensure_future(sent(client.session, url, number)) for number in range(SENDS)]
        listening = [
            asyncio.ensure_future(streamed(client.session, url, number)) for number in range(SENDS, SENDS + STREAMS)
        ]
        assert await asyncio.gather(*waiting) == list(range(SENDS))
        ended = [(number, "TASK_STATE_COMPLETED") for number in range(SENDS, SENDS + STREAMS)]
        assert await asyncio.gather(*listening) == ended
        assert await _runs(client) == SENDS + STREAMS


async def _runs(client: Client) -> int:
    """How many runs there are."""
    total = 0
    query: dict[str, int | str] = {"limit": 200}
    while True:
        page = await client.ask("GET", "/runs", workflow_id="patient", **query)
        total += len(page["items"])
        if page["next_cursor"] is None:
            return total
        query["cursor"] = page["next_cursor"]
