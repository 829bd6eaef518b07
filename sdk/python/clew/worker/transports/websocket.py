"""The `websocket` transport: the worker dials in, and gets its tasks over the connection that it has opened."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from urllib.parse import urlsplit
from uuid import uuid4

from clew._backoff import Backoff
from clew._json import encode
from clew.errors import ClewError
from clew.models import Json
from clew.worker._condition import FEATURES, PROTOCOL_VERSION
from clew.worker._reports import LineDown
from clew.worker.registration import first_of
from clew.worker.shift import Shift
from clew.worker.transports._options import Options, Unusable, missing, say_ready

try:
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
except ImportError:
    raise missing("websockets", "websocket") from None

MOST_BYTES = 64 * 1024 * 1024
ENDS = {
    401: "the server wants its token: --token, or CLEW_TOKEN",
    403: "the server refuses this worker",
    404: "the server has no sockets for workers at this address",
    4403: "the server refuses this worker",
    4409: "another process has dialled in under this id; give each its own: --id",
    4411: "the worker was drained and removed at the server",
}
"""Statuses and close codes after which it is of no use to dial again."""
UNREAD, REFUSED, REMOVED = 4400, 4403, 4410
UNFIT = "(frame.invalid)"
"""Why the connection of a worker is closed as `UNREAD` whose registration would be refused every time."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Held:
    """A request that the worker has. `result` is the frame with its answer, until that is acknowledged."""

    task_id: str
    corr: str
    result: Json | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class Websocket:
    """Dials `/v1/ws/worker`, and dials again after every end that is not for good."""

    beat_s = 3600.0
    """Of tasks: their heartbeats say nothing here, and a cancel comes as a frame."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._socket: ClientConnection | None = None
        self._held: dict[str, Held] = {}
        self._refusal = ""
        self._was_ready = False
        self._has_turned = False

    async def serve(self, shift: Shift) -> None:
        """Dial, register, answer. At the end the connection stays until all answers are acknowledged."""
        dialling = asyncio.ensure_future(self._dial(shift))
        shift.beat = partial(self._beat, shift)
        try:
            await first_of(shift.closing.wait(), asyncio.shield(dialling))
            if dialling.done():
                dialling.result()
            await self._say({"type": "drain"})
            await shift.drained()
        finally:
            dialling.cancel()
            await asyncio.gather(dialling, return_exceptions=True)

    async def _dial(self, shift: Shift) -> None:
        """Connect again and again. Raises Unusable where that is of no use."""
        parts = urlsplit(self.options.client_url)
        url = parts._replace(scheme={"https": "wss"}.get(parts.scheme, "ws"), path="/v1/ws/worker").geturl()
        headers = {"Authorization": f"Bearer {self.options.token}"} if self.options.token else {}
        backoff = Backoff(inf)
        while True:
            try:
                async with connect(
                    url, additional_headers=headers, max_size=MOST_BYTES, proxy=None, compression=None
                ) as socket:
                    await self._talk(shift, socket, backoff)
                    why, code = f"it was closed ({socket.close_code} {socket.close_reason})", socket.close_code
            except InvalidStatus as error:
                why, code = str(error), error.response.status_code
            except (OSError, WebSocketException, TimeoutError) as error:
                why, code = str(error) or type(error).__name__, None
            if code == REFUSED and await self._turned(shift.worker.id):
                continue
            if code in ENDS:
                raise Unusable(f"{ENDS[code]} ({self._refusal or why})")
            if code == UNREAD and UNFIT in self._refusal:
                raise Unusable(f"the server does not take the worker as it is ({self._refusal})")
            if code == REMOVED:
                log.warning("worker '%s' was removed at the server: it registers again", shift.worker.id)
            else:
                log.warning("no connection to %s: %s", url, why)
            await backoff.wait()

    async def _turned(self, worker_id: str) -> bool:
        """Whether a worker that was refused since it came another way before is let in now: it says that it has changed
        its transport. It is said once, so that two processes that use one id in different ways are not at odds for
        ever."""
        if self._has_turned or "(worker.exists)" not in self._refusal:
            return False
        self._has_turned = True
        try:
            async with self.options.client() as client:
                await client.workers.change(worker_id, protocol="websocket", url=None)
        except ClewError as error:
            log.warning("the worker cannot change its transport: %s", error)
            return False
        log.info("worker '%s' came another way before; it comes over a socket from now on", worker_id)
        return True

    async def _talk(self, shift: Shift, socket: ClientConnection, backoff: Backoff) -> None:
        """One connection, from the registration to its end."""
        beating: asyncio.Task[None] | None = None
        worker = shift.worker
        holding = [{"task_id": held.task_id, "corr": held.corr} for held in self._held.values()]
        said = {"id": worker.id, "tags": worker.tags, "max_concurrent": worker.max_concurrent}
        said |= {"protocol_version": PROTOCOL_VERSION, "features": list(FEATURES), "metadata": worker.metadata}
        await socket.send(_text({"type": "register", **said, **await shift.condition(), "holding": holding}))
        try:
            async for text in socket:
                frame = json.loads(text)
                if frame["type"] == "registered":
                    self._socket = socket
                    backoff.begin()
                    beating = asyncio.create_task(self._beat_on(shift, frame["heartbeat_ms"] / 1000))
                    await self._registered(shift, frame)
                else:
                    await self._heard(shift, frame)
        except ConnectionClosed:
            pass
        finally:
            self._socket = None
            if beating is not None:
                beating.cancel()
                await asyncio.gather(beating, return_exceptions=True)

    async def _registered(self, shift: Shift, frame: Json) -> None:
        for task_id in frame["drop"]:
            self._cancel(shift, task_id)
        if shift.closing.is_set():
            await self._say({"type": "drain"})
        for held in list(self._held.values()):
            if held.result is not None:
                await self._say(held.result)
        if not self._was_ready:
            self._was_ready = True
            say_ready(self.options.client_url)

    async def _heard(self, shift: Shift, frame: Json) -> None:
        match frame["type"]:
            case "dispatch":
                await self._say({"type": "ack", "corr": frame["id"]})
                if frame["corr"] not in self._held:
                    held = self._held[frame["corr"]] = Held(frame["task"]["task_id"], frame["corr"])
                    shift.hold(self._work(shift, held, frame))
            case "ack":
                self._acknowledged(frame)
            case "cancel":
                self._cancel(shift, frame["task_id"])
            case "rebind":
                log.info("task %s goes to another worker", frame["task_id"])
                self._cancel(shift, frame["task_id"])
            case "drain" if frame.get("scope") == "worker":
                self._drained(shift, frame.get("draining", True))
            case "error":
                self._refusal = f"{frame['message']} ({frame['code']})"
                log.warning("the server has not understood: %s", self._refusal)

    async def _work(self, shift: Shift, held: Held, frame: Json) -> None:
        """Work, and give the answer until it is acknowledged, or nobody wants it."""
        line = _TaskLine(held, self)
        body = await shift.perform(frame["task"], frame["message_id"], line)
        held.result = {"type": "result", "id": str(uuid4()), "corr": held.corr, "body": body}
        await self._say(held.result)
        await held.settled.wait()
        del self._held[held.corr]

    def _acknowledged(self, frame: Json) -> None:
        for held in self._held.values():
            if held.result is not None and held.result["id"] == frame["corr"]:
                held.settled.set()
        if frame.get("refused"):
            log.info("an answer does not count: %s", frame["refused"]["message"])

    def _drained(self, shift: Shift, drained: bool) -> None:
        what = "is drained: it gets nothing more" if drained else "gets tasks again"
        log.info("worker '%s' %s", shift.worker.id, what)

    def _cancel(self, shift: Shift, task_id: str) -> None:
        shift.cancel(task_id)
        for held in self._held.values():
            if held.task_id == task_id:
                held.settled.set()

    async def _beat_on(self, shift: Shift, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self._beat(shift)

    async def _beat(self, shift: Shift) -> None:
        """Say how the worker is; what it can do was said when it registered."""
        said = await shift.condition()
        del said["inventory"]
        await self._say({"type": "heartbeat", **said})

    async def _say(self, frame: Json) -> bool:
        """Send a frame; False where there is no connection now."""
        socket = self._socket
        if socket is None:
            return False
        try:
            await socket.send(_text(frame))
        except ConnectionClosed:
            return False
        return True


class _TaskLine:
    """The line of one task: its reports are frames."""

    def __init__(self, held: Held, transport: Websocket) -> None:
        self.beat_s = transport.beat_s
        self._held, self._say = held, transport._say

    async def report(self, reports: Sequence[Json]) -> bool:
        for report in reports:
            if not await self._say({"type": "feedback", "corr": self._held.corr, **report}):
                raise LineDown("there is no connection")
        return True

    async def heartbeat(self) -> bool:
        return True


def _text(frame: Json) -> str:
    return encode(frame).decode()


def open_transport(options: Options) -> Websocket:
    """The transport that the options describe."""
    return Websocket(options)
