"""What the task of an agent comes to for us: an answer, a question, or an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dispatch._a2a.hearing import Heard, text_of
from dispatch._a2a.model import Artifact, Message, Part, State
from dispatch._a2a.saying import MARK, Mark
from dispatch._transport import refused
from engine.answer import AnswerInvalid, parse_error
from engine.kinds import AUTH
from engine.missing import MISSING
from engine.outbox import Answered, Reply

NEEDED = "the agent needs to be authorised before it goes on"


def reply_of(heard: Heard, url: str) -> Reply:
    """The reply that a task is which is over, or which asks."""
    if heard.message is not None:
        return _answer(heard.message.parts, (), Mark(url=url, context_id=heard.context_id))
    mark = Mark(url=url, context_id=heard.context_id, task_id=heard.task_id, state=heard.state)
    match heard.state:
        case State.COMPLETED:
            said = heard.status.message if heard.status is not None else None
            spoken = said or heard.last
            return _answer(() if spoken is None else spoken.parts, tuple(heard.artifacts.values()), mark)
        case State.INPUT_REQUIRED | State.AUTH_REQUIRED:
            return _question(heard, mark)
        case State.REJECTED:
            return refused(
                "agent.rejected", _why(heard, "the agent does not take it"), retryable=False, details=_details(heard)
            )
        case State.CANCELED:
            why = _why(heard, "the agent says that the task was cancelled")
            return refused("worker.cancelled", why, retryable=False, details=_details(heard))
        case _:
            return _failure(heard)


def _answer(spoken: Sequence[Part], artifacts: Sequence[Artifact], mark: Mark) -> Reply:
    """Artifacts are the output, and what was said where there are none."""
    parts = [part for artifact in artifacts for part in artifact.parts] or list(spoken)
    files = [_file(part) for part in parts if part.is_file]
    found: dict[str, Any] = {"output": _output(parts, artifacts, files), MARK: mark.as_json()}
    if files:
        found[MARK]["files"] = files
    return Answered(body=found)


def _output(parts: Sequence[Part], artifacts: Sequence[Artifact], files: Sequence[Any]) -> Any:
    """Data wins: one piece as it is, several as a list; then texts, then files."""
    data = [part.data for part in parts if part.data is not MISSING]
    if data:
        return data[0] if len(data) == 1 else data
    texts = ["".join(part.text or "" for part in artifact.parts) for artifact in artifacts]
    if not artifacts:
        texts = [part.text for part in parts if part.text is not None]
    if any(part.text is not None for part in parts):
        return "\n".join(text for text in texts if text)
    return {"files": list(files)} if files else None


def _file(part: Part) -> dict[str, Any]:
    """A file: where it is, or what is in it, in base64."""
    told = {"name": part.filename, "media_type": part.media_type, "url": part.url, "bytes": part.raw}
    return {name: value for name, value in told.items() if value is not None}


def _question(heard: Heard, mark: Mark) -> Reply:
    """A question, which the next turn of an agent may answer as well, unless it is for a right."""
    asked = heard.status.message if heard.status is not None else None
    named = _named(asked)
    is_auth = heard.state is State.AUTH_REQUIRED
    text = (text_of(asked) if asked is not None else None) or (NEEDED if is_auth else "the agent asks for more")
    mark = Mark(
        url=mark.url, context_id=mark.context_id, task_id=mark.task_id, state=mark.state,
        questions=tuple(one["id"] for one in named), asked=asked.message_id if asked is not None else None,
    )  # fmt: skip
    schema = named[0].get("responseSchema") if len(named) == 1 else None
    interrupt: dict[str, Any] = {"message": f"{NEEDED}: {text}" if is_auth and text != NEEDED else text}
    if isinstance(schema, dict | bool):
        interrupt["schema"] = schema
    interrupt |= {"kind": AUTH} if is_auth else {"or_continue": True}
    data = [] if asked is None else [part.data for part in asked.parts if part.data is not MISSING]
    body: dict[str, Any] = {"output": text, "interrupt": interrupt, MARK: mark.as_json()}
    if data:
        body[MARK]["data"] = data
    return Answered(body=body)


def _named(asked: Message | None) -> list[dict[str, Any]]:
    """The questions that have ids, as agents of ours ask them."""
    for part in () if asked is None else asked.parts:
        listed = part.data.get("interrupts") if isinstance(part.data, dict) else None
        if isinstance(listed, list):
            return [one for one in listed if isinstance(one, dict) and isinstance(one.get("id"), str)]
    return []


def _failure(heard: Heard) -> Reply:
    """A failure. What the agent says of it as data below `error` is the error, as in every answer."""
    details = _details(heard)
    for data in details.get("data", ()):
        try:
            error = parse_error(data.get("error")) if isinstance(data, dict) else None
        except AnswerInvalid:
            continue
        if error is not None:
            own = details if error.details is None else error.details
            return refused(error.code, error.message, retryable=error.retryable, details=own)
    return refused("agent.failed", _why(heard, "the task of the agent failed"), details=details)


def _why(heard: Heard, otherwise: str) -> str:
    message = heard.status.message if heard.status is not None else None
    return (text_of(message) if message is not None else None) or otherwise


def _details(heard: Heard) -> dict[str, Any]:
    """Which task it was, and what the agent says of the failure as data."""
    found: dict[str, Any] = {"agent_task_id": heard.task_id, "context_id": heard.context_id}
    message = heard.status.message if heard.status is not None else None
    data = [] if message is None else [part.data for part in message.parts if part.data is not MISSING]
    return found | ({"data": data} if data else {})
