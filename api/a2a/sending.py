"""What a message to an agent means: a run that begins, an answer to one that asks, or a fork from a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from api.a2a.errors import A2AError, Code, wrong
from api.a2a.files import FILES, File, answer_with, read_files, require_place, takes_files, with_files
from dispatch._a2a.model import Message, Part
from dispatch._a2a.read import read_message
from dispatch._a2a.v1 import V1
from engine.codec import digest
from engine.graph import Graph
from engine.missing import MISSING
from engine.values import dataclass, replace

CONTEXT = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:-]{0,199}")
CHECKPOINT = "checkpointId"
CONFIGS = ("taskPushNotificationConfig", "pushNotificationConfig")
"""What the place is called that is to be told of the task, in 1.0 and in 0.3."""
TOLD = "a2a"
"""The state key into which a workflow has it written which message began or answered a run, where it declares one."""
TEXT, INPUT = "text", "input"
DATA = re.compile(r"application/([\w.+-]+\+)?json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A message, as it is kept, with the files that came with it, and how it is to be answered. `history` None: all of
    it."""

    message: Message
    blocking: bool
    history: int | None
    metadata: Mapping[str, Any]
    files: tuple[File, ...] = ()
    config: Any = None
    """Where to tell of the task, as it was written."""

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
        """What makes a message the same when it comes again: its id, and all that it says, files by their SHA-256."""
        return digest([V1().message(self.message), dict(self.metadata)])

    def told(self, context_id: str) -> dict[str, Any]:
        """What a workflow is told of the message, beside what it says."""
        return {
            "message_id": self.message.message_id,
            "context_id": context_id,
            "task_id": self.message.task_id,
            "metadata": {**self.metadata, **self.message.metadata},
        }


def read_asked(params: Mapping[str, Any], *, blocks: bool) -> Asked:
    """The parameters of a message. Raises Unreadable or A2AError; `blocks`: whether it blocks where it does not say."""
    message = read_message(params.get("message"), "message")
    message = replace(message, context_id=message.context_id or None, task_id=message.task_id or None)
    if not message.message_id:
        raise wrong("message.messageId", "a message has an id")
    if not message.parts:
        raise wrong("message.parts", "a message has parts")
    for place, part in enumerate(message.parts):
        _check_type(part, f"message.parts[{place}]")
    parts, files = read_files(message.parts)
    message = replace(message, parts=parts)
    given = params.get("configuration")
    if given is not None and not isinstance(given, dict):
        raise wrong("configuration", "an object is expected")
    told, metadata = given or {}, params.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise wrong("metadata", "an object is expected")
    config = next((told[name] for name in CONFIGS if told.get(name)), None)
    at_once, blocking = _flag(told, "returnImmediately"), _flag(told, "blocking")
    blocking = not at_once if at_once is not None else blocks if blocking is None else blocking
    history = history_length(told)
    return Asked(
        message=message, blocking=blocking, history=history, metadata=metadata, files=files, config=config,
    )  # fmt: skip


def history_length(told: Mapping[str, Any], name: str = "historyLength") -> int | None:
    """How many messages are wanted; None: all. Raises A2AError."""
    value = told.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise wrong(name, "a whole number that is not negative is expected")
    return value


def _flag(told: Mapping[str, Any], name: str) -> bool | None:
    """A setting that is true, false, or not there. Raises A2AError."""
    value = told.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong(f"configuration.{name}", "true or false is expected")
    return value


def check_context(context_id: str) -> None:
    """Raises A2AError for an id that no context can have."""
    if not CONTEXT.fullmatch(context_id):
        raise wrong("message.contextId", "a context has an id of letters, digits and ._:- that is no longer than 200")


def _check_type(part: Part, path: str) -> None:
    """Raises A2AError for content that is neither a text, nor JSON, nor a file."""
    kind = (part.media_type or "").partition(";")[0].strip().lower()
    known = not kind or kind == TEXT or kind.startswith("text/") or DATA.fullmatch(kind)
    if not part.is_file and not known:
        why = f"content of the type {kind[:80]} is not taken: send text, JSON as data, or a file"
        raise A2AError(Code.CONTENT_TYPE, f"{path}: {why}", [(path, why)])


def input_of(graph: Graph, asked: Asked, context_id: str) -> dict[str, Any]:
    """What a run of a workflow is given by a first message. Raises A2AError where it has no place for that."""
    require_place(asked.files, is_there=takes_files(graph.document))
    message, data = asked.message, data_of(asked.message.parts)
    keys = frozenset(graph.input_keys or graph.state)
    if isinstance(data, dict) and (INPUT not in keys or not data or not keys.isdisjoint(data)):
        given = dict(data)
    elif data is not MISSING and INPUT in keys:
        given = {INPUT: data}
    elif data is not MISSING:
        raise wrong("message.parts", "the data of a first message is an object: the input of the workflow")
    elif asked.files and text_of(message.parts) is None:
        given = {}
    else:
        given = _from_text(keys, message)
    if TOLD in graph.state and TOLD not in given:
        given[TOLD] = asked.told(context_id)
    return with_files(given, asked.files)


def _from_text(keys: frozenset[str], message: Message) -> dict[str, Any]:
    text = text_of(message.parts)
    if INPUT in keys:
        return {INPUT: text}
    if "messages" in keys:
        return {"messages": [{"role": "user", "content": text}]}
    wanted = ", ".join(sorted(keys - {TOLD}))
    raise wrong("message.parts", f"a text has no place here: send a data part with an object of {wanted}")


def updates_of(graph: Graph, asked: Asked) -> dict[str, Any]:
    """What a message that forks a run writes to its state. Raises A2AError."""
    require_place(asked.files, is_there=FILES in graph.state and takes_files(graph.document))
    data = next((part.data for part in asked.message.parts if isinstance(part.data, dict)), {})
    return with_files(data, asked.files)


def answers_of(asked: Asked, open_ids: Sequence[str]) -> tuple[Any, str | None]:
    """The value that a message answers with, and the question that it is for; None: the value has the answers to
    several, by their ids. Raises A2AError."""
    parts, files = asked.message.parts, asked.files
    data = data_of(parts)
    value = data if data is not MISSING else text_of(parts)
    if isinstance(data, dict) and "resume" in data:
        value = data["resume"]
        if isinstance(value, dict) and value and value.keys() <= set(open_ids):
            [*ids] = value
            if len(ids) == 1:
                return answer_with(value[ids[0]], files), ids[0]
            if files:
                raise wrong("message.parts", f"files are for one question: {len(ids)} are answered")
            return value, None
    if len(open_ids) > 1:
        raise wrong("message.parts", f"{len(open_ids)} questions are open: answer by data {{resume: {{id: value}}}}")
    return answer_with(value, files), open_ids[0]


def data_of(parts: Sequence[Part]) -> Any:
    """The first data of parts; MISSING where there are none."""
    return next((part.data for part in parts if part.data is not MISSING), MISSING)


def text_of(parts: Sequence[Part]) -> str | None:
    """The texts of parts, one below the other; None where there are none."""
    texts = [part.text for part in parts if part.text is not None]
    return "\n".join(texts) if texts else None
