"""Gets to know an agent when it is registered as a worker: what its card says is shown, and its skills become tags."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from dispatch._a2a.agents import Agent, Agents, NoCard
from dispatch._a2a.card import CardInvalid
from dispatch._a2a.security import security_problem
from dispatch._http import Http, HttpFailure
from engine.ports import WorkerRow
from engine.values import replace

CARD = "card"
"""The field of a worker's metadata that shows its card; `tags` in it are those that come from there."""
WAIT_S = 5.0
MAX_TAGS, MAX_TAG = 200, 200


async def introduce(http: Http, clock: Callable[[], int], worker: WorkerRow, before: WorkerRow | None) -> WorkerRow:
    """A worker with what its card says by now; `before` is how it was known. One whose card cannot be had shows why,
    and is not refused: its agent may be there later."""
    if before is not None and _card(before):
        worker = _shown(worker, _card(before), worker.tags)
    try:
        async with asyncio.timeout(WAIT_S):
            agent = await Agents(http, clock).of(worker)
    except TimeoutError:
        return _with_problem(worker, f"the card did not come within {WAIT_S:g} s")
    except (HttpFailure, NoCard, CardInvalid) as error:
        return _with_problem(worker, error.message)
    return _with_card(worker, agent)


def needs_introduction(worker: WorkerRow) -> bool:
    """Whether the card of a worker is still to be had."""
    return "problem" in _card(worker) or not _card(worker)


def _with_card(worker: WorkerRow, agent: Agent) -> WorkerRow:
    own = _own_tags(worker)
    tags = [tag for tag in agent.card.tags if tag not in own and len(tag) <= MAX_TAG and tag.isprintable()]
    card: dict[str, Any] = {
        "name": agent.card.name, "description": agent.card.description, "version": agent.card.version,
        "url": agent.interface.url, "protocol_version": agent.version, "streaming": agent.card.streams,
        "push": agent.card.pushes, "skills": list(agent.card.skills), "tags": tags[:MAX_TAGS],
    }  # fmt: skip
    if (problem := security_problem(agent.card, worker)) is not None:
        card["warning"] = problem
    return _shown(worker, card, (*own, *tags[:MAX_TAGS]))


def _with_problem(worker: WorkerRow, problem: str) -> WorkerRow:
    return _shown(worker, {**_card(worker), "problem": problem}, worker.tags)


def _shown(worker: WorkerRow, card: Mapping[str, Any], tags: tuple[str, ...]) -> WorkerRow:
    metadata = worker.metadata if isinstance(worker.metadata, Mapping) else {}
    return replace(worker, metadata={**metadata, CARD: dict(card)}, tags=tags)


def _own_tags(worker: WorkerRow) -> tuple[str, ...]:
    """The tags that somebody gave it."""
    before = set(_card(worker).get("tags") or ())
    return tuple(tag for tag in worker.tags if tag not in before)


def _card(worker: WorkerRow) -> Mapping[str, Any]:
    found = worker.metadata.get(CARD) if isinstance(worker.metadata, Mapping) else None
    return found if isinstance(found, Mapping) else {}
