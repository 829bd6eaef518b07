"""An agent on the official SDK of Agent2Agent 0.3: `python agent_v03.py MODE`, MODE `streaming`, `plain` or `pushing`.

It prints its address when it is ready. What it is told decides what it does; it knows nothing of ours.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import httpx
import uvicorn
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.apps import A2AStarletteApplication
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import (
    BasePushNotificationSender,
    InMemoryPushNotificationConfigStore,
    InMemoryTaskStore,
    TaskUpdater,
)
from a2a.types import AgentCapabilities, AgentCard, AgentSkill, DataPart, Part, TextPart
from a2a.utils import new_task


def text(said: str) -> Part:
    return Part(root=TextPart(text=said))


class Executor(AgentExecutor):
    """Does what the text of a message says."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        task = context.current_task
        if task is None:
            assert context.message is not None
            task = new_task(context.message)
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await self._do(context.get_user_input(), updater, further=context.current_task is not None)

    async def _do(self, said: str, updater: TaskUpdater, *, further: bool) -> None:
        await updater.start_work(updater.new_agent_message([text("at it")]))
        if said == "wait":
            await asyncio.Event().wait()
        if said == "ask" and not further:
            await updater.requires_input(updater.new_agent_message([text("which city?")]), final=True)
            return
        if said == "fail":
            await updater.failed(updater.new_agent_message([text("no luck")]))
            return
        if said == "later":
            await asyncio.sleep(1)
        if said == "data":
            await updater.add_artifact([Part(root=DataPart(data={"n": [1, 2]}))], name="out")
        else:
            await updater.add_artifact([text("You ")], artifact_id="a", name="out", last_chunk=False)
            await updater.add_artifact([text(f"said {said}")], artifact_id="a", append=True, last_chunk=True)
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        assert context.task_id is not None and context.context_id is not None
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


def app(base: str, mode: str, http: httpx.AsyncClient) -> Any:
    card = AgentCard(
        name="sdk", description="an agent on the official SDK", version="1", url=f"{base}/",
        capabilities=AgentCapabilities(streaming=mode == "streaming", push_notifications=mode == "pushing"),
        default_input_modes=["text/plain"], default_output_modes=["text/plain"],
        skills=[AgentSkill(id="talk", name="Talk", description="talks", tags=["sdk"])],
    )  # fmt: skip
    configs = InMemoryPushNotificationConfigStore()
    handler = DefaultRequestHandler(
        agent_executor=Executor(), task_store=InMemoryTaskStore(), push_config_store=configs,
        push_sender=BasePushNotificationSender(http, configs),
    )  # fmt: skip
    return A2AStarletteApplication(agent_card=card, http_handler=handler).build()


async def main(mode: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with httpx.AsyncClient() as http:
            server = uvicorn.Server(uvicorn.Config(app(base, mode, http), log_level="warning", lifespan="off"))
            print(base, flush=True)
            await server.serve(sockets=[listening])


asyncio.run(main(sys.argv[1]))
