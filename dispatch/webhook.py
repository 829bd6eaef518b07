"""The `webhook` protocol: a task is POSTed to the worker's URL; the response answers it, or a later call does."""

from __future__ import annotations

from collections.abc import Mapping

from dispatch._address import check_worker_url
from dispatch._http import HttpFailure
from dispatch._reply import reply_of, reply_of_failure
from dispatch._secrets import signature_headers
from dispatch._transport import Tools
from engine.encoding import Pieces
from engine.outbox import Reply
from engine.ports import WorkerRow

check_address = check_worker_url


def open_transport(tools: Tools) -> Webhook:
    return Webhook(tools)


class Webhook:
    """Delivers over HTTP. The worker's token, signature and own headers go along; ours win over its own."""

    def __init__(self, tools: Tools) -> None:
        self._http = tools.http
        self._clock = tools.clock

    async def deliver(self, worker: WorkerRow, body: Pieces, headers: Mapping[str, str], timeout_s: float) -> Reply:
        try:
            response = await self._http.post(worker.url or "", body, self._headers(worker, body, headers), timeout_s)
        except HttpFailure as failure:
            return reply_of_failure(failure)
        return reply_of(response, self._clock())

    async def close(self) -> None:
        """Nothing to release: the HTTP client is shared."""

    def _headers(self, worker: WorkerRow, body: Pieces, headers: Mapping[str, str]) -> dict[str, str]:
        sent = {name.lower(): value for name, value in worker.headers.items()}
        sent |= {name.lower(): value for name, value in headers.items()}
        sent["content-type"] = "application/json"
        if worker.token:
            sent["authorization"] = f"Bearer {worker.token}"
        if worker.secret:
            sent |= signature_headers(worker.secret, sent["idempotency-key"], self._clock(), body)
        return sent
