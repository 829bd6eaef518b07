"""The methods of an agent, by what they do; each version has names of its own for them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from api.a2a.agents import agent_of, meant, workflow_of
from api.a2a.cards import CARDS, extended
from api.a2a.configs import push_of
from api.a2a.errors import A2AError, Code, wrong
from api.a2a.extensions import declared, require
from api.a2a.files import keep_files
from api.a2a.history import answering, beginning, has_taken, told_task, was_answered
from api.a2a.listing import listed, read_listing
from api.a2a.pushing import Pushing
from api.a2a.rpc import V03, V1, Call, Method
from api.a2a.sending import (
    CONFIGS,
    TOLD,
    Asked,
    answers_of,
    check_context,
    history_length,
    input_of,
    read_asked,
    updates_of,
)
from api.a2a.tasks import NOTE, STATES, context_of, message_of
from api.schemas import Fork, StartRun
from api.wiring import Wired
from dispatch._a2a.dialect import Dialect, Operation
from dispatch._a2a.model import TERMINAL
from dispatch._a2a.v03 import V03 as Dialect03
from dispatch._a2a.v1 import V1 as Dialect1
from engine.claims import Claim
from engine.control import check_input
from engine.errors import Conflict, Invalid, NotFound
from engine.graph import Graph
from engine.model import Push, RunId, RunStatus
from engine.ports import WorkflowRow

DIALECTS: Mapping[str, Dialect] = {V1: Dialect1(), V03: Dialect03()}
BLOCKS_S = 300.0
"""A message that blocks is answered after so long in any case, with the task as it is then."""
SCOPE = ACTOR = "a2a"


class Methods:
    """What can be asked of an agent; `row` is its workflow, None the agent of all of them, `extensions` are those that
    the client knows of. `strict`: where it is asked one version alone is spoken."""

    def __init__(
        self, server: Wired, row: WorkflowRow | None, extensions: frozenset[str] = frozenset(), *, strict: bool = False
    ) -> None:
        self.server, self.row, self.extensions, self.strict = server, row, extensions, strict
        self.name = None if row is None else row.id

    def of(self, version: str) -> Mapping[str, Method]:
        """The methods of a version, by the names that they have there."""
        there: dict[Operation, Method] = {
            Operation.SEND: self.send,
            Operation.GET: self.get,
            Operation.LIST: self.list,
            Operation.CANCEL: self.cancel,
            **Pushing(self.server, self.run).methods,
            Operation.EXTENDED_CARD: self.extended_card,
        }
        names = DIALECTS[version].methods
        return {names[operation]: method for operation, method in there.items() if operation in names}

    async def send(self, call: Call) -> Any:
        """Take a message, and answer with the task that it leads to."""
        asked = read_asked(call.params, blocks=True)
        run_id = await self.begin(asked, call.version)
        if asked.blocking:
            await self.server.runs.settle(run_id, BLOCKS_S)
        run = await self.server.reader.run(run_id)
        said = message_of(run) if asked.blocking and asked.message.task_id is None else None
        return DIALECTS[call.version].sent(said or await told_task(self.server, run, asked.history))

    async def get(self, call: Call) -> Any:
        """A task as it is."""
        run = await self.run(task_id_of(call))
        return DIALECTS[call.version].task(await told_task(self.server, run, history_length(call.params)))

    async def cancel(self, call: Call) -> Any:
        """Cancel a task: final and immediate."""
        run = await self.run(task_id_of(call))
        try:
            await self.server.engine.cancel(RunId(run["id"]), ACTOR)
        except Conflict as over:
            raise A2AError(Code.NOT_CANCELABLE, over.message) from over
        now = await self.server.reader.run(run["id"])
        return DIALECTS[call.version].task(await told_task(self.server, now))

    async def list(self, call: Call) -> Any:
        """Tasks, those whose status changed last first."""
        wanted = read_listing(call.params, self.name)
        found = await listed(self.server, wanted)
        tasks = [DIALECTS[call.version].task(task) for task in found.tasks]
        return {
            "tasks": tasks, "nextPageToken": found.following, "pageSize": wanted.size, "totalSize": found.total,
        }  # fmt: skip

    async def extended_card(self, call: Call) -> Any:
        """The card with what is only for those who have the token; without one there is none, and the card says so."""
        agent = await agent_of(self.server, self.name)
        if not agent.guarded:
            raise A2AError(Code.UNSUPPORTED if call.version == V1 else Code.NO_EXTENDED_CARD)
        documents = {skill.id: (await workflow_of(self.server, skill.id)).document for skill in agent.skills}
        return extended(CARDS[call.version](agent, strict=self.strict), documents)

    # ---- runs

    async def run(self, run_id: str) -> dict[str, Any]:
        """A run that is a task of this agent. Raises A2AError."""
        try:
            found = await self.server.reader.run(run_id)
        except NotFound as unknown:
            raise A2AError(Code.TASK_NOT_FOUND, f"there is no task '{run_id[:80]}'") from unknown
        if self.name is not None and found["workflow_id"] != self.name:
            raise A2AError(Code.TASK_NOT_FOUND, f"there is no task '{run_id[:80]}'")
        return found

    async def begin(self, asked: Asked, version: str) -> RunId:
        """The run that a message leads to: one that goes on, a fork, or a new one; whoever is to be told of it, in a
        version, is told from there on. Raises A2AError."""
        pushes = await self._pushes(asked, version)
        try:
            if asked.message.task_id is not None:
                return await self._resume(asked, asked.message.task_id, pushes)
            async with self._turn(asked) as claim:
                if asked.checkpoint is not None:
                    return await self._fork(asked, asked.checkpoint, claim, pushes)
                return await self._start(asked, claim, pushes)
        except Invalid as invalid:
            fields = [(str(one.get("path", "message")), str(one.get("message", ""))) for one in invalid.problems]
            raise A2AError(Code.INVALID_PARAMS, invalid.message, fields) from invalid
        except Conflict as conflict:
            raise A2AError(Code.UNSUPPORTED, conflict.message) from conflict

    @asynccontextmanager
    async def _turn(self, asked: Asked) -> AsyncIterator[Claim]:
        """The turn of a message: the same one again leads to the same run. Who has answered or cancelled that run knew
        of it, so that the same message after that is not the one that got lost: it leads to another run."""
        for count in itertools.count():
            key = f"{asked.key}.{count}" if count else asked.key
            same = Claim(scope=f"{SCOPE} {self.name or ''}", key=key, fingerprint=asked.key)
            async with self.server.keys.turn(same) as (claim, _):
                if claim.made is None or not await self._is_known(claim.made):
                    yield claim
                    return

    async def _is_known(self, run_id: str) -> bool:
        try:
            head = await self.server.reader.head(run_id)
        except NotFound:  # it was deleted
            return True
        return head.status is RunStatus.CANCELLED or await was_answered(self.server, run_id)

    async def _pushes(self, asked: Asked, version: str) -> tuple[Push, ...]:
        if asked.config is None:
            return ()
        clock, where = self.server.engine.clock, "configuration." + CONFIGS[version != V1]
        return (await push_of(asked.config, where, version, self.server.outside, clock()),)

    async def _start(self, asked: Asked, claim: Claim, pushes: tuple[Push, ...]) -> RunId:
        message, row = asked.message, self.row or await meant(self.server, asked)
        require(declared(row.document), self.extensions | set(message.extensions))
        if message.context_id is not None:
            check_context(message.context_id)
        context = message.context_id or str(uuid4())
        graph = await self.server.workflows.graph(row.id, row.version)
        body = StartRun(
            input=input_of(graph, asked, context),
            session_id=context,
            metadata={NOTE: {"message": Dialect1().message(message), "message_id": message.message_id}},
        )
        if asked.files and claim.made is None:
            check_input(graph, body.input)
            await self._keep(asked)
        return await self.server.runs.start_version(row, body, claim, pushes, ACTOR)

    async def _resume(self, asked: Asked, task_id: str, pushes: tuple[Push, ...]) -> RunId:
        """Answer what a task asks; one message after the other, so that each is for the question that is open then."""
        turn = Claim(scope=f"{SCOPE} answers", key=task_id, fingerprint="")
        async with self.server.keys.turn(turn):
            run, message = await self.run(task_id), asked.message
            if message.context_id is not None and message.context_id != context_of(run):
                raise wrong("message.contextId", "the task is in another context")
            if not await has_taken(self.server, run["id"], asked):
                await self._answer(run, asked, pushes)
            return RunId(run["id"])

    async def _answer(self, run: Mapping[str, Any], asked: Asked, pushes: tuple[Push, ...]) -> None:
        state = STATES[run["status"]]
        if state in TERMINAL:
            raise A2AError(Code.UNSUPPORTED, f"the task is {state}: it takes no more messages")
        open_ids = [one["id"] for one in run["interrupts"] if one["status"] == "open"]
        if run["status"] != RunStatus.INTERRUPTED or not open_ids:
            raise A2AError(Code.UNSUPPORTED, "the task is at work: it takes messages when it asks for something")
        value, interrupt = answers_of(asked, open_ids)
        updates, also = self._told(await self._graph(run), run, asked), answering(run, asked)
        await self._keep(asked)
        push = next(iter(pushes), None)
        engine = self.server.engine
        await engine.resume(RunId(run["id"]), value, updates, ACTOR, interrupt=interrupt, push=push, also=also)

    async def _fork(self, asked: Asked, checkpoint: str, claim: Claim, pushes: tuple[Push, ...]) -> RunId:
        if asked.message.context_id is not None:
            raise wrong("message.contextId", "a fork begins a context of its own: leave the id out")
        origin = await self.run(checkpoint.rpartition(".")[0])
        graph = await self._graph(origin)
        updates = {**self._told(graph, origin, asked), **updates_of(graph, asked)}
        if claim.made is None:
            await self._keep(asked)
        body = Fork(checkpoint_id=checkpoint, updates=updates)
        return await self.server.runs.fork(body, origin["id"], claim, beginning(asked), pushes, ACTOR)

    async def _keep(self, asked: Asked) -> None:
        await keep_files(self.server.artifacts, asked.files, self.server.settings.max_artifact_bytes)

    async def _graph(self, run: Mapping[str, Any]) -> Graph:
        return await self.server.workflows.graph(run["workflow_id"], run["workflow_version"])

    @staticmethod
    def _told(graph: Graph, run: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
        """The state by which a workflow is told of a message to a run, where it has a key for it."""
        return {TOLD: asked.told(context_of(run))} if TOLD in graph.state else {}


def task_id_of(call: Call) -> str:
    """The id of the task that is asked about. Raises A2AError."""
    found = call.params.get("id")
    if not isinstance(found, str) or not found:
        raise wrong("id", "the id of a task is expected")
    return found
