"""Says something to an agent in a way that it understands: cards are wrong at times, and versions have their ways."""

from __future__ import annotations

from collections.abc import Container, Mapping

import structlog

from dispatch._a2a.agents import versions_of
from dispatch._a2a.card import V01
from dispatch._a2a.client import QUIET_S, Client, NotAnswered, Said, Told
from dispatch._a2a.dialect import Operation
from dispatch._a2a.hearing import Heard
from dispatch._a2a.model import TERMINAL, PushConfig, State
from dispatch._a2a.params import to_send
from dispatch._a2a.read import Unreadable, read_event
from dispatch._a2a.saying import Saying
from dispatch._a2a.talk import Talk
from dispatch._about import about
from dispatch._http import HttpFailure, TooLarge
from engine.values import replace

NO_METHOD, NO_VERSION = -32601, -32009
NO_TASK, UNSUPPORTED, INVALID = -32001, -32004, -32602
_REFUSALS = frozenset({NO_TASK, UNSUPPORTED, INVALID})  # of a task that is over, or of a context that is not taken

log = structlog.get_logger(__name__)


class Sending:
    """One message on its way. `attempt` tells attempts apart, where an agent gives again the `failed` task that another
    one has led to: then it is asked under another id."""

    def __init__(
        self,
        talk: Talk,
        saying: Saying,
        *,
        attempt: int,
        failed: Container[str],
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> None:
        self._talk, self._agent, self._headers, self._timeout_s = talk, talk.agent, headers, timeout_s
        self._attempt, self._failed = attempt, failed
        self._session = saying.session
        self._message, self._answers = saying.message, saying.answers
        self._name = saying.message.message_id
        talk.heard.asked = saying.asked
        self._versions = list(versions_of(talk.agent))
        self._streams = talk.agent.streams
        if saying.session is not None and saying.message.context_id is None:
            known = self._agent.contexts.get(saying.session)
            ours = None if self._agent.own_contexts else saying.session
            self._message = replace(self._message, context_id=known or ours)

    async def send(self, *, may_stream: bool) -> None:
        """Say it, and hear what is said at once, or as long as the stream lasts. Raises HttpFailure, NotAnswered,
        Unreadable or Said."""
        self._streams = self._streams and may_stream
        while True:
            try:
                await self._once(self._talk.client(self._versions[0]))
            except Said as said:
                if not self._adapt(said):
                    raise
                continue
            if not self._is_old():
                self._learn(may_stream=may_stream)
                return
            self._rename()
            self._talk.heard = Heard()

    async def _once(self, client: Client) -> None:
        params = to_send(
            client.version, self._message, modes=self._agent.card.modes, push=self._push(), tenant=client.tenant
        )
        if self._streams and client.knows(Operation.STREAM):
            await self._stream(client, params)
        else:
            result = await client.call(Operation.SEND, params, self._timeout_s, self._headers)
            self._talk.hear(Told(read_event(result), 0), client.version)
        if self._talk.heard.task_id is None and self._talk.heard.message is None:
            raise Unreadable("", "the agent ended its answer before it had said anything")

    async def _stream(self, client: Client, params: object) -> None:
        """Hear what is told. A stream that ends, or breaks, when there is a task is no failure: it is asked for."""
        heard = self._talk.heard

        def quiet_s() -> float | None:  # before there is a task nothing else can be done than to wait
            return QUIET_S if heard.task_id is not None else None

        try:
            async with client.stream(Operation.STREAM, params, self._timeout_s, self._headers, quiet_s) as events:
                async for told in events:
                    self._talk.hear(told, client.version)
                    if heard.is_over:
                        return
        except TooLarge:
            raise
        except (HttpFailure, NotAnswered, Unreadable, Said) as error:
            if heard.task_id is None:
                raise
            log.info("agent.stream_lost", **about(), worker_id=self._talk.worker.id, error=error.message)

    def _push(self) -> PushConfig | None:
        if self._streams or self._talk.push is None:
            return None
        url, token = self._talk.push
        return PushConfig(id="", task_id="", url=url, token=token)

    def _adapt(self, said: Said) -> bool:
        """Say it in another way after a refusal; False where there is none."""
        message = self._message
        if self._streams and said.number in (NO_METHOD, UNSUPPORTED):
            self._streams = False
        elif said.number in (NO_METHOD, NO_VERSION) and len(self._versions) > 1:
            del self._versions[0]
            self._streams = self._agent.streams
        elif said.number in _REFUSALS and message.task_id is not None and not self._answers:  # it is over by now
            self._message = replace(message, task_id=None, reference_task_ids=(message.task_id,))
        elif said.number in _REFUSALS and self._session is not None and message.context_id is not None:
            self._message = replace(message, context_id=None)
            self._agent.own_contexts = True
            self._agent.contexts.pop(self._session, None)
        elif said.number in _REFUSALS and self._versions[0] == V01 and not self._is_renamed():  # an attempt had that id
            self._rename()
        else:
            return False
        log.info(
            "agent.asked_otherwise", **about(), worker_id=self._talk.worker.id, number=said.number, said=said.message
        )
        return True

    def _rename(self) -> None:
        """Say it under an id that belongs to this attempt alone."""
        self._message = replace(self._message, message_id=f"{self._name}.{self._attempt}")

    def _is_renamed(self) -> bool:
        return self._message.message_id != self._name

    def _is_old(self) -> bool:
        """Whether the agent has given the task again that an attempt before had failed with."""
        heard = self._talk.heard
        over = heard.state in TERMINAL and heard.state is not State.COMPLETED
        ours = heard.task_id in self._failed and self._message.task_id is None
        return over and ours and self._attempt > 1 and not self._is_renamed()

    def _learn(self, *, may_stream: bool) -> None:
        """Remember the way in which the agent was asked, and what it calls the session."""
        agent, context = self._agent, self._talk.heard.context_id
        agent.version = self._versions[0]
        if may_stream:
            agent.streams = self._streams
        if self._session is not None and context is not None and context != self._session:
            agent.contexts[self._session] = context
