"""An agent on the official SDK of Agent2Agent: it writes a letter, and asks who signs it.

    python sdk_agent.py [PORT]

It says what it is at, asks its question, and tells the letter line by line as an artifact. It needs `a2a-sdk` and
`uvicorn` in an environment of its own, and nothing of Clew.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    Message,
    Part,
    Task,
    TaskState,
    TaskStatus,
)
from starlette.applications import Starlette


class Writer(AgentExecutor):
    """Writes letters. One task is one letter: what is wanted, then who signs it."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        updater = TaskUpdater(event_queue, context.task_id, context.context_id)
        task = context.current_task
        if task is None:
            begun = TaskStatus(state=TaskState.TASK_STATE_SUBMITTED)
            task = Task(id=context.task_id, context_id=context.context_id, status=begun, history=[context.message])
            await event_queue.enqueue_event(task)
            await updater.start_work(said(updater, "thinking of a salutation"))
            await updater.requires_input(said(updater, "Who signs the letter?"))
            return
        wanted, signature = text_of(task.history[0]), context.get_user_input()
        await updater.start_work(said(updater, "writing"))
        lines = ["Hello,\n", f"{wanted}\n", f"Yours, {signature}\n"]
        for place, line in enumerate(lines):
            await updater.add_artifact(
                [Part(text=line)], artifact_id="letter", name="Letter", append=place > 0,
                last_chunk=place == len(lines) - 1,
            )  # fmt: skip
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        print(f"cancelled {context.task_id}", flush=True)
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


def said(updater: TaskUpdater, text: str) -> Message:
    """What the agent says in words."""
    return updater.new_agent_message([Part(text=text)])


def text_of(message: Message) -> str:
    """The words of a message."""
    return "".join(part.text for part in message.parts)


def app(base: str) -> Starlette:
    """The agent at an address."""
    card = AgentCard(
        name="Writer", description="Writes a letter, and asks who signs it.", version="1",
        supported_interfaces=[AgentInterface(url=f"{base}/", protocol_binding="JSONRPC", protocol_version="1.0")],
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"], default_output_modes=["text/plain"],
        skills=[AgentSkill(id="letter", name="Letter", description="writes a letter", tags=["writing"])],
    )  # fmt: skip
    handler = DefaultRequestHandler(agent_executor=Writer(), task_store=InMemoryTaskStore(), agent_card=card)
    return Starlette(routes=[*create_agent_card_routes(card), *create_jsonrpc_routes(handler, "/")])


async def main(port: int) -> None:
    """Serve until interrupted."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(app(base), log_level="warning", lifespan="off"))
        print(f"ready {base}", flush=True)
        await server.serve(sockets=[listening])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 9002))
