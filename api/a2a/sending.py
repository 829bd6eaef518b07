"""What a message to an agent means: a run that begins, an answer to one that asks, or a fork from a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.a2a.errors import A2AError, Code
from dispatch._a2a.model import Message, Part
from dispatch._a2a.read import read_message
from engine.codec import digest
from engine.graph import Graph
from engine.missing import MISSING

CONTEXT = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:-]{0,199}")
CHECKPOINT = "checkpointId"
TOLD = "a2a"
"""The state key into which a workflow has the ids of the message written that began a run, where it declares one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A message with how it is to be answered. `history` None: all of it."""

    message: Message
    blocking: bool
    history: int | None
    metadata: Mapping[str, Any]

    @property
    def checkpoint(self) -> str | None:
        """The checkpoint that is to be forked."""
        named = self.message.metadata.get(CHECKPOINT, self.metadata.get(CHECKPOINT))
        return named if isinstance(named, str) else None

    @property
    def skill(self) -> str | None:
        """The skill that is asked for."""
        named = self.message.metadata.get("skillId", self.metadata.get("skillId"))
        return named if isinstance(named, str) else None

    @property
    def key(self) -> str:
        """What makes a message the same when it comes again: its id, and all that it says."""
        said = self.message
        parts = [[part.text, None if part.data is MISSING else part.data, part.raw, part.url] for part in said.parts]
        return digest([said.message_id, said.context_id, said.task_id, parts, dict(said.metadata)])


def read_asked(params: Mapping[str, Any], *, blocks: bool) -> Asked:
    """The parameters of a message. Raises Unreadable or A2AError; `blocks`: whether it blocks where it does not say."""
    message = read_message(params.get("message"), "message")
    if not message.message_id:
        raise _wrong("message.messageId", "a message has an id")
    if not message.parts:
        raise _wrong("message.parts", "a message has parts")
    given = params.get("configuration")
    if given is not None and not isinstance(given, dict):
        raise _wrong("configuration", "an object is expected")
    told, metadata = given or {}, params.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise _wrong("metadata", "an object is expected")
    if told.get("pushNotificationConfig") or told.get("taskPushNotificationConfig"):
        raise A2AError(Code.PUSH_UNSUPPORTED)
    blocking = not told["returnImmediately"] if "returnImmediately" in told else told.get("blocking", blocks) is True
    return Asked(message=message, blocking=blocking, history=history_length(told), metadata=metadata)


def history_length(told: Mapping[str, Any], name: str = "historyLength") -> int | None:
    """How many messages are wanted; None: all. Raises A2AError."""
    value = told.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(name, "a whole number that is not negative is expected")
    return value


def check_context(context_id: str) -> None:
    """Raises A2AError for an id that no context can have."""
    if not CONTEXT.fullmatch(context_id):
        raise _wrong("message.contextId", "a context has an id of letters, digits and ._:- that is no longer than 200")


def input_of(graph: Graph, message: Message) -> dict[str, Any]:
    """What a run of a workflow is given by a first message. Raises A2AError where it has no place for that."""
    data = next((part.data for part in message.parts if part.data is not MISSING), MISSING)
    if data is not MISSING:
        if not isinstance(data, dict):
            raise _wrong("message.parts", "the data of a first message is an object: the input of the workflow")
        given = dict(data)
    else:
        given = _from_text(graph, message)
    if TOLD in graph.state and TOLD not in given:
        given[TOLD] = {"message_id": message.message_id, "context_id": message.context_id}
    return given


def _from_text(graph: Graph, message: Message) -> dict[str, Any]:
    text = text_of(message.parts)
    if text is None:
        raise A2AError(Code.CONTENT_TYPE, "a first message has a text, or data: files are not taken here")
    keys = graph.input_keys or frozenset(graph.state)
    if "input" in keys:
        return {"input": text}
    if "messages" in keys:
        return {"messages": [{"role": "user", "content": text}]}
    wanted = ", ".join(sorted(keys - {TOLD}))
    raise _wrong("message.parts", f"a text has no place here: send a data part with an object of {wanted}")


def answers_of(message: Message, open_ids: Sequence[str]) -> Any:
    """The value that a message resumes a run with: by interrupt where it names them. Raises A2AError."""
    data = next((part.data for part in message.parts if part.data is not MISSING), MISSING)
    if isinstance(data, dict) and "resume" in data:
        return data["resume"]
    value = data if data is not MISSING else text_of(message.parts)
    if value is None:
        raise A2AError(Code.CONTENT_TYPE, "an answer is a text, or data")
    if len(open_ids) > 1:
        raise _wrong("message.parts", f"{len(open_ids)} questions are open: answer by data {{resume: {{id: value}}}}")
    return {open_ids[0]: value} if open_ids else value


def text_of(parts: Sequence[Part]) -> str | None:
    """The texts of parts, one below the other; None where there are none."""
    texts = [part.text for part in parts if part.text is not None]
    return "\n".join(texts) if texts else None


def _wrong(field: str, why: str) -> A2AError:
    return A2AError(Code.INVALID_PARAMS, f"{field}: {why}", [(field, why)])
