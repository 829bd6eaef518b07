"""The `api_chat` protocol: a task is POSTed as a message of a session; the response is as that of a webhook."""

from __future__ import annotations

from functools import partial

import orjson

from dispatch._address import check_worker_url
from dispatch._chat_task import headers_of, message_of, task_of
from dispatch._envelope import Envelope
from dispatch._http import HttpFailure
from dispatch._reply import reply_of, reply_of_failure
from dispatch._secrets import signature_headers
from dispatch._transport import Tools, Transport
from dispatch._unsaid import text_without
from engine.outbox import Reply
from engine.ports import WorkerRow

check_address = check_worker_url


def open_transport(tools: Tools) -> ApiChat:
    return ApiChat(tools)


class ApiChat(Transport):
    """Delivers messages over HTTP, signed as a webhook is. Where an answer may be given later stands in a header, since
    the body has no place for it. Nothing is told of a task that is cancelled but that its connection is closed."""

    def __init__(self, tools: Tools) -> None:
        self._http, self._clock = tools.http, tools.clock

    async def deliver(self, worker: WorkerRow, task: Envelope, timeout_s: float) -> Reply:
        told = task_of(task)
        body = orjson.dumps({"message": message_of(told), "session_id": told.get("session_id")})
        headers = headers_of(worker, task, clew_reply_to=task.reply_to)
        if worker.secret:
            headers |= signature_headers(worker.secret, task.message_id, self._clock(), (body,))
        try:
            response = await self._http.post(worker.url or "", (body,), headers, timeout_s)
        except HttpFailure as failure:
            return reply_of_failure(failure)
        return reply_of(response, self._clock(), partial(text_without, worker))
