"""The task envelope: the body that every worker gets, on every transport."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from engine.codec import dumps
from engine.encoding import CHUNK, Pieces
from engine.model import TaskId
from engine.outbox import Work
from engine.values import dataclass

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999  # the last moment that RFC 3339 can write


class Trace(BaseModel):
    """W3C Trace Context: the run is the trace, the attempt the span."""

    model_config = ConfigDict(extra="forbid")

    traceparent: str = Field(pattern=r"^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")


class TaskEnvelope(BaseModel):
    """One request to a worker. This class documents the shape, for JSON Schema; nothing is sent through it."""

    model_config = ConfigDict(extra="forbid")

    task_id: str = Field(description="The task; equal over its attempts.")
    run_id: str
    workflow_id: str
    workflow_version: int
    node: str
    ns: list[str] = Field(description="The subgraph nodes around the node, outermost first.")
    worker_tags: list[str] = Field(description="What the node wants of its worker, which may have several functions.")
    prompt: str | None = Field(description="The rendered prompt_template, if there is one.")
    input: Any = Field(description="The node's mapped input.")
    state: dict[str, Any] = Field(description="The state keys that the node reads.")
    parameters: Any = Field(description="The node's parameters, exactly as they were written.")
    item: Any = Field(description="The item of a send, else null.")
    index: int | None = Field(description="The item's place in its list, else null.")
    session_id: str | None = Field(description="The session of the run; without one, stable over the turns of a task.")
    config: dict[str, Any]
    attempt: int = Field(ge=1)
    turn: int = Field(ge=1)
    resume: Any = Field(description="The value that an interrupt of this task was resumed with, else null.")
    deadline: datetime = Field(description="When the attempt is given up: UTC, in milliseconds.")
    reply_to: str = Field(description="Where to answer later: an address, a topic or a stream.")
    correlation_id: str | None = Field(
        default=None, description="What names the request in an answer, where `reply_to` is no address."
    )
    trace: Trace


class AgentEnvelope(TaskEnvelope):
    """A turn of an agent."""

    mode: str = Field(pattern="^agent$")
    tools: list[Any] | None = Field(description="The node's tools, exactly as written.")
    max_iterations: int | None = Field(description="Most steps of a turn.")
    callback_url: str | None = Field(default=None, description="Where to report progress, where that is an address.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A request as it is sent: the body, in pieces, and the headers that go with it on every transport. Whoever holds
    `reply_to` or `correlation_id` may answer the request. `said` has the earlier turns of an agent, each with its
    prompt and its answer as it came: for workers that keep no memory of a session, whom their transport tells of them.
    `question` is the answer with which the worker asked what is answered now.

    A body is one piece, but for one in which a long list is known as JSON already: that is sent from where it lies.
    """

    pieces: Pieces
    headers: dict[str, str]
    task_id: TaskId
    message_id: str
    attempt: int
    reply_to: str
    correlation_id: str
    said: tuple[tuple[str | None, Any], ...] = ()
    question: Any = None

    @property
    def body(self) -> bytes:
        """The body as one text."""
        return b"".join(self.pieces)


def envelope(work: Work, deadline: int, reply_to: str, *, correlates: bool = False) -> Envelope:
    """The envelope of an attempt that is given up at `deadline` (milliseconds since the epoch); one that `correlates`
    says its correlation id in the body too.

    What is the same in every attempt comes first, so that attempts differ in the end of their bodies only.
    """
    trace = traceparent(work)
    varying = {
        "attempt": work.attempt,
        "turn": work.turn,
        "resume": work.resume,
        "deadline": rfc3339(deadline),
        "reply_to": reply_to,
        "trace": {"traceparent": trace},
        **_places(work, reply_to, correlates=correlates),
    }
    parts = (*_constant_parts(work), b",", memoryview(orjson.dumps(varying))[1:])
    return Envelope(
        pieces=_joined(parts),
        headers={"Idempotency-Key": work.message_id, "traceparent": trace},
        task_id=work.task_id,
        message_id=work.message_id,
        attempt=work.attempt,
        reply_to=reply_to,
        correlation_id=work.correlation_id,
        said=work.said,
        question=work.question,
    )


def _joined(parts: Iterable[bytes | memoryview]) -> Pieces:
    """The parts with those that are short made one; nobody copies a long one."""
    found: list[bytes] = []
    short: list[bytes | memoryview] = []
    for part in parts:
        if len(part) < CHUNK or isinstance(part, memoryview):
            short.append(part)
            continue
        if short:
            found.append(b"".join(short))
            short = []
        found.append(part)
    return (*found, b"".join(short))


def constant_part(work: Work) -> bytes:
    """The object of everything that is equal, byte for byte, over the attempts of a task.

    Raises CodecError when the input, the one value that was not committed before, cannot be written; the others are
    not checked again.
    """
    return b"".join((*_constant_parts(work), b"}"))


def _constant_parts(work: Work) -> list[bytes | memoryview]:
    """The constant part without its closing brace, in pieces, so that a long list is not copied into it."""
    request = work.request
    head = orjson.dumps(
        {
            "task_id": work.task_id,
            "run_id": work.run_id,
            "workflow_id": work.workflow_id,
            "workflow_version": work.workflow_version,
            "node": work.node,
            "ns": work.ns,
            "worker_tags": work.tags,
            "prompt": request.prompt,
            "input": orjson.Fragment(dumps(request.input)),
            "parameters": request.parameters,
            "item": request.item,
            "index": request.index,
            "session_id": work.session or work.task_id,
            "config": request.config,
        }
    )
    parts: list[bytes | memoryview] = [memoryview(head)[:-1], *_of_agent(request.agent), b',"state":{']
    for place, (key, value) in enumerate(request.state.items()):
        text = work.encoded.get(key)
        parts += (b"," if place else b"", orjson.dumps(key), b":", *((orjson.dumps(value),) if text is None else text))
    return [*parts, b"}"]


def _places(work: Work, reply_to: str, *, correlates: bool) -> dict[str, str]:
    """What else says where to send what, beside `reply_to`."""
    if correlates:
        return {"correlation_id": work.correlation_id}
    return {} if work.request.agent is None else {"callback_url": callback_of(reply_to)}


def callback_of(reply_to: str) -> str:
    """Where to report progress to whoever waits at `reply_to` for the answer."""
    place, mark, query = reply_to.partition("?")
    return place.removesuffix("/result") + "/progress" + mark + query


def _of_agent(agent: Mapping[str, Any] | None) -> list[bytes | memoryview]:
    """What agents are told beside what every worker is."""
    if agent is None:
        return []
    told = {"mode": "agent", "tools": agent["tools"], "max_iterations": agent["max_iterations"]}
    return [b",", memoryview(orjson.dumps(told))[1:-1]]


def traceparent(work: Work) -> str:
    """The trace of the run and the span of the attempt, derived from their ids."""
    span_id = sha256(f"{work.task_id}.{work.attempt}".encode()).hexdigest()[:16]
    return f"00-{_trace_id(work.run_id)}-{span_id}-01"


@lru_cache(maxsize=1024)
def _trace_id(run_id: str) -> str:
    return sha256(run_id.encode()).hexdigest()[:32]


def rfc3339(at: int) -> str:
    """A time in milliseconds since the epoch, as RFC 3339 in UTC with milliseconds."""
    seconds, milliseconds = divmod(min(at, _LAST_MS), 1000)
    return f"{_second(seconds)}.{milliseconds:03}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat(timespec="seconds").removesuffix("+00:00")
