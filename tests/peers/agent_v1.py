"""An agent on the official SDK of Agent2Agent 1.0: `python agent_v1.py MODE`, MODE `streaming`, `plain` or `pushing`.

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
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import (
    BasePushNotificationSender,
    InMemoryPushNotificationConfigStore,
    InMemoryTaskStore,
    TaskUpdater,
)
from a2a.types.a2a_pb2 import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    Part,
    Task,
    TaskState,
    TaskStatus,
)
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value
from starlette.applications import Starlette


class Executor(AgentExecutor):
    """Does what the text of a message says."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        updater = TaskUpdater(event_queue, context.task_id, context.context_id)
        if context.current_task is None:
            begun = TaskStatus(state=TaskState.TASK_STATE_SUBMITTED)
            task = Task(id=context.task_id, context_id=context.context_id, status=begun, history=[context.message])
            await event_queue.enqueue_event(task)
        await self._do(context.get_user_input(), updater, further=context.current_task is not None)

    async def _do(self, text: str, updater: TaskUpdater, *, further: bool) -> None:
        await updater.start_work(updater.new_agent_message([Part(text="at it")]))
        if text == "wait":
            await asyncio.Event().wait()
        if text == "ask" and not further:
            await updater.requires_input(updater.new_agent_message([Part(text="which city?")]))
            return
        if text == "fail":
            await updater.failed(updater.new_agent_message([Part(text="no luck")]))
            return
        if text == "later":
            await asyncio.sleep(1)
        if text == "data":
            await updater.add_artifact([Part(data=ParseDict({"n": [1, 2]}, Value()))], name="out")
        else:
            await updater.add_artifact([Part(text="You ")], artifact_id="a", name="out", last_chunk=False)
            await updater.add_artifact([Part(text=f"said {text}")], artifact_id="a", append=True, last_chunk=True)
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


async def anywhere(url: str) -> bool:
    return True


def app(base: str, mode: str, http: httpx.AsyncClient) -> Any:
    card = AgentCard(
        name="sdk", description="an agent on the official SDK", version="1",
        supported_interfaces=[AgentInterface(url=f"{base}/", protocol_binding="JSONRPC", protocol_version="1.0")],
        capabilities=AgentCapabilities(streaming=mode == "streaming", push_notifications=mode == "pushing"),
        default_input_modes=["text/plain"], default_output_modes=["text/plain"],
        skills=[AgentSkill(id="talk", name="Talk", description="talks", tags=["sdk"])],
    )  # fmt: skip
    configs = InMemoryPushNotificationConfigStore()
    handler = DefaultRequestHandler(
        agent_executor=Executor(), task_store=InMemoryTaskStore(), agent_card=card, push_config_store=configs,
        push_sender=BasePushNotificationSender(http, configs), push_url_validator=anywhere,
    )  # fmt: skip
    return Starlette(routes=[*create_agent_card_routes(card), *create_jsonrpc_routes(handler, "/")])


async def main(mode: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with httpx.AsyncClient() as http:
            server = uvicorn.Server(uvicorn.Config(app(base, mode, http), log_level="warning", lifespan="off"))
            print(base, flush=True)
            await server.serve(sockets=[listening])


asyncio.run(main(sys.argv[1]))
