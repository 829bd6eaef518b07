"""The `webhook` protocol: a task is POSTed to the worker's URL; the response answers it, or a later call does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from urllib.parse import quote, urlsplit, urlunsplit

import structlog

from dispatch._about import about
from dispatch._address import check_worker_url
from dispatch._envelope import Envelope
from dispatch._fault import Fault, bool_fault, said
from dispatch._http import HttpFailure
from dispatch._reply import reply_of, reply_of_failure
from dispatch._secrets import signature_headers
from dispatch._transport import Tools, Transport
from dispatch._unsaid import text_without
from engine.encoding import Pieces
from engine.model import TaskId
from engine.outbox import Reply
from engine.ports import WorkerRow

TOLD_S = 10.0
"""For how long it is tried to tell a worker that a task is cancelled."""

MAX_SIGNED = 64
"""So many bodies are signed before they are sent; of more the first are signed again."""

check_address = check_worker_url
log = structlog.get_logger(__name__)


def check(worker: WorkerRow) -> list[Fault]:
    """What is wrong with what a worker says of itself."""
    return bool_fault(worker, "cancel")


def open_transport(tools: Tools) -> Webhook:
    return Webhook(tools)


class Webhook(Transport):
    """Delivers over HTTP. The worker's token, signature and own headers go along; ours win over its own."""

    def __init__(self, tools: Tools) -> None:
        self._http = tools.http
        self._clock = tools.clock
        self._signed: dict[int, tuple[Pieces, WorkerRow, Mapping[str, str]]] = {}

    def prepare(self, worker: WorkerRow, task: Envelope) -> None:
        """Sign a body that is to be sent soon."""
        if worker.secret:
            signed = signature_headers(worker.secret, task.message_id, self._clock(), task.pieces)
            self._signed[id(task.pieces)] = (task.pieces, worker, signed)
            if len(self._signed) > MAX_SIGNED:
                self._signed.pop(next(iter(self._signed)))

    async def deliver(self, worker: WorkerRow, task: Envelope, timeout_s: float) -> Reply:
        headers = self._headers(worker, task.pieces, task.headers)
        try:
            response = await self._http.post(worker.url or "", task.pieces, headers, timeout_s)
        except HttpFailure as failure:
            return reply_of_failure(failure)
        return reply_of(response, self._clock(), partial(text_without, worker))

    async def cancel(self, worker: WorkerRow, task_id: TaskId, message_id: str) -> None:
        """DELETE its URL with the task's id, if it says by `metadata.cancel` that it can be told."""
        if said(worker, "cancel") is not True:
            return
        headers = {"Idempotency-Key": f"{task_id}.cancel"}
        try:
            await self._http.delete(_of_task(worker.url or "", task_id), self._headers(worker, (b"",), headers), TOLD_S)
        except HttpFailure as failure:
            log.info("cancel.untold", **about(), worker_id=worker.id, error=failure.message)

    def _headers(self, worker: WorkerRow, body: Pieces, headers: Mapping[str, str]) -> dict[str, str]:
        sent = {name.lower(): value for name, value in worker.headers.items()}
        sent |= {name.lower(): value for name, value in headers.items()}
        sent["content-type"] = "application/json"
        if worker.token:
            sent["authorization"] = f"Bearer {worker.token}"
        if worker.secret:
            known, by, signed = self._signed.pop(id(body), ((), None, {}))
            ready = known is body and by is worker
            sent |= signed if ready else signature_headers(worker.secret, sent["idempotency-key"], self._clock(), body)
        return sent


def _of_task(url: str, task_id: TaskId) -> str:
    """The address of a task below that of its worker."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(task_id, safe='')}"))
