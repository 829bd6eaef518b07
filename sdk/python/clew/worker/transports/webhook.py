"""The `webhook` transport: the server posts tasks to this worker, and the response is the answer.

A raw ASGI application on uvicorn. The worker makes its own secret, and answers nobody whose requests are not signed
with it.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from clew._json import encode
from clew.models import Json
from clew.worker._reply import ReplyLine, new_http
from clew.worker._signature import fault_of, new_secret
from clew.worker.registration import Registration
from clew.worker.shift import Shift
from clew.worker.transports._options import Options, Unusable, missing, say_ready

try:
    import uvicorn
except ImportError:
    raise missing("uvicorn", "webhook") from None

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable as Receive
    from uvicorn._types import ASGISendCallable as Send
    from uvicorn._types import Scope

MOST_BYTES = 64 * 1024 * 1024


class Server(uvicorn.Server):
    """A server that leaves signals to the shift."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Webhook:
    """Listens at `listen`, and registers under `address`, which is `http://{listen}/` where it is not given."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.secret = options.secret or new_secret()

    async def serve(self, shift: Shift) -> None:
        """Listen, register, answer; on the end leave the server first, so that nothing new comes."""
        listening = _listening(self.options.listen)
        host, port = listening.getsockname()[:2]
        address = self.options.address or f"http://{host}:{port}/"
        async with new_http() as http, self.options.client() as client:
            app = App(shift, self.secret, http, self.options.accept_after_s)
            config = uvicorn.Config(
                app, lifespan="off", ws="none", log_config=None, log_level="warning", access_log=False,
                timeout_graceful_shutdown=round(shift.worker.grace_s),
            )  # fmt: skip
            server = Server(config)
            async with _listens(server, listening, shift):
                entry = Registration(
                    shift, client, "webhook", url=address, secret=self.secret, metadata={"cancel": True}
                )
                if await entry.enter():
                    app.known.set()
                    say_ready(address)
                    async with entry.kept():
                        await shift.closing.wait()
                    await entry.leave(address)
                await shift.drained()


@asynccontextmanager
async def _listens(server: Server, listening: socket.socket, shift: Shift) -> AsyncIterator[None]:
    """Have requests answered as long as this lasts. Should that end before, so does the shift."""
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    serving.add_done_callback(lambda _: shift.closing.set())
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def open_transport(options: Options) -> Webhook:
    """The transport that the options describe."""
    return Webhook(options)


class App:
    """Answers requests. `known` is set when the server knows the secret: no request is judged before that."""

    def __init__(self, shift: Shift, secret: str, http: Any, accept_after_s: float | None) -> None:
        self.known = asyncio.Event()
        self._shift, self._secret, self._http = shift, secret, http
        self._accept_after_s = accept_after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "GET":
            await _respond(send, 200, {"status": "ok", "worker": self._shift.worker.id})
            return
        body = await _body(receive)
        if body is None:
            await _respond(send, 413, _error("worker.too_large", f"a task may have {MOST_BYTES} bytes at most"))
            return
        await self.known.wait()
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        fault = fault_of(self._secret, headers, body, time())
        if fault is not None:
            await _respond(send, 401, _error("worker.signature", fault, retryable=True))
        elif scope["method"] == "DELETE":
            self._shift.cancel(unquote(scope["path"].rpartition("/")[2]))
            await _respond(send, 200, {})
        else:
            await self._task(headers, body, receive, send)

    async def _task(self, headers: dict[str, str], body: bytes, receive: Receive, send: Send) -> None:
        try:
            task = json.loads(body)
            line = ReplyLine(self._http, task["reply_to"])
        except (ValueError, KeyError, TypeError):
            await _respond(send, 400, _error("worker.task", "the body is no task"))
            return
        message_id = headers.get("idempotency-key") or headers["webhook-id"]
        answer = asyncio.ensure_future(self._shift.perform(task, message_id, line))
        gone = asyncio.ensure_future(_hung_up(receive))
        try:
            await asyncio.wait({answer, gone}, timeout=self._accept_after_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if answer.cancelled():
            await _respond(send, 503, _error("worker.left", "the worker has ended meanwhile", retryable=True))
        elif answer.done():
            await _respond(send, 200, answer.result())
        elif gone.done():
            # The server may have ended, and ask again; or nobody wants the answer any more, which it will say.
            self._shift.ask(message_id)
        else:
            self._shift.hold(_give(line, answer))
            await _respond(send, 202, {})


async def _give(line: ReplyLine, answer: asyncio.Future[Json]) -> None:
    """Give an answer to `reply_to` when it is there."""
    await line.answer(await answer)


async def _body(receive: Receive) -> bytes | None:
    """The body of a request; None for one that is too large."""
    parts, size, more = [], 0, True
    while more:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BYTES:
            return None
        more = message.get("more_body", False)
    return b"".join(parts)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _respond(send: Send, status: int, body: Json) -> None:
    content = encode(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _error(code: str, message: str, *, retryable: bool = False) -> Json:
    return {"error": {"code": code, "message": message, "retryable": retryable}}


def _listening(listen: str) -> socket.socket:
    """A socket that listens at `host:port`. Raises Unusable for what is none, OSError where it cannot."""
    host, _, port = listen.rpartition(":")
    if not port.isascii() or not port.isdigit():
        raise Unusable(f"--listen: expected host:port, not '{listen}'")
    return socket.create_server((host.strip("[]") or "127.0.0.1", int(port)), family=_family(host))


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
