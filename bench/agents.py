"""What it costs to call a workflow as an Agent2Agent agent, beside the same over REST."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import count
from typing import Any

from bench.documents import chain
from bench.report import Figure, Section
from bench.rest import AT_ONCE, Place, Variants, place

LEAST = 0.5
"""How much of the rate of REST is wanted."""
_MARKS = count()


async def agents(quick: bool) -> list[Section]:
    """Messages a second to an agent whose workflow adds one to a number, from 32 clients; each waits for the task."""
    document = chain(1)
    each = 15 if quick else 50
    async with place(document) as found:
        ways = {
            "rest": partial(_started, found, document["id"]),
            "1.0": partial(_sent_1_0, found, document["id"]),
            "0.3": partial(_sent_0_3, found, document["id"]),
        }
        variants = await Variants(found).take(
            3 if quick else 9, {name: (AT_ONCE * each, partial(_at_once, ask, each)) for name, ask in ways.items()}
        )
    rest = variants.figure("rest", "runs begun over REST, with ?wait", "runs/s")
    return [
        Section(
            "a workflow as an agent",
            [rest, *(figure for version in ("1.0", "0.3") for figure in _figures(variants, version))],
        )
    ]


def _figures(variants: Variants, version: str) -> list[Figure]:
    share = variants.ratio("rest", version)
    return [
        variants.figure(version, f"messages to the agent, {version}", "runs/s"),
        Figure(name="… as a share of the rate of REST", value=share, unit="", least=LEAST),
    ]


async def _at_once(ask: Any, each: int) -> None:
    async def in_turn() -> None:
        for _ in range(each):
            await ask()

    await asyncio.gather(*(in_turn() for _ in range(AT_ONCE)))


async def _started(found: Place, name: str) -> None:
    await found.run(name, {"n": 1})


async def _sent_1_0(found: Place, name: str) -> None:
    message = {"messageId": f"m{next(_MARKS)}", "role": "ROLE_USER", "parts": [{"data": {"n": 1}}]}
    result = await _called(found, name, "SendMessage", message, {"A2A-Version": "1.0"})
    _check(result["task"]["status"]["state"], "TASK_STATE_COMPLETED")


async def _sent_0_3(found: Place, name: str) -> None:
    part = {"kind": "data", "data": {"n": 1}}
    message = {"kind": "message", "messageId": f"m{next(_MARKS)}", "role": "user", "parts": [part]}
    result = await _called(found, name, "message/send", message, {})
    _check(result["status"]["state"], "completed")


async def _called(found: Place, name: str, method: str, message: Any, headers: dict[str, str]) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"message": message}}
    async with found.client.session.post(f"{found.server.url}/a2a/{name}", json=body, headers=headers) as response:
        return (await response.json())["result"]


def _check(state: str, wanted: str) -> None:
    if state != wanted:
        raise RuntimeError(f"a task is {state}")
