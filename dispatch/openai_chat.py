"""The `openai_chat` protocol: a task is a request for a chat completion, to any server that speaks like OpenAI's.

What the model says is told while it says it; the answer is its content, or the tools that it wants to be called.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson
import structlog

from dispatch._address import check_worker_url
from dispatch._chat_answer import answer_of
from dispatch._chat_errors import Said, refusal, refusal_of
from dispatch._chat_rates import rate_limit_of
from dispatch._chat_reading import Heard, heard
from dispatch._chat_reports import reporting
from dispatch._chat_request import Asked, Unaskable, request_of
from dispatch._chat_task import headers_of
from dispatch._envelope import Envelope
from dispatch._fault import Fault, bool_fault
from dispatch._http import HttpFailure, Response
from dispatch._reply import reply_of_failure
from dispatch._transport import Tools, Transport, refused
from dispatch._unsaid import text_without
from engine.answer import told_in
from engine.outbox import Answered, Reply
from engine.ports import WorkerRow

PATH = "/chat/completions"
USAGE = {"stream_options": {"include_usage": True}}

_MAY_BE_OPTIONS = frozenset({400, 422})  # said by servers that do not know an option

log = structlog.get_logger(__name__)


def open_transport(tools: Tools) -> OpenAiChat:
    return OpenAiChat(tools)


def check_address(address: str) -> str | None:
    """What is wrong with the base address of a server, or None."""
    return check_worker_url(address)


def check(worker: WorkerRow) -> list[Fault]:
    """What is wrong with what a worker says of itself."""
    return bool_fault(worker, "stream")


class OpenAiChat(Transport):
    """Asks models over HTTP. A request that is cancelled has its connection closed, at which servers stop."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._plain: set[tuple[str, str | None]] = set()  # workers that refuse to be asked what a stream has cost

    def serve(self, workers: Sequence[WorkerRow]) -> None:
        self._plain &= {(worker.id, worker.url) for worker in workers}

    async def deliver(self, worker: WorkerRow, task: Envelope, timeout_s: float) -> Reply:
        try:
            asked = request_of(worker, task)
        except Unaskable as why:
            return refused(why.code, why.message, retryable=False)
        try:
            return await self._answer(worker, task, asked, timeout_s)
        except HttpFailure as failure:
            return reply_of_failure(failure)

    async def _answer(self, worker: WorkerRow, task: Envelope, asked: Asked, timeout_s: float) -> Reply:
        """Ask, and once more without the option about usage where that may be what is refused. Raises HttpFailure."""
        name, body = (worker.id, worker.url), asked.body
        optional = asked.stream and "stream_options" not in body and name not in self._plain
        if not optional:
            return self._reply(worker, await self._exchange(worker, task, body, timeout_s), asked)
        found = await self._exchange(worker, task, body | USAGE, timeout_s)
        if isinstance(found, Response) and found.status in _MAY_BE_OPTIONS:
            found = await self._exchange(worker, task, body, timeout_s)
            if isinstance(found, Heard):
                log.info("chat.no_stream_options", worker_id=worker.id)
                self._plain.add(name)
        return self._reply(worker, found, asked)

    async def _exchange(
        self, worker: WorkerRow, task: Envelope, body: dict[str, Any], timeout_s: float
    ) -> Heard | Response:
        """What comes back: what was heard, or a response that says that it failed. Raises HttpFailure."""
        headers = headers_of(worker, task, accept="text/event-stream, application/json", accept_encoding="identity")
        url, sent = address_of(worker.url or ""), (orjson.dumps(body),)
        async with self._tools.http.stream(url, sent, headers, timeout_s) as incoming:
            if not 200 <= incoming.status < 300:
                return await incoming.whole()
            async with reporting(self._tools.inbox, task.correlation_id) as reports:
                found = await heard(incoming, reports.add)
        if isinstance(found, HttpFailure):
            raise found
        return found

    def _reply(self, worker: WorkerRow, found: Heard | Response, asked: Asked) -> Reply:
        now = self._tools.clock()
        if isinstance(found, Response):
            return refusal_of(found, now, partial(text_without, worker))
        if isinstance(found.said, Said):
            return refusal(found.said, found.status)
        if found.problem:
            told = told_in({"usage": found.completion.usage})
            return refused("answer.invalid", found.problem, retryable=True, told=told)
        body = answer_of(found.completion, as_json=asked.as_json, partial=asked.partial)
        limit = rate_limit_of(found.headers, now)
        return Answered(body=body if limit is None else body | {"rate_limit": limit})


def address_of(url: str) -> str:
    """Where completions are asked for, below the base address of a server."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=path if path.endswith(PATH) else path + PATH))
