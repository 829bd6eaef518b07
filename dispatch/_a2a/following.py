"""Stays with the task of an agent until it is over: by its stream, by its pushes, else by asking now and then."""

from __future__ import annotations

import asyncio

import structlog

from dispatch._a2a.client import Client, NotAnswered, Said, Told
from dispatch._a2a.dialect import Operation
from dispatch._a2a.model import PushConfig, Task
from dispatch._a2a.params import of_task, to_push
from dispatch._a2a.read import Unreadable, read_task
from dispatch._a2a.sending import NO_METHOD, NO_TASK, UNSUPPORTED
from dispatch._a2a.talk import Talk
from dispatch._about import about
from dispatch._http import HttpFailure, TooLarge
from engine.errors import EngineError

FIRST_S, LONGEST_S, PUSHED_S = 0.2, 10.0, 60.0
"""How long it is waited before a task is asked about again: at first, at most, and where the agent says by itself that
something has changed."""
CALL_S = 30.0
"""For so long it is waited for an answer about a task."""
PATIENCE = 5
"""So many answers in a row that cannot be read are one too many."""

_PASSING = frozenset({408, 429, 500, 502, 503, 504})

log = structlog.get_logger(__name__)


class Lost(EngineError):
    """The agent knows nothing of a task that it had taken."""

    code = "agent.task_lost"


class Following:
    """One task that an agent has taken. It ends by itself: the caller bounds it."""

    def __init__(self, talk: Talk, pushed: asyncio.Event | None) -> None:
        self._talk, self._pushed = talk, pushed
        self._unreadable = 0
        self._deaf = False

    async def follow(self, *, may_stream: bool) -> None:
        """Hear of the task until it is over. What fails on the way is tried again. Raises Lost, TooLarge, NotAnswered
        where it may not be asked, Unreadable where nothing can be made of what is said."""
        client = self._talk.client()
        streams = may_stream and self._talk.agent.streams and client.knows(Operation.SUBSCRIBE)
        if not streams and self._pushed is not None:
            await self._ask_for_pushes(client)
        wait_s = FIRST_S
        while not self._talk.heard.is_over:
            heard_more = await self._round(client, streams=streams)
            wait_s = FIRST_S if heard_more else wait_s
            if not self._talk.heard.is_over:
                await self._pause(wait_s)
            wait_s = min(2 * wait_s, LONGEST_S)

    async def _round(self, client: Client, *, streams: bool) -> bool:
        """Ask how it is, and listen as long as there is something to hear; whether there was more than an answer."""
        try:
            await self.look(client)
            self._unreadable = 0
            if streams and not self._deaf and not self._talk.heard.is_over:
                return await self._listen(client)
        except (HttpFailure, NotAnswered, Unreadable, Said, TimeoutError) as error:
            if not self._passes(error):
                raise
            log.info(
                "agent.not_told", **about(), worker_id=self._talk.worker.id, error=str(error) or "it took too long"
            )
        return False

    def _passes(self, error: Exception) -> bool:
        """Whether it may be otherwise when it is asked again."""
        match error:
            case TooLarge():
                return False
            case NotAnswered(response=response):
                return response.status in _PASSING
            case Unreadable():
                self._unreadable += 1
                return self._unreadable < PATIENCE
            case _:
                return True

    async def look(self, client: Client | None = None) -> None:
        """Hear how the task is."""
        client = client or self._talk.client()
        self._talk.hear(Told(await self.task(client), 0), client.version)

    async def task(self, client: Client) -> Task:
        """The task as it is, which is told nobody. Raises Lost."""
        params = of_task(self._talk.heard.task_id or "", client.tenant)
        try:
            async with asyncio.timeout(CALL_S):
                result = await client.call(Operation.GET, params, CALL_S)
        except Said as said:
            if said.number == NO_TASK:
                raise Lost(f"the agent knows nothing of the task {params['id'][:80]} any more") from said
            raise
        return read_task(result)

    async def _listen(self, client: Client) -> bool:
        """Hear what a stream tells, from now on; whether it has told anything but how the task is."""
        params, count = of_task(self._talk.heard.task_id or "", client.tenant), 0
        try:
            async with client.stream(Operation.SUBSCRIBE, params, CALL_S) as events:
                async for told in events:
                    self._talk.hear(told, client.version)
                    count += 1
                    if self._talk.heard.is_over:
                        break
        except Said as said:  # it is over, which the next look tells, or nobody can listen
            self._deaf = said.number in (NO_METHOD, UNSUPPORTED)
            return self._deaf
        return count > 1

    async def _ask_for_pushes(self, client: Client) -> None:
        """Have the agent tell of changes; one that does not is asked now and then."""
        if self._talk.push is None or not client.knows(Operation.PUSH_SET):
            return
        url, token = self._talk.push
        push = PushConfig(id="clew", task_id=self._talk.heard.task_id or "", url=url, token=token)
        try:
            async with asyncio.timeout(CALL_S):
                await client.call(Operation.PUSH_SET, to_push(client.version, push, client.tenant), CALL_S)
        except (HttpFailure, NotAnswered, Unreadable, Said, TimeoutError) as error:
            log.info("agent.no_pushes", **about(), worker_id=self._talk.worker.id, error=str(error))

    async def _pause(self, wait_s: float) -> None:
        """Wait before the task is asked about again, or until the agent says that something has changed."""
        if self._pushed is None:
            await asyncio.sleep(wait_s)
            return
        try:
            async with asyncio.timeout(PUSHED_S if wait_s >= LONGEST_S else wait_s):
                await self._pushed.wait()
        except TimeoutError:
            return
        self._pushed.clear()


async def cancel(talk: Talk, task_id: str) -> None:
    """Tell an agent that a task is not wanted any more. Raises nothing."""
    client = talk.client()
    try:
        async with asyncio.timeout(CALL_S):
            await client.call(Operation.CANCEL, of_task(task_id, client.tenant), CALL_S)
    except (HttpFailure, NotAnswered, Unreadable, Said, TimeoutError) as error:
        log.info("cancel.untold", **about(), worker_id=talk.worker.id, agent_task_id=task_id, error=str(error))
