"""What a model is asked: the body of a request for a completion, made from a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dispatch._chat_task import message_of, task_of, text_of
from dispatch._envelope import Envelope
from engine.answer import AnswerInvalid, parse_answer
from engine.errors import EngineError
from engine.missing import MISSING
from engine.ports import WorkerRow
from engine.values import dataclass

_JSON = frozenset({"json_object", "json_schema"})
_ROLES = {"agent": "assistant", "ai": "assistant", "human": "user"}


class Unaskable(EngineError):
    """The node says what no model can be asked."""

    code = "request.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request: its body, without `stream_options` unless the node gives them, and how its answer is to be read."""

    body: dict[str, Any]
    stream: bool
    as_json: bool
    partial: bool


def request_of(worker: WorkerRow, envelope: Envelope) -> Asked:
    """What a model is asked for a task. Raises Unaskable."""
    task = task_of(envelope)
    parameters = _object(task.get("parameters"))
    options = _options(parameters)
    stream = _stream(options, worker)
    body = {**options, "messages": _messages(task, parameters, envelope.said), "stream": stream}
    if worker.model:
        body["model"] = worker.model
    if tools := task.get("tools"):
        body["tools"] = tools
    if not stream:
        body.pop("stream_options", None)
    kind = _object(options.get("response_format")).get("type")
    return Asked(body=body, stream=stream, as_json=kind in _JSON, partial=parameters.get("partial") is True)


def _options(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What else the node wants of the model."""
    options = parameters.get("openai")
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise Unaskable('`parameters.openai` must be an object, such as {"temperature": 0}')
    if "messages" in options:
        raise Unaskable("messages stand in `parameters.messages`, not in `parameters.openai`")
    if options.get("n") not in (None, 1):
        raise Unaskable("`parameters.openai.n` must be 1: a task has one answer; use a send for several")
    return options


def _stream(options: Mapping[str, Any], worker: WorkerRow) -> bool:
    """Whether the answer is to be streamed: the node says so, or the worker, or nobody says no."""
    wanted = options.get("stream", _object(worker.metadata).get("stream", True))
    if not isinstance(wanted, bool):
        raise Unaskable("`stream` must be true or false")
    return wanted


def _messages(
    task: Mapping[str, Any], parameters: Mapping[str, Any], said: Sequence[tuple[str | None, Any]]
) -> list[dict[str, Any]]:
    """The system message, those that the node names, the turns before, and what is asked now."""
    if parameters.get("messages") is not None:
        known = _listed(parameters["messages"], "`parameters.messages`")
    elif parameters.get("messages_from") is not None:
        known = [_as_sent(message) for message in _from_state(task, parameters["messages_from"])]
    else:
        known = []
    messages = [*_system(parameters, known), *known]
    for prompt, answer in said:
        messages += _asked({**task, "prompt": prompt}, known)
        messages.append({"role": "assistant", "content": _said(answer)})
    messages += _asked(task, known)
    if not any(message.get("role") != "system" for message in messages):
        raise Unaskable("there is nothing to ask: give a `prompt_template`, or messages")
    return messages


def _asked(task: Mapping[str, Any], known: Sequence[Any]) -> list[dict[str, Any]]:
    """The message of a user that a task is; where messages are given, only what is said beside them."""
    if known and task.get("prompt") is None:
        return []
    return [{"role": "user", "content": message_of(task)}]


def _system(parameters: Mapping[str, Any], known: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    system = parameters.get("system")
    if system is None or (known and known[0].get("role") in ("system", "developer")):
        return []
    if not isinstance(system, str):
        raise Unaskable("`parameters.system` must be a text")
    return [{"role": "system", "content": system}]


def _from_state(task: Mapping[str, Any], key: Any) -> list[dict[str, Any]]:
    state = _object(task.get("state"))
    if not isinstance(key, str) or key not in state:
        shown = str(key)[:80]
        raise Unaskable(f"`parameters.messages_from` names '{shown}', which the node does not read: add it to `reads`")
    return _listed(state[key], f"the state key '{key[:80]}' of `parameters.messages_from`")


def _listed(value: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise Unaskable(f"{what} must be a list of messages: objects with `role` and `content`")
    return value


def _as_sent(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message of the state as models know it: without the id that the state keeps it by, which servers refuse."""
    sent = {name: value for name, value in message.items() if name not in ("id", "text")}
    if "content" not in sent and "text" in message:
        sent["content"] = message["text"]
    role = sent.get("role", "user")
    return {**sent, "role": _ROLES.get(role, role) if isinstance(role, str) else role}


def _said(answer: Any) -> str:
    """What the model had said in a turn before."""
    try:
        output = parse_answer(answer).output
    except AnswerInvalid:
        output = answer
    return "" if output is MISSING else text_of(output)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
