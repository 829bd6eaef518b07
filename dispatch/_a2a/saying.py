"""What an agent is told of a task: the message, and in which context and task it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dispatch._a2a.model import PAUSED, Message, Part, Role, State
from dispatch._chat_task import task_of
from dispatch._envelope import Envelope
from engine.errors import EngineError
from engine.values import dataclass

MARK = "a2a"
"""The field of an answer that says where it was given: it is kept with it, and the next request goes on from there."""


class Unaskable(EngineError):
    """The node says what no agent can be asked."""

    code = "request.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where an earlier answer was given: at which address, in which task and context, and what it left open."""

    url: str
    context_id: str | None = None
    task_id: str | None = None
    state: State = State.UNKNOWN
    questions: tuple[str, ...] = ()
    asked: str | None = None
    """The id of the message in which it asked."""

    def as_json(self) -> dict[str, Any]:
        return {
            "url": self.url, "context_id": self.context_id, "task_id": self.task_id, "state": self.state.value,
            "questions": list(self.questions), "asked": self.asked,
        }  # fmt: skip


def mark_in(answer: Any) -> Mark | None:
    """The mark of an answer; None where it has none."""
    found = answer.get(MARK) if isinstance(answer, Mapping) else None
    if not isinstance(found, Mapping) or not isinstance(found.get("url"), str):
        return None
    state = found.get("state")
    return Mark(
        url=found["url"],
        context_id=_text(found.get("context_id")),
        task_id=_text(found.get("task_id")),
        state=State(state) if state in set(State) else State.UNKNOWN,
        questions=tuple(one for one in found.get("questions") or () if isinstance(one, str)),
        asked=_text(found.get("asked")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What is said. `answers`: it is the answer to a question, which only its task can take; `asked` is the id of what
    the agent had said last in that task. `elsewhere`: there is no answer, since a right that the agent needs was given
    elsewhere. `session` is what the run goes on in, by which its context is called unless the agent calls it
    otherwise."""

    message: Message
    answers: bool = False
    elsewhere: bool = False
    asked: str | None = None
    session: str | None = None


def saying_of(envelope: Envelope, url: str) -> Saying:
    """What an agent at an address is told. Raises Unaskable."""
    task = task_of(envelope)
    if envelope.question is not None:
        mark = mark_in(envelope.question)
        if mark is None or mark.task_id is None or mark.url != url:
            raise Unaskable("another worker had asked the question that is answered: only that one can go on")
        message = _message(envelope, task, _answer(task.get("resume"), mark), mark, same=True)
        elsewhere = mark.state is State.AUTH_REQUIRED and task.get("resume") is None
        return Saying(message=message, answers=True, elsewhere=elsewhere, asked=mark.asked)
    if envelope.said:
        mark = mark_in(envelope.said[-1][1])
        here = mark if mark is not None and mark.url == url else None
        same = here is not None and here.state in PAUSED
        message = _message(envelope, task, _asked(task), here, same=same)
        asked = here.asked if here is not None and same else None
        return Saying(message=message, asked=asked, session=_session(task, here))
    parts = (*_asked(task), *_beside(task))
    return Saying(message=_message(envelope, task, parts, None, same=False), session=_session(task, None))


def _message(
    envelope: Envelope, task: Mapping[str, Any], parts: tuple[Part, ...], mark: Mark | None, *, same: bool
) -> Message:
    task_id = None if mark is None else mark.task_id
    return Message(
        message_id=envelope.message_id,
        role=Role.USER,
        parts=parts,
        context_id=None if mark is None else mark.context_id,
        task_id=task_id if same else None,
        reference_task_ids=() if same or task_id is None else (task_id,),
        metadata=_metadata(task),
    )


def _asked(task: Mapping[str, Any]) -> tuple[Part, ...]:
    """The prompt as text; the input where there is none, as text or as data."""
    if task.get("prompt") is not None:
        return (Part(text=str(task["prompt"])),)
    given = task.get("input")
    return (Part(text=given) if isinstance(given, str) else Part(data=given),)


def _beside(task: Mapping[str, Any]) -> tuple[Part, ...]:
    """What else the node tells: the state that it reads, and the item."""
    told = {"state": task.get("state") or None, "item": task.get("item"), "index": task.get("index")}
    found = {name: value for name, value in told.items() if value is not None}
    return (Part(data=found),) if found.keys() - {"index"} else ()


def _answer(value: Any, mark: Mark) -> tuple[Part, ...]:
    """What somebody answered; an agent that names its questions is told which one it answers."""
    if len(mark.questions) == 1:
        return (Part(data={"resume": {mark.questions[0]: value}}),)
    if mark.questions:
        return (Part(data={"resume": value}),)
    return (Part(text=value) if isinstance(value, str) else Part(data=value),)


def _session(task: Mapping[str, Any], mark: Mark | None) -> str | None:
    """The session of a run; the items of a send talk each for itself."""
    session = task.get("session_id")
    alone = task.get("index") is not None or session == task.get("task_id")
    return None if mark is not None or alone else _text(session)


def _metadata(task: Mapping[str, Any]) -> dict[str, Any]:
    """What the node says of the message: `parameters.a2a` has a `skill`, and other `metadata`."""
    parameters = task.get("parameters")
    given = parameters.get("a2a") if isinstance(parameters, Mapping) else None
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not isinstance(given.get("metadata", {}), Mapping):
        raise Unaskable('`parameters.a2a` must be an object, such as {"skill": "translate", "metadata": {}}')
    skill = given.get("skill")
    if not isinstance(skill, str | None):
        raise Unaskable("`parameters.a2a.skill` must be the id of a skill")
    return dict(given.get("metadata", {})) | ({} if skill is None else {"skillId": skill})


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
