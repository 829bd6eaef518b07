"""The client of a server: `Client` for asynchronous programs, `SyncClient` for all others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Self, Unpack

import httpx

from clew._faces import Async, Blocking, F, Resource, call, listed
from clew._following import Following
from clew._http import LOCAL, Http
from clew.fields import Mode, RunFilters
from clew.models import Event, Info, NodeType
from clew.resources._runs import filters_of, modes_text
from clew.resources.artifacts import Artifacts
from clew.resources.dead_letters import DeadLetters
from clew.resources.interrupts import Interrupts
from clew.resources.jobs import Jobs
from clew.resources.runs import Runs
from clew.resources.sessions import Sessions
from clew.resources.workers import Workers
from clew.resources.workflows import Workflows

PATIENCE_S = 30.0


class Server(Resource[F]):
    """What both clients have: the resources, and what is asked of the server as a whole."""

    def __init__(self, http: Http, face: F) -> None:
        super().__init__(http, face)
        self.workflows: Workflows[F] = Workflows(http, face)
        self.runs: Runs[F] = Runs(http, face)
        self.interrupts: Interrupts[F] = Interrupts(http, face)
        self.workers: Workers[F] = Workers(http, face)
        self.sessions: Sessions[F] = Sessions(http, face)
        self.dead_letters: DeadLetters[F] = DeadLetters(http, face)
        self.jobs: Jobs[F] = Jobs(http, face)
        self.artifacts: Artifacts[F] = Artifacts(http, face)

    @property
    def url(self) -> str:
        """The server's address, without `/v1`."""
        return self._http.url

    @call
    async def info(self) -> Info:
        """What this server is, and what it can do."""
        return await self._http.get(Info, "/admin/info")

    @call
    async def ready(self) -> None:
        """Wait until the server can do its work, as long as the client is patient. Raises Unreachable or NotNow."""
        await self._http.call("GET", "/ready")

    @listed
    def node_types(self) -> AsyncIterator[NodeType]:
        """All types of nodes, with their schemas."""
        return self._http.items(NodeType, "/node-types")

    @listed
    def events(
        self,
        modes: Mode | Sequence[Mode] = ("updates",),
        *,
        after: str | None = None,
        from_now: bool = False,
        metadata: Mapping[str, str] | None = None,
        **filters: Unpack[RunFilters],
    ) -> AsyncIterator[Event]:
        """What happens in all runs, or in those that the filters of `runs.list` name. It goes on by itself after a lost
        connection, and has no end. `modes` is one name, or several of them."""
        query = {"mode": modes_text(modes), **({"from": "now"} if from_now else {}), **filters_of(metadata, filters)}
        return Following(self._http, "/events", query, after, lambda event: False).events()


class Client(Server[Async]):
    """A server, for asynchronous programs: `async with Client("http://127.0.0.1:8080") as clew: …`.

    `token` is the server's bearer token, where it has one. A call whose connection is lost, or which the server
    cannot answer now (503), is tried again for `patience_s` seconds, as long as that does nothing twice.
    """

    def __init__(
        self,
        url: str = LOCAL,
        token: str | None = None,
        *,
        patience_s: float = PATIENCE_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(Http(url, token, patience_s, transport), Async())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()


class SyncClient(Server[Blocking]):
    """A server, for programs without an event loop: `with SyncClient("http://127.0.0.1:8080") as clew: …`.

    It has the same operations as `Client`; they give their results at once, and lists and streams are plain iterators.
    It may be used from several threads.
    """

    def __init__(
        self,
        url: str = LOCAL,
        token: str | None = None,
        *,
        patience_s: float = PATIENCE_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(Http(url, token, patience_s, transport), Blocking())

    def close(self) -> None:
        """Close the connections, and end the thread behind the client."""
        self._face.call(self._http.close())
        self._face.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
