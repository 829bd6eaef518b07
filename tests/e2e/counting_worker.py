"""A webhook worker that remembers every request: `python -m tests.e2e.counting_worker --port N`.

What it does is in the node's `parameters`: `answer` after a moment, `later` (202, then a call to `reply_to`, again and
again until it is taken), `flaky` (fails until the third attempt), `fail`, `ask` (wants to hear from a human first) or
`hold` (202, and no more). The output is a digest of node and prompt, so that a wrong prompt leads to a wrong state.
`GET /log?after=N` gives what happened since.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import threading
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import web

GOOD_ATTEMPT = 3
TRY_AGAIN_S = 0.05
GIVE_UP_S = 600.0
"""Long, because a machine that is busy takes its time to start a server again."""


def digest(node: str, prompt: str) -> str:
    """What the worker answers to a prompt."""
    return hashlib.sha256(f"{node}|{prompt}".encode()).hexdigest()[:8]


def inside(task: dict[str, Any]) -> dict[str, Any]:
    """The same worker as a function in the server's own process."""
    threading.Event().wait(random.uniform(0, 0.02))
    return {"output": digest(task["node"], task["prompt"])}


class Worker:
    """The log, and the answers. `slow_ms` bounds the random time that an answer takes."""

    def __init__(self, slow_ms: float) -> None:
        self.slow_s = slow_ms / 1000
        self.log: list[dict[str, Any]] = []
        self.callbacks: set[asyncio.Task[None]] = set()
        self.session: aiohttp.ClientSession

    async def open(self, app: web.Application) -> None:
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))

    async def close(self, app: web.Application) -> None:
        for task in self.callbacks:
            task.cancel()
        await asyncio.gather(*self.callbacks, return_exceptions=True)
        await self.session.close()

    def note(self, kind: str, task: dict[str, Any], **more: Any) -> None:
        asked = {"task": task["task_id"], "run": task["run_id"], "node": task["node"], "attempt": task["attempt"]}
        asked["resumed"] = task["resume"] is not None
        self.log.append({"n": len(self.log) + 1, "kind": kind, **asked, **more})

    async def ask(self, request: web.Request) -> web.Response:
        """A task comes in."""
        task, nonce = await request.json(), len(self.log) + 1
        do = task["parameters"]["do"]
        self.note("asked", task, nonce=nonce, do=do, key=request.headers["Idempotency-Key"])
        body = {"output": digest(task["node"], task["prompt"]), "nonce": nonce}
        if do == "later":
            self.later(task, body)
            return web.json_response({}, status=202)
        if do == "hold":
            return web.json_response({}, status=202)
        await asyncio.sleep(random.uniform(0, self.slow_s))
        if do == "ask" and task["resume"] is None:
            return web.json_response({"interrupt": {"message": f"{task['node']} asks", "schema": {"type": "string"}}})
        if do == "fail":
            error = {"code": "broken", "message": f"{task['node']} is broken", "retryable": False}
            return web.json_response({"error": error}, status=422)
        if do == "flaky" and task["attempt"] < GOOD_ATTEMPT:
            error = {"code": "flaky", "message": "not yet", "retryable": True}
            return web.json_response({"error": error}, status=500)
        return web.json_response(body)

    def later(self, task: dict[str, Any], body: dict[str, Any]) -> None:
        work = asyncio.get_running_loop().create_task(self.call_back(task, body))
        self.callbacks.add(work)
        work.add_done_callback(self.callbacks.discard)

    async def call_back(self, task: dict[str, Any], body: dict[str, Any]) -> None:
        """Post the answer until the server takes it or says that it has no use for it."""
        await asyncio.sleep(random.uniform(0, 3 * self.slow_s))
        until = asyncio.get_running_loop().time() + GIVE_UP_S
        while asyncio.get_running_loop().time() < until:
            try:
                async with self.session.post(task["reply_to"], json=body) as response:
                    said = await response.text()
                    if response.status < 500:
                        kind = "acknowledged" if response.status < 300 else "refused"
                        self.note(kind, task, nonce=body["nonce"], status=response.status, said=said[:500])
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(TRY_AGAIN_S)
        self.note("gave_up", task, nonce=body["nonce"])

    async def tell(self, request: web.Request) -> web.Response:
        """What happened after entry N."""
        after = int(request.query.get("after", "0"))
        return web.json_response({"log": self.log[after:], "waiting": len(self.callbacks)})


async def main(port: int, slow_ms: float) -> None:
    worker = Worker(slow_ms)
    app = web.Application()
    app.add_routes([web.post("/", worker.ask), web.get("/log", worker.tell)])
    app.on_startup.append(worker.open)
    app.on_shutdown.append(worker.close)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        print("ready", flush=True)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--slow-ms", type=float, default=20.0)
    given = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(main(given.port, given.slow_ms))
