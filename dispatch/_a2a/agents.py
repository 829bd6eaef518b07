"""Which agents there are behind workers: their cards, kept as long as they say, and what was found out about them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import structlog

from dispatch._a2a.card import V03, V1, VERSIONS, Card, CardInvalid, Interface, interface_of, origin_problem, read_card
from dispatch._a2a.security import Credentials, credentials_of
from dispatch._address import check_worker_url
from dispatch._fault import Fault, said
from dispatch._http import Http, HttpFailure, Response
from engine.codec import CodecError, loads
from engine.errors import EngineError
from engine.ports import WorkerRow

PLACES = ("/.well-known/agent-card.json", "/.well-known/agent.json")
"""Where a card is below the address of an agent; the second one is from before 0.3."""
FRESH_MS, LONGEST_MS = 5 * 60_000, 24 * 3_600_000
"""How long a card is kept that does not say it, and the longest."""
AGAIN_MS = 30_000
"""After so long it is tried again to get a newer card, where that failed."""
CARD_S = 10.0
PINS = (*VERSIONS, "0.2")
"""The versions that metadata may name; 0.2 is 0.3 on the wire."""

log = structlog.get_logger(__name__)


class NoCard(EngineError):
    """There was an answer, and it is no card; `response` is what was said last."""

    code = "agent.card"

    def __init__(self, message: str, response: Response) -> None:
        super().__init__(message)
        self.response = response


@dataclass(slots=True, kw_only=True)
class Agent:
    """The agent behind a worker. What its card says, and what was learned: `version` is the one that works, `streams`
    whether it does, `own_contexts` that it makes the ids of contexts itself."""

    card: Card
    card_url: str
    interface: Interface
    version: str
    streams: bool
    pinned: bool
    own_contexts: bool = False
    etag: str | None = None
    until: int = 0
    contexts: dict[str, str] = field(default_factory=dict)
    """The agent's contexts of sessions, where they are not called as the session is."""

    def learn_from(self, before: Agent) -> None:
        """Keep what was learned of an agent whose card says of that what it had said before."""
        self.own_contexts, self.contexts = before.own_contexts, before.contexts
        if self.interface == before.interface and self.card.streams == before.card.streams:
            self.version, self.streams = before.version, before.streams


class Agents:
    """The agents of workers. `clock` gives milliseconds since the epoch."""

    def __init__(self, http: Http, clock: Callable[[], int]) -> None:
        self._http, self._clock = http, clock
        self._known: dict[tuple[str, str], Agent] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    def serve(self, workers: Iterable[WorkerRow]) -> None:
        """Forget those that are no workers any more, or are somewhere else."""
        keys = {_key(worker) for worker in workers}
        self._known = {key: agent for key, agent in self._known.items() if key in keys}
        self._asking = {name: lock for name, lock in self._asking.items() if name in {key[0] for key in keys}}

    async def of(self, worker: WorkerRow) -> Agent:
        """The agent behind a worker. Raises HttpFailure, NoCard or CardInvalid, or TimeoutError."""
        known = self._known.get(_key(worker))
        if known is not None and self._clock() < known.until and not _repinned(known, worker):
            return known
        async with self._asking.setdefault(worker.id, asyncio.Lock()):
            known = self._known.get(_key(worker))
            if known is None or self._clock() >= known.until or _repinned(known, worker):
                known = self._known[_key(worker)] = await self._asked(worker, known)
            return known

    async def _asked(self, worker: WorkerRow, known: Agent | None) -> Agent:
        """An agent by its card of now; by the one of before where there is no other to be had."""
        try:
            async with asyncio.timeout(CARD_S):
                return await self._by_card(worker, known)
        except (HttpFailure, NoCard, CardInvalid, TimeoutError) as error:
            if known is None or _repinned(known, worker):
                raise
            log.warning("agent.card_not_renewed", worker_id=worker.id, error=str(error) or "it took too long")
            known.until = self._clock() + AGAIN_MS
            return known

    async def _by_card(self, worker: WorkerRow, known: Agent | None) -> Agent:
        response, url = await self._card(worker, known)
        if response.status == 304 and known is not None:
            known.until = self._clock() + fresh_ms(response.headers)
            return known
        if response.status != 200 and (pinned := pin_of(worker, "a2a_version")) is not None:
            base = worker.url or ""
            found = Card(name=worker.id, interfaces=(Interface(url=base, version=pinned),), schemes={})
        else:
            found = _read(response, url)
        agent = _agent(worker, found, url)
        agent.etag, agent.until = response.headers.get("ETag"), self._clock() + fresh_ms(response.headers)
        if known is not None:
            agent.learn_from(known)
        return agent

    async def _card(self, worker: WorkerRow, known: Agent | None) -> tuple[Response, str]:
        """What is said to who asks for the card: at its own address, or below the one of the agent. Raises
        HttpFailure."""
        headers = {name.lower(): value for name, value in worker.headers.items()} | {"accept": "application/json"}
        if worker.token:
            headers.setdefault("authorization", f"Bearer {worker.token}")
        places = card_urls(worker.url or "")
        for url in places:
            etag = known.etag if known is not None and known.card_url == url else None
            response = await self._http.get(url, headers | ({"if-none-match": etag} if etag else {}), CARD_S)
            if response.status not in (404, 405, 410):
                break
        return response, url


def card_urls(url: str) -> tuple[str, ...]:
    """Where the card of an agent may be: at an address that ends in `.json`, else below it."""
    parts = urlsplit(url)
    if parts.path.endswith(".json"):
        return (url,)
    return tuple(urlunsplit(parts._replace(path=parts.path.rstrip("/") + place)) for place in PLACES)


def endpoint_of(agent: Agent, credentials: Credentials) -> str:
    """The address at which an agent is asked, with what its credentials add to it."""
    if not credentials.query:
        return agent.interface.url
    parts = urlsplit(agent.interface.url)
    query = "&".join(filter(None, (parts.query, urlencode(credentials.query))))
    return urlunsplit(parts._replace(query=query))


def versions_of(agent: Agent) -> tuple[str, ...]:
    """The versions in which an agent is asked: that of its card, or what worked before, then older ones, then newer."""
    place = VERSIONS.index(agent.version)
    return (agent.version,) if agent.pinned else (*VERSIONS[place:], *reversed(VERSIONS[:place]))


def check(worker: WorkerRow) -> list[Fault]:
    """What is wrong with what a worker says of how it is asked."""
    found = []
    version, url = said(worker, "a2a_version"), said(worker, "a2a_url")
    if version is not None and version not in PINS:
        found.append(Fault("metadata/a2a_version", f"metadata.a2a_version must be one of {', '.join(map(repr, PINS))}"))
    if url is not None and not isinstance(url, str):
        found.append(Fault("metadata/a2a_url", "metadata.a2a_url must be a URL"))
    elif url is not None and (why := check_worker_url(url)) is not None:
        found.append(Fault("metadata/a2a_url", f"metadata.a2a_url: {why}"))
    return found


def pin_of(worker: WorkerRow, name: str) -> str | None:
    """What the metadata of a worker says of how it is asked."""
    value = said(worker, name)
    return value if isinstance(value, str) and value else None


def fresh_ms(headers: Mapping[str, str]) -> int:
    """How long a card may be used without asking again."""
    age = re.search(r"max-age=(\d{1,9})", headers.get("Cache-Control", ""))
    return FRESH_MS if age is None else min(int(age[1]) * 1000, LONGEST_MS)


def headers_of(agent: Agent, worker: WorkerRow, version: str) -> dict[str, str]:
    """The headers of every request: the worker's own, its token as the card wants it, the version."""
    sent = {name.lower(): value for name, value in worker.headers.items()}
    sent |= credentials_of(agent.card, worker).headers
    sent |= {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    return sent | ({"a2a-version": V1} if version == V1 else {})


def _read(response: Response, url: str) -> Card:
    if response.status != 200:
        told = f"no card at {url}: {response.status} {response.reason}".rstrip()
        raise NoCard(told + (": redirects are not followed" if 300 <= response.status < 400 else ""), response)
    try:
        return read_card(loads(response.body))
    except CodecError as error:
        raise CardInvalid(f"the card at {url} is no JSON: {error}") from error


def _agent(worker: WorkerRow, card: Card, card_url: str) -> Agent:
    pinned, url = pin_of(worker, "a2a_version"), pin_of(worker, "a2a_url")
    if pinned is not None and pinned not in PINS:
        raise CardInvalid(f"`metadata.a2a_version` is '{pinned[:20]}'; spoken here: {', '.join(VERSIONS)}")
    found = interface_of(card, V03 if pinned == "0.2" else pinned)
    if url is not None:
        found = Interface(url=url, version=found.version, tenant=found.tenant)
    elif (problem := origin_problem(card_url, found.url)) is not None:
        raise CardInvalid(problem)
    return Agent(
        card=card, card_url=card_url, interface=found, version=found.version, streams=card.streams,
        pinned=pinned is not None,
    )  # fmt: skip


def _repinned(known: Agent, worker: WorkerRow) -> bool:
    """Whether a worker says by now something else of how it is asked."""
    pinned, url = pin_of(worker, "a2a_version"), pin_of(worker, "a2a_url")
    other: Any = V03 if pinned == "0.2" else pinned
    return (
        known.pinned is not (pinned is not None)
        or (other is not None and other != known.version)
        or (url is not None and url != known.interface.url)
    )


def _key(worker: WorkerRow) -> tuple[str, str]:
    return worker.id, worker.url or ""
