"""Requests to the server: tried again where that does nothing twice, and refusals made errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx

from clew._backoff import Backoff
from clew._json import encode
from clew.errors import ClewError, Unreachable, problem_of, retry_after_of
from clew.models._base import Model

M = TypeVar("M", bound=Model)
Query = Mapping[str, Any]

LOCAL = "http://127.0.0.1:8080"
ANSWER_S = 30.0
"""How long an answer may take, beside what a call asks the server to wait for."""
QUIET_S = 60.0
"""A stream that is silent for so long has been cut off: the server sends a comment every 15 s."""
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures before anything has reached the server."""
JSON = "application/json"


class Http:
    """One server, as its client asks it. `patience_s` bounds how long a call is tried again.

    Raises ValueError for an address that is none: nobody would ever answer there.
    """

    def __init__(
        self, url: str, token: str | None, patience_s: float, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        if not is_address(url):
            raise ValueError(f"'{url}' is no address of a server, such as {LOCAL}")
        self.url = url.rstrip("/").removesuffix("/v1")
        self.patience_s = patience_s
        self._client = httpx.AsyncClient(
            base_url=f"{self.url}/v1",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=ANSWER_S,
            transport=transport,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        key: str | None = None,
        wait_s: float = 0.0,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        again: bool = False,
    ) -> httpx.Response:
        """The answer to a request. Raises Problem for a refusal, Unreachable where there is no answer.

        What has not reached the server, what only reads, what carries a `key`, and what may be done `again` is tried
        again when the connection is lost; a 503 always is, since it says that nothing was done.
        """
        request = self._client.build_request(
            method,
            path,
            params=_query(query),
            content=encode(body) if content is None and body is not None else content,
            headers={**_headers(body, key), **(headers or {})},
            timeout=httpx.Timeout(ANSWER_S, read=ANSWER_S + wait_s),
        )
        return await self._answer(request, repeatable=again or key is not None or method == "GET")

    async def _answer(self, request: httpx.Request, *, repeatable: bool) -> httpx.Response:
        backoff = Backoff(self.patience_s)
        while True:
            try:
                response = await self._client.send(request)
            except httpx.TransportError as error:
                again = repeatable or isinstance(error, NOT_SENT)
                if not (again and await backoff.wait()):
                    raise self.unreachable(error) from error
                continue
            if response.status_code == 503 and await backoff.wait(retry_after_of(response)):
                continue
            if response.is_error:
                raise problem_of(response)
            return response

    async def get(self, kind: type[M], path: str, query: Query | None = None, wait_s: float = 0.0) -> M:
        """What is at a path."""
        return kind.model_validate_json((await self.call("GET", path, query=query, wait_s=wait_s)).content)

    async def post(self, kind: type[M], path: str, body: Any = None, query: Query | None = None) -> M:
        """What a call answers that makes nothing which could be made twice."""
        return kind.model_validate_json((await self.call("POST", path, body=body or {}, query=query)).content)

    async def create(
        self, kind: type[M], path: str, body: Any = None, *, key: str | None, query: Query | None = None,
        wait_s: float = 0.0,
    ) -> M:  # fmt: skip
        """What a call has made: once, however often it had to be tried."""
        made = await self.call(
            "POST", path, body={} if body is None else body, query=query, key=key or new_key(), wait_s=wait_s
        )
        return kind.model_validate_json(made.content)

    async def items(self, kind: type[M], path: str, query: Query | None = None) -> AsyncIterator[M]:
        """All items of a list, page by page."""
        cursor: str | None = None
        while True:
            page = (await self.call("GET", path, query={**(query or {}), "cursor": cursor})).json()
            for item in page["items"]:
                yield kind.model_validate(item)
            cursor = page["next_cursor"]
            if cursor is None:
                return

    @asynccontextmanager
    async def stream(self, path: str, query: Query, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """An answer whose body is read as it comes. Raises Problem for a refusal; httpx.TransportError goes through."""
        timeout = httpx.Timeout(ANSWER_S, read=QUIET_S)
        async with self._client.stream(
            "GET", path, params=_query(query), headers=dict(headers), timeout=timeout
        ) as response:
            if response.is_error:
                await response.aread()
                raise problem_of(response)
            yield response

    def unreachable(self, error: Exception) -> ClewError:
        """The error for a server that gives no answer."""
        why = str(error) or type(error).__name__
        return Unreachable(f"{self.url} does not answer: {why}")


def is_address(url: str) -> bool:
    """Whether this can be the address of a server."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is none
        return False


def new_key() -> str:
    """An Idempotency-Key that nobody has used."""
    return str(uuid4())


def path_of(*parts: str) -> str:
    """The path that these names make, whatever characters they have."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _headers(body: Any, key: str | None) -> dict[str, str]:
    found = {} if body is None else {"Content-Type": JSON}
    return found if key is None else {**found, "Idempotency-Key": key}


def _query(query: Query | None) -> dict[str, str]:
    return {name: _text(value) for name, value in (query or {}).items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return ",".join(map(str, value)) if isinstance(value, list | tuple | set | frozenset) else str(value)
