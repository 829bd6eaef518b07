"""An Agent2Agent agent for tests, written against the specification and on nothing of ours: 1.0, 0.3 and 0.1.

What it does is a script: a function that is given what was said, and yields what happens to the task. It keeps tasks,
streams them, and tells of them where it was asked to; a test can break each of that.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from tests.unit.dispatch.builders import Watched

METHODS = {
    "1.0": {
        "SendMessage": "send", "SendStreamingMessage": "stream", "GetTask": "get", "CancelTask": "cancel",
        "SubscribeToTask": "subscribe", "CreateTaskPushNotificationConfig": "push",
    },
    "0.3": {
        "message/send": "send", "message/stream": "stream", "tasks/get": "get", "tasks/cancel": "cancel",
        "tasks/resubscribe": "subscribe", "tasks/pushNotificationConfig/set": "push",
    },
    "0.1": {
        "tasks/send": "send", "tasks/sendSubscribe": "stream", "tasks/get": "get", "tasks/cancel": "cancel",
        "tasks/resubscribe": "subscribe", "tasks/pushNotification/set": "push",
    },
}  # fmt: skip
OVER = {"completed", "failed", "canceled", "rejected"}
ENDS = {*OVER, "input-required", "auth-required"}


def status(state: str, *parts: Any) -> dict[str, Any]:
    """The task comes to a state, and says so with these parts."""
    return {"state": state, "parts": list(parts)}


def artifact(*parts: Any, name: str = "out", append: bool = False, last: bool = True) -> dict[str, Any]:
    """The task brings forth an artifact, or more of one."""
    return {"artifact": name, "parts": list(parts), "append": append, "last": last}


Said = dict[str, Any]
Script = Callable[[Said], AsyncIterator[dict[str, Any]]]


async def done(said: Said) -> AsyncIterator[dict[str, Any]]:
    """A script: it is done at once."""
    yield artifact("done")
    yield status("completed")


async def never(said: Said) -> AsyncIterator[dict[str, Any]]:
    """A script: nothing ever happens by itself."""
    await asyncio.Event().wait()
    yield status("working")


@dataclass(slots=True)
class Kept:
    """A task of the agent."""

    id: str
    context: str
    state: str = "submitted"
    parts: list[Any] = field(default_factory=list)
    artifacts: dict[str, list[Any]] = field(default_factory=dict)
    listeners: set[asyncio.Queue[Any]] = field(default_factory=set)
    work: asyncio.Task[None] | None = None
    push: dict[str, Any] | None = None
    number: int = 0


class AgentPeer(Watched):
    """An agent at `url`. `asked` has the methods and parameters that came, `said` the messages, `headers` those of
    each request, `broken` what is answered instead, by method name, once each. While it is `lazy`, a task that is told
    something shows what it was before, until its script goes on."""

    def __init__(self, version: str = "1.0", *, streaming: bool = True, pushes: bool = False) -> None:
        super().__init__()
        self.version, self.streaming, self.pushes = version, streaming, pushes
        self.url = ""
        self.script: list[Script] = [done]
        self.tasks: dict[str, Kept] = {}
        self.asked: list[tuple[str, Any]] = []
        self.said: list[Said] = []
        self.headers: list[Any] = []
        self.cards = 0
        self.card_changes: dict[str, Any] = {}
        self.card_headers: dict[str, str] = {}
        self.card_status = 200
        self.broken: dict[str, list[Callable[[], web.StreamResponse]]] = {}
        self.left = asyncio.Event()
        self.lazy = False
        self.ids = itertools.count(1)
        self.http: aiohttp.ClientSession

    # ---- the card

    def card(self) -> dict[str, Any]:
        common = {
            "name": "peer", "description": "a peer", "version": "1",
            "capabilities": {"streaming": self.streaming, "pushNotifications": self.pushes},
            "defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"],
            "skills": [{"id": "sum", "name": "Sum", "description": "adds", "tags": ["numbers"]}],
        }  # fmt: skip
        at = f"{self.url}/rpc"
        if self.version == "1.0":
            where: Any = {"supportedInterfaces": [{"url": at, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}]}
        else:
            where = {"url": at} | ({"protocolVersion": "0.3.0"} if self.version == "0.3" else {})
        return {**common, **where, **self.card_changes}

    async def on_card(self, request: web.Request) -> web.Response:
        self.cards += 1
        self.changed()
        new = request.path.endswith("agent-card.json")
        if self.card_status != 200 or new is (self.version == "0.1"):
            return web.Response(status=self.card_status if new is not (self.version == "0.1") else 404)
        if request.headers.get("If-None-Match") and request.headers["If-None-Match"] == self.card_headers.get("ETag"):
            return web.Response(status=304, headers=self.card_headers)
        return web.json_response(self.card(), headers=self.card_headers)

    # ---- what is asked

    async def on_rpc(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        self.headers.append(request.headers)
        self.asked.append((body["method"], body["params"]))
        self.changed()
        if instead := self.broken.get(body["method"]):
            return instead.pop(0)()
        what = METHODS[self.version].get(body["method"])
        if what is None:
            return self.error(-32601, "no such method")
        if what == "stream" or what == "subscribe":
            if not self.streaming:
                return self.error(-32004, "it does not stream")
            return await self._stream(request, body["params"], begins=what == "stream")
        return await getattr(self, f"_{what}")(body["params"])

    def result(self, value: Any) -> web.Response:
        return web.json_response({"jsonrpc": "2.0", "id": 1, "result": value})

    def error(self, code: int, message: str) -> web.Response:
        return web.json_response({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}})

    async def _send(self, params: Any) -> web.StreamResponse:
        found = self._begin(params)
        if isinstance(found, web.Response):
            return found
        how = params.get("configuration") or {}
        at_once = how.get("returnImmediately") is True or how.get("blocking") is False
        if not at_once and found.work is not None:
            await asyncio.shield(found.work)
        task = self.task(found)
        return self.result({"task": task} if self.version == "1.0" else task)

    async def _get(self, params: Any) -> web.StreamResponse:
        found = self.tasks.get(params["id"])
        return self.error(-32001, "no such task") if found is None else self.result(self.task(found))

    async def _cancel(self, params: Any) -> web.StreamResponse:
        found = self.tasks.get(params["id"])
        if found is None:
            return self.error(-32001, "no such task")
        if found.state in OVER:
            return self.error(-32002, "it is over")
        await self.happens(found, status("canceled"))
        if found.work is not None:
            found.work.cancel()
        return self.result(self.task(found))

    async def _push(self, params: Any) -> web.StreamResponse:
        found = self.tasks[params.get("taskId") or params["id"]]
        found.push = params.get("pushNotificationConfig") or params
        self.changed()
        return self.result(params)

    async def _stream(self, request: web.Request, params: Any, *, begins: bool) -> web.StreamResponse:
        found = self._begin(params) if begins else self.tasks.get(params["id"])
        if isinstance(found, web.Response):
            return found
        if found is None or (not begins and found.state in OVER):
            return self.error(-32001 if found is None else -32004, "there is nothing to listen to")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        events: asyncio.Queue[Any] = asyncio.Queue()
        found.listeners.add(events)
        try:
            if begins or self.version == "1.0":
                await self._write(response, self.wrapped("task", self.task(found)))
            while found.state not in ENDS or not events.empty():
                event = await events.get()
                if event is None:  # the test cuts it
                    request.transport.abort()  # type: ignore[union-attr]
                    return response
                await self._write(response, event)
        except asyncio.CancelledError:
            self.left.set()
            raise
        finally:
            found.listeners.discard(events)
        return response

    @staticmethod
    async def _write(response: web.StreamResponse, result: Any) -> None:
        body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "result": result})
        await response.write(b"data: " + body + b"\n\n")

    # ---- tasks

    def _begin(self, params: Any) -> Kept | web.Response:
        message = params["message"]
        name = params.get("id") or message.get("taskId")
        found = self.tasks.get(name) if name else None
        if name and found is None and self.version != "0.1":
            return self.error(-32001, "no such task")
        if found is not None and found.state in OVER:
            return self.error(-32004 if self.version == "1.0" else -32602, "the task is over")
        if found is None:
            number = next(self.ids)
            context = message.get("contextId") or params.get("sessionId") or f"context-{number}"
            found = Kept(id=name or f"task-{number}", context=context, number=number)
            self.tasks[found.id] = found
        how = params.get("configuration") or {}
        found.push = how.get("taskPushNotificationConfig") or how.get("pushNotificationConfig") or found.push
        found.state = found.state if self.lazy else "submitted"
        self.said.append(message)
        script = self.script[min(len(self.said), len(self.script)) - 1]
        found.work = asyncio.get_running_loop().create_task(self._work(found, script, message))
        self.changed()
        return found

    async def _work(self, task: Kept, script: Script, message: Said) -> None:
        try:
            async for change in script(message):
                await self.happens(task, change)
        except asyncio.CancelledError:
            self.left.set()
            raise

    async def happens(self, task: Kept, change: dict[str, Any]) -> None:
        """Have something happen to a task, and tell those who listen."""
        if "artifact" in change:
            before = task.artifacts.get(change["artifact"], []) if change["append"] else []
            task.artifacts[change["artifact"]] = [*before, *change["parts"]]
            body = {"artifactId": change["artifact"], "name": change["artifact"], "parts": self.parts(change["parts"])}
            event = self.event("artifactUpdate", task, artifact=body, append=change["append"], lastChunk=change["last"])
        else:
            task.state, task.parts = change["state"], change["parts"]
            final = {} if self.version == "1.0" else {"final": task.state in ENDS}
            event = self.event("statusUpdate", task, status=self.status(task), **final)
        for listener in task.listeners:
            listener.put_nowait(event)
        self.changed()
        if task.push is not None:
            headers = {"X-A2A-Notification-Token": task.push.get("token") or ""}
            body = event if self.version == "1.0" else self.task(task)
            async with self.http.post(task.push["url"], json=body, headers=headers):
                pass

    def cut(self) -> None:
        """Break every stream."""
        for task in self.tasks.values():
            for listener in task.listeners:
                listener.put_nowait(None)

    @property
    def listening(self) -> int:
        return sum(len(task.listeners) for task in self.tasks.values())

    # ---- on the wire

    def state(self, name: str) -> str:
        return "TASK_STATE_" + name.upper().replace("-", "_") if self.version == "1.0" else name

    def part(self, part: Any) -> dict[str, Any]:
        """A text, or an object {data} or {url}."""
        kind = {"1.0": None, "0.3": "kind", "0.1": "type"}[self.version]
        if isinstance(part, str):
            return {"text": part} | ({kind: "text"} if kind else {})
        if "url" in part:
            file = {"uri": part["url"], "name": part["filename"], "mimeType": part["mediaType"]}
            return {kind: "file", "file": file} if kind else dict(part)
        return {"data": part["data"]} | ({kind: "data"} if kind else {})

    def parts(self, parts: list[Any]) -> list[Any]:
        return [self.part(part) for part in parts]

    def status(self, task: Kept) -> dict[str, Any]:
        found: dict[str, Any] = {"state": self.state(task.state), "timestamp": "2026-01-01T00:00:00Z"}
        if task.parts:
            role = "ROLE_AGENT" if self.version == "1.0" else "agent"
            name = f"{task.id}-{task.state}-{orjson.dumps(task.parts).decode()}"
            found["message"] = {"messageId": name, "role": role, "parts": self.parts(task.parts)}
        return found

    def task(self, task: Kept) -> dict[str, Any]:
        artifacts = [{"artifactId": name, "parts": self.parts(parts)} for name, parts in task.artifacts.items()]
        context = {"sessionId" if self.version == "0.1" else "contextId": task.context}
        kind = {"kind": "task"} if self.version == "0.3" else {}
        return {"id": task.id, **context, "status": self.status(task), "artifacts": artifacts, **kind}

    def event(self, name: str, task: Kept, **members: Any) -> dict[str, Any]:
        if self.version == "0.1":
            return {"id": task.id, **members}
        return self.wrapped(name, {"taskId": task.id, "contextId": task.context, **members})

    def wrapped(self, name: str, value: dict[str, Any]) -> dict[str, Any]:
        kinds = {"statusUpdate": "status-update", "artifactUpdate": "artifact-update", "task": "task"}
        if self.version == "1.0":
            return {name: value}
        return value if self.version == "0.1" else {**value, "kind": kinds[name]}


@asynccontextmanager
async def agent_peer(version: str = "1.0", **options: Any) -> AsyncIterator[AgentPeer]:
    """Serve an agent as long as the block lasts."""
    peer = AgentPeer(version, **options)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_get("/{card:.*}", peer.on_card)
    app.router.add_post("/rpc", peer.on_rpc)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    async with aiohttp.ClientSession() as peer.http:
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            peer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield peer
        finally:
            works = [task.work for task in peer.tasks.values() if task.work is not None]
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
            await runner.cleanup()
