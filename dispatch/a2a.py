"""The `a2a` protocol: a worker is an Agent2Agent agent; its card says how it is asked, and its tasks are followed.

Once an agent has a task of a request, that task is what counts: it is found again after a restart, and nothing is sent
a second time. What it asks is an interrupt; the answer to it goes on in the same task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import structlog

from dispatch._a2a.agents import Agent, Agents, check
from dispatch._a2a.answering import reply_of
from dispatch._a2a.client import Said
from dispatch._a2a.failing import FAILURES, reply_of_error
from dispatch._a2a.following import FIRST_S, LONGEST_S, Following, Lost, cancel
from dispatch._a2a.hearing import Heard
from dispatch._a2a.introducing import introduce, needs_introduction
from dispatch._a2a.model import PAUSED, State
from dispatch._a2a.saying import Saying, mark_in, saying_of
from dispatch._a2a.sending import Sending
from dispatch._a2a.talk import Ref, Talk
from dispatch._about import about
from dispatch._address import check_worker_url
from dispatch._chat_reports import Reports, reporting
from dispatch._envelope import Envelope
from dispatch._http import TooLarge
from dispatch._transport import Taken, Tools, Transport, refused
from dispatch._unsaid import text_without
from engine.model import TaskId
from engine.outbox import Refused, Reply
from engine.ports import WorkerRow

MAX_STREAMS = 256
"""So many streams are open at a time; what more there is to follow is asked for now and then."""
MAX_KEPT = 10_000
"""So many tasks are remembered that failed, or whose answer nobody waits for any more."""
SLACK_MS = 50
AUTH_S = 30.0
"""So often a task is asked about that needs a right, once it has needed it for long."""
CALLBACKS = "/a2a/callbacks"

log = structlog.get_logger(__name__)
check_address = check_worker_url
__all__ = ["A2A", "check", "check_address", "introduce", "needs_introduction", "open_transport"]


def open_transport(tools: Tools) -> A2A:
    return A2A(tools)


class A2A(Transport):
    """Asks agents over HTTP, in the newest version that both speak."""

    answers_stay = True

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._agents = Agents(tools.http, tools.clock)
        self._streams = 0
        self._refs: dict[str, Ref] = {}
        self._failed: dict[str, None] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def serve(self, workers: Sequence[WorkerRow]) -> None:
        self._agents.serve(workers)

    async def deliver(self, worker: WorkerRow, task: Envelope, timeout_s: float) -> Reply:
        return await self.attend(worker, task, timeout_s, lambda ref: None)

    async def attend(self, worker: WorkerRow, task: Envelope, timeout_s: float, taken: Taken) -> Reply:
        return await self._carried(worker, task, timeout_s, taken, None)

    async def resume(self, worker: WorkerRow, task: Envelope, timeout_s: float, ref: Any) -> Reply:
        return await self._carried(worker, task, timeout_s, lambda ref: None, ref)

    async def cancel(self, worker: WorkerRow, task_id: TaskId, message_id: str) -> None:
        """Cancel the task that the agent has of a request."""
        if (ref := self._refs.pop(message_id, None)) is None:
            return
        try:
            agent = await self._agents.of(worker)
        except (*FAILURES, TimeoutError):
            return
        await cancel(self._talk(agent, worker, Reports(self._tools.inbox, ""), ref), ref["task_id"])

    async def dismiss(self, worker: WorkerRow, task_id: TaskId, said: Any) -> None:
        """Cancel the task in which the agent waits for somebody to answer it."""
        mark = mark_in(said)
        if mark is None or mark.task_id is None or mark.state not in PAUSED:
            return
        try:
            agent = await self._agents.of(worker)
        except (*FAILURES, TimeoutError):
            return
        talk = self._talk(agent, worker, Reports(self._tools.inbox, ""), None)
        if talk.url == mark.url:
            await cancel(talk, mark.task_id)

    async def gone_on(self, worker: WorkerRow, said: Any) -> bool:
        """Wait until the agent's task goes on which needs a right. It is asked about ever less often."""
        mark = mark_in(said)
        if mark is None or mark.task_id is None or mark.state is not State.AUTH_REQUIRED:
            return False
        wait_s = FIRST_S
        while True:
            try:
                agent, nobody = await self._agents.of(worker), Reports(self._tools.inbox, "")
                talk = self._talk(agent, worker, nobody, None)
                talk.heard = Heard(task_id=mark.task_id)
                task = await Following(talk, None).task(talk.client())
                if task.status.state is not State.AUTH_REQUIRED:
                    return True
            except Lost:
                return True
            except (*FAILURES, TimeoutError) as error:
                why = text_without(worker, str(error)) or "it took too long"
                log.info("agent.not_told", worker_id=worker.id, error=why)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, AUTH_S)

    async def close(self) -> None:
        for task in self._ending:
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)

    # ---- a request

    async def _carried(
        self, worker: WorkerRow, task: Envelope, timeout_s: float, taken: Taken, ref: Ref | None
    ) -> Reply:
        """What a request comes to. One whose time is over is cancelled at the agent too."""
        deadline = self._tools.clock() + round(timeout_s * 1000)
        try:
            agent = await (self._agents.of(worker) if ref is None else self._agent_again(worker))
        except TimeoutError:
            return refused("agent.card", "the agent's card did not come in time", retryable=True, transport=True)
        except FAILURES as error:
            return reply_of_error(error, worker, self._tools.clock(), taken=False)

        def note(found: Ref) -> None:
            self._keep(self._refs, task.message_id, found)
            taken(found)

        if ref is not None:
            agent.version = agent.version if agent.pinned else ref["version"]
            self._keep(self._refs, task.message_id, ref)
        talk = self._talk(agent, worker, Reports(self._tools.inbox, task.correlation_id), ref)
        talk.taken = note
        try:
            async with reporting(self._tools.inbox, task.correlation_id) as talk.reports:
                reply = await self._followed(talk, task, timeout_s)
        except asyncio.CancelledError:
            if talk.heard.task_id is not None and self._tools.clock() >= deadline - SLACK_MS:
                self._end(talk, talk.heard.task_id)
            raise
        self._refs.pop(task.message_id, None)
        return self._noted(talk, reply)

    async def _agent_again(self, worker: WorkerRow) -> Agent:
        """The agent that has a task already: it is waited for, since nothing may be sent to it again."""
        wait_s = FIRST_S
        while True:
            try:
                return await self._agents.of(worker)
            except (*FAILURES, TimeoutError) as error:
                log.info(
                    "agent.not_reached",
                    **about(),
                    worker_id=worker.id,
                    error=text_without(worker, str(error)) or "the card did not come in time",
                )
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_S)

    async def _followed(self, talk: Talk, task: Envelope, timeout_s: float) -> Reply:
        was_known = talk.ref is not None
        try:
            with self._pushed(talk, task) as pushed, self._stream() as may_stream:
                if not was_known:
                    saying = saying_of(task, talk.url)
                    if not (saying.elsewhere and await self._goes_on(talk, saying)):
                        await self._send(talk, task, saying, timeout_s, may_stream=may_stream)
                await Following(talk, pushed).follow(may_stream=may_stream)
        except FAILURES as error:
            if isinstance(error, TooLarge) and talk.heard.task_id is not None:
                self._end(talk, talk.heard.task_id)
            return reply_of_error(error, talk.worker, self._tools.clock(), taken=talk.ref is not None)
        return reply_of(talk.heard, talk.url)

    async def _send(self, talk: Talk, task: Envelope, saying: Saying, timeout_s: float, *, may_stream: bool) -> None:
        sending = Sending(
            talk, saying, attempt=task.attempt, failed=self._failed, headers=task.headers, timeout_s=timeout_s
        )
        try:
            await sending.send(may_stream=may_stream)
        except Said as said:
            if not saying.answers:
                raise
            await self._see_after(talk, saying, said)

    async def _goes_on(self, talk: Talk, saying: Saying) -> bool:
        """Whether a task goes on that needed a right, without being told anything."""
        talk.heard = Heard(task_id=saying.message.task_id, context_id=saying.message.context_id)
        task = await Following(talk, None).task(talk.client())
        if task.status.state in PAUSED:
            talk.heard = Heard()
            return False
        return True

    async def _see_after(self, talk: Talk, saying: Saying, said: Said) -> None:
        """See what has become of a task that takes no answer: it may have gone on by itself. Raises Said where it still
        asks: then it is the answer that it does not take."""
        talk.heard = Heard(task_id=saying.message.task_id, context_id=saying.message.context_id)
        await Following(talk, None).look()
        if talk.heard.state in PAUSED:
            raise said

    # ---- what is kept

    def _talk(self, agent: Agent, worker: WorkerRow, reports: Reports, ref: Ref | None) -> Talk:
        talk = Talk(http=self._tools.http, agent=agent, worker=worker, reports=reports, taken=lambda ref: None, ref=ref)
        if ref is not None:
            talk.heard = Heard(task_id=ref["task_id"], context_id=ref.get("context_id"))
        return talk

    def _noted(self, talk: Talk, reply: Reply) -> Reply:
        """Remember a task that has failed: an agent may give it again for the same message."""
        if isinstance(reply, Refused) and talk.heard.state in (State.FAILED, State.CANCELED, State.REJECTED):
            self._keep(self._failed, talk.heard.task_id or "", None)
        return reply

    def _end(self, talk: Talk, task_id: str) -> None:
        """Tell the agent, without waiting for it, that nobody wants a task any more."""
        ending = asyncio.get_running_loop().create_task(cancel(talk, task_id))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    @staticmethod
    def _keep(into: dict[str, Any], name: str, value: Any) -> None:
        into.pop(name, None)
        into[name] = value
        if len(into) > MAX_KEPT:
            del into[next(iter(into))]

    @contextmanager
    def _stream(self) -> Iterator[bool]:
        """Whether one more stream may be open, as long as the block lasts."""
        may = self._streams < MAX_STREAMS
        self._streams += may
        try:
            yield may
        finally:
            self._streams -= may

    @contextmanager
    def _pushed(self, talk: Talk, task: Envelope) -> Iterator[asyncio.Event | None]:
        """An event for the pushes of an agent that can push, and cannot be listened to."""
        base, found, _ = task.reply_to.partition("/v1/tasks/")
        if not talk.agent.card.pushes or talk.agent.streams or not found:
            yield None
            return
        name, token = task.message_id, push_token(task.correlation_id)
        talk.push = (f"{base}{CALLBACKS}/{quote(name, safe='')}", token)
        with self._tools.callbacks.waiting(name, token) as event:
            yield event


def push_token(correlation_id: str) -> str:
    """What an agent shows when it pushes: it follows from what authorises an answer, and says nothing of that."""
    return sha256(b"clew.a2a.push.1\0" + correlation_id.encode()).hexdigest()
