"""How a task is spoken of over HTTP: reports, heartbeats and late answers go to the address that came with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from clew._backoff import Backoff
from clew._json import encode
from clew.models import Json
from clew.worker._reports import LineDown

BEAT_S = 10.0
REPORT_S = 10.0
LATE_S = 3600.0
"""For how long it is tried to give an answer."""
HEADERS = {"Content-Type": "application/json"}
MISSING_ARTIFACT = "artifact.missing"
OVER = frozenset({403, 404, 409})
"""Refusals that no other try makes good: nobody waits for the task."""

log = logging.getLogger(__name__)


def new_http() -> httpx.AsyncClient:
    """The client for all tasks of a worker. It carries no token: the addresses do."""
    return httpx.AsyncClient(timeout=REPORT_S, trust_env=False)


class ReplyLine:
    """The line behind a `reply_to`."""

    def __init__(self, http: httpx.AsyncClient, reply_to: str, beat_s: float = BEAT_S) -> None:
        self.beat_s = beat_s
        self._http = http
        # The token goes as a header: addresses are logged by many.
        parts = urlsplit(reply_to)
        query = dict(parse_qsl(parts.query))
        token = query.pop("token", None)
        self._headers = HEADERS if token is None else {**HEADERS, "X-Clew-Token": token}
        self._url = parts._replace(path=parts.path.removesuffix("/result"), query=urlencode(query))

    async def report(self, reports: Sequence[Json]) -> bool:
        return await self._tell("progress", {"events": list(reports)})

    async def heartbeat(self) -> bool:
        return await self._tell("heartbeat", {})

    async def answer(self, body: Json) -> bool:
        """Give the answer, however often that has to be tried; whether it counts. Raises LineDown after an hour."""
        backoff = Backoff(LATE_S)
        while True:
            try:
                response = await self._post("result", body)
            except LineDown:
                if not await backoff.wait():
                    raise
                continue
            if response.is_error:
                log.info("an answer does not count: %s", _why(response))
            if response.is_error and response.status_code not in OVER and "error" not in body:
                body = _refused(response)  # or the task would wait for its time to be up
                continue
            return response.is_success

    async def _tell(self, what: str, body: Json) -> bool:
        response = await self._post(what, body)
        if response.status_code in OVER:
            return False
        if response.is_error:
            log.warning("reports are refused: %s", _why(response))
            return True
        return bool(response.json().get("wanted", True))

    async def _post(self, what: str, body: Json) -> httpx.Response:
        """Raises LineDown where the server gives no answer, or none that stands."""
        url = self._url._replace(path=f"{self._url.path}/{what}")
        try:
            response = await self._http.post(url.geturl(), content=encode(body), headers=self._headers)
        except httpx.TransportError as error:
            raise LineDown(f"{url.netloc} does not answer: {str(error) or type(error).__name__}") from error
        if response.status_code >= 500 or response.status_code == 429:
            raise LineDown(_why(response))
        return response


def _refused(response: httpx.Response) -> Json:
    """What is answered instead of an answer that the server cannot take."""
    said = _problem(response)
    code = said.get("code", "answer.invalid")
    message = said.get("detail") or response.reason_phrase
    return {"error": {"code": code, "message": message, "retryable": code == MISSING_ARTIFACT}}


def _why(response: httpx.Response) -> str:
    return f"{response.status_code} {_problem(response).get('detail') or response.reason_phrase}"


def _problem(response: httpx.Response) -> Json:
    try:
        said: Any = response.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
