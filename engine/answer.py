"""What a worker's answer says, whichever of the understood shapes it has: JSON in, one frozen value out.

An object is an *answer* when it has one of the fields that only an answer has, whatever their values: `output`,
`updates`, `state_updates`, `goto`, `interrupt` (a mistake in them is told, not taken for an output); or another known
field with a value of its kind: `usage` with tokens or a cost, `events` that are events, a `rate_limit` with one of its
numbers, an `error` that is a text or an object, any `response` or `reply`, and so on. Everything else, `{}` too, is the
output itself. In an answer every known field must be right; unknown ones stay in `raw`. `null` stands for a field that
is not there, except as the `output`; an `error` of `""`, `false` or `{}` says that there was none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, TypeVar

from engine.codec import INTEGER, CodecError, write
from engine.errors import NodeFailure
from engine.kinds import AUTH
from engine.missing import MISSING
from engine.model import NO_USAGE, Updates, Usage
from engine.values import dataclass
from engine.view import Pause

T = TypeVar("T")

KEPT_BYTES = 2000
"""So much of an answer that does not count is kept in the details of its failure."""
MAX_COUNT = 2**53 - 1
"""The largest number that is counted with: beyond it JSON numbers are not exact everywhere."""


class AnswerInvalid(NodeFailure):
    """A known field of an answer has a value that it cannot have; the attempt fails, another may do better."""

    def __init__(self, message: str) -> None:
        super().__init__("answer.invalid", message, retryable=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerError:
    """The error that a worker reported. `retryable` None: it did not say."""

    code: str
    message: str
    retryable: bool | None = None
    details: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """What a worker says of its own rate limit: calls left, calls in all, milliseconds until it is reset."""

    remaining: int | None = None
    limit: int | None = None
    reset_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a worker says beside an error of its own, or of the way to it."""

    usage: Usage = NO_USAGE
    events: tuple[Mapping[str, Any], ...] = ()
    rate_limit: RateLimit | None = None


NOTHING_TOLD = Told()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. `output` is MISSING where there was none, `goto` None unless nodes were named (an empty tuple leads
    nowhere); the updates of a goto follow the others. Values are those of `raw`, the body as it came, not copies. Where
    `output` is a reference to what is too large, `content` is the output itself.
    """

    raw: Any
    output: Any = MISSING
    updates: Updates = ()
    goto: tuple[str, ...] | None = None
    interrupt: Pause | None = None
    usage: Usage = NO_USAGE
    rate_limit: RateLimit | None = None
    events: tuple[Mapping[str, Any], ...] = ()
    error: WorkerError | None = None
    content: Any = MISSING

    @property
    def said(self) -> Any:
        """The output itself; None where there was none."""
        found = self.output if self.content is MISSING else self.content
        return None if found is MISSING else found


def parse_answer(body: Any) -> Answer:
    """Read an answer from the JSON that a worker sent. Raises AnswerInvalid for a known field that is not right."""
    if not isinstance(body, dict):
        return Answer(raw=body, output=body)
    if len(body) == 1 and "output" in body:  # most of them
        return Answer(raw=body, output=body["output"])
    if not _is_answer(body):
        return Answer(raw=body, output=body)
    goto, goto_updates = _goto(body.get("goto"))
    return Answer(
        raw=body,
        output=_output(body),
        updates=(*_updates(body, "updates"), *_updates(body, "state_updates"), *goto_updates),
        goto=goto,
        interrupt=None if body.get("interrupt") is None else _interrupt(_object(body, "interrupt")),
        usage=_usage(body),
        rate_limit=_rate_limit(_object(body, "rate_limit")),
        events=_events(body.get("events")),
        error=_error(body),
    )


def parse_error(error: Any) -> WorkerError | None:
    """The `error` of an answer: an object, or a text that is its message; None for an empty one.

    Raises AnswerInvalid for anything else.
    """
    if error is None or error is False or error == "" or error == {}:
        return None
    if isinstance(error, str):
        return WorkerError(code="worker.error", message=error)
    if not isinstance(error, dict):
        raise AnswerInvalid("'error' must be an object with 'code' and 'message', or a text")
    code, retryable = error.get("code"), error.get("retryable")
    if retryable is not None and not isinstance(retryable, bool):
        raise AnswerInvalid("'error.retryable' must be true or false")
    if isinstance(code, bool) or not isinstance(code, str | int | None):
        raise AnswerInvalid("'error.code' must be a text")
    return WorkerError(
        code="worker.error" if code in (None, "") else str(code),
        message=_text(error, "message", "error.message") or "the worker reported an error",
        retryable=retryable,
        details=error.get("details"),
    )


# ---- what makes an object an answer


def _has_any(*names: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and any(value.get(name) is not None for name in names)


def _present(value: Any) -> bool:
    return value is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_EVENT = _has_any("stage", "message", "data", "progress", "chunks")
_MARKS: dict[str, Callable[[Any], bool]] = {
    "output": lambda value: True,
    "updates": _present,
    "state_updates": _present,
    "goto": _present,
    "interrupt": _present,
    "error": lambda value: isinstance(value, str | dict) and bool(value),
    "usage": _has_any("input_tokens", "output_tokens", "cost", "prompt_tokens", "completion_tokens"),
    "response": _present,
    "reply": _present,
    "choices": lambda value: _content(value) is not MISSING,
    "rate_limit": _has_any("remaining", "limit", "reset_ms"),
    "events": lambda value: isinstance(value, list) and bool(value) and all(map(_EVENT, value)),
    "prompt_tokens": _is_number,
    "completion_tokens": _is_number,
}


def _is_answer(body: dict[str, Any]) -> bool:
    return any(name in body and marks(body[name]) for name, marks in _MARKS.items()) or _status(body) is not None


def _status(body: dict[str, Any]) -> str | None:
    """SUCCEEDED or FAILED, where the object says so and has one of the fields that come with it."""
    status = body.get("status")
    if status not in ("SUCCEEDED", "FAILED") or body.keys().isdisjoint(("outputs", "metadata", "message", "error")):
        return None
    return str(status)


# ---- the fields


def _output(body: dict[str, Any]) -> Any:
    own = ("output", "outputs") if _status(body) else ("output",)
    for name in (*own, "response", "reply"):
        if body.get(name) is not None:
            return body[name]
    if body.get("choices") is not None:
        content = _content(body["choices"])
        if content is MISSING:
            raise AnswerInvalid("'choices' must have a 'message' with 'content' as its first entry")
        return content
    return MISSING if body.keys().isdisjoint(own) else None


def _content(choices: Any) -> Any:
    """`choices[0].message.content`, or MISSING."""
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    return message.get("content", MISSING) if isinstance(message, dict) else MISSING


def _updates(holder: dict[str, Any], name: str, called: str | None = None) -> Updates:
    return tuple(_object(holder, name, called).items())


def _goto(goto: Any) -> tuple[tuple[str, ...] | None, Updates]:
    """The named nodes, each once, and the updates that came with them."""
    if goto is None:
        return None, ()
    updates: Updates = ()
    nodes = goto
    if isinstance(goto, dict):
        nodes, updates = goto.get("node"), _updates(goto, "updates", "goto.updates")
    listed = [nodes] if isinstance(nodes, str) else nodes
    if not isinstance(listed, list) or not all(isinstance(node, str) for node in listed):
        raise AnswerInvalid("'goto' must be the name of a node, a list of names, or an object with 'node'")
    return tuple(dict.fromkeys(listed)), updates


def _interrupt(interrupt: dict[str, Any]) -> Pause:
    schema, actions = interrupt.get("schema"), interrupt.get("actions")
    if not isinstance(schema, dict | bool | None):
        raise AnswerInvalid("'interrupt.schema' must be a JSON Schema")
    if not isinstance(actions, list | None):
        raise AnswerInvalid("'interrupt.actions' must be a list")
    return Pause(
        message=_text(interrupt, "message", "interrupt.message") or "",
        schema=schema,
        actions=actions,
        expires_in_ms=_count(interrupt.get("expires_in_ms"), "interrupt.expires_in_ms"),
        or_continue=interrupt.get("or_continue") is True,
        auth=interrupt.get("kind") == AUTH,
    )


def _usage(body: dict[str, Any]) -> Usage:
    usage = _object(body, "usage")
    given = (usage.get("input_tokens"), usage.get("prompt_tokens"), body.get("prompt_tokens"))
    made = (usage.get("output_tokens"), usage.get("completion_tokens"), body.get("completion_tokens"))
    found = Usage(
        input_tokens=_first_count(given, "usage.input_tokens"),
        output_tokens=_first_count(made, "usage.output_tokens"),
        cost=_cost(usage.get("cost")),
    )
    return NO_USAGE if found == NO_USAGE else found


def told_in(body: Any) -> Told:
    """What a body says beside an error, or beside a mistake, whatever else it says; a field that is not right says
    nothing, and so does an event."""
    if not isinstance(body, dict):
        return NOTHING_TOLD
    events = body.get("events")
    right = [_if_right(_events, [event]) or () for event in (events if isinstance(events, list) else ())]
    usage = _if_right(_usage, body)
    return Told(usage=usage or NO_USAGE, events=tuple(chain(*right)), rate_limit=rate_limit_of(body))


def says_more(body: Any) -> bool:
    """Whether an answer with an error says anything that is neither counted nor a part of the error."""
    if not isinstance(body, dict):
        return False
    error = body.get("error")
    beside = (body[name] for name in body.keys() - _COUNTED)
    within = (error[name] for name in error.keys() - _OF_ERROR) if isinstance(error, dict) else ()
    return any(value not in (None, [], {}) for value in chain(beside, within))


_COUNTED = frozenset({"error", "usage", "events", "rate_limit", "prompt_tokens", "completion_tokens"})
_OF_ERROR = frozenset({"code", "message", "retryable", "details"})


def kept_of(body: Any) -> dict[str, Any]:
    """As much of an answer as is kept with a failure."""
    text = write(body)
    if len(text) <= KEPT_BYTES:
        return {"answer": body}
    return {"answer_begins": text[:KEPT_BYTES].decode(errors="ignore")}


def with_more(details: Any, body: Any) -> Any:
    """The details of an error that a worker told, with its answer where that says more; details that are no object stay
    as they are."""
    if not isinstance(details, dict | None) or not says_more(body):
        return details
    return {**kept_of(body), **(details or {})}


def rate_limit_of(body: Any) -> RateLimit | None:
    """What a body says of the worker's rate limit, whatever else it says."""
    return _if_right(lambda: _rate_limit(_object(body, "rate_limit"))) if isinstance(body, dict) else None


def _if_right(read: Callable[..., T], *given: Any) -> T | None:
    """What is read of a field; None where that is not right."""
    try:
        return read(*given)
    except AnswerInvalid:
        return None


def _rate_limit(limit: dict[str, Any]) -> RateLimit | None:
    names = ("remaining", "limit", "reset_ms")
    return RateLimit(**{name: _count(limit.get(name), f"rate_limit.{name}") for name in names}) if limit else None


def _events(events: Any) -> tuple[Mapping[str, Any], ...]:
    if events is None:
        return ()
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise AnswerInvalid("'events' must be a list of objects")
    for event in events:
        _text(event, "stage", "events[].stage")
        _text(event, "message", "events[].message")
    return tuple(events)


def _error(body: dict[str, Any]) -> WorkerError | None:
    error = parse_error(body.get("error"))
    if error is None and _status(body) == "FAILED":
        message = body.get("message")
        said = message if isinstance(message, str) and message else "the worker reported that it failed"
        return WorkerError(code="worker.error", message=said)
    return error


# ---- values


def _object(holder: dict[str, Any], name: str, called: str | None = None) -> dict[str, Any]:
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise AnswerInvalid(f"'{called or name}' must be an object")
    return value


def _text(holder: dict[str, Any], name: str, called: str) -> str | None:
    value = holder.get(name)
    if not isinstance(value, str | None):
        raise AnswerInvalid(f"'{called}' must be a text")
    return value


def _first_count(values: Iterable[Any], called: str) -> int:
    return next((_count(value, called) or 0 for value in values if value is not None), 0)


def _count(value: Any, called: str) -> int | None:
    if value is None:
        return None
    if not _is_number(value) or not 0 <= value <= MAX_COUNT or value != int(value):
        raise AnswerInvalid(f"'{called}' must be a whole number that is not negative")
    return int(value)


def _cost(value: Any) -> float:
    if value is None:
        return 0.0
    if not _is_number(value) or not 0 <= value <= MAX_COUNT:
        raise AnswerInvalid("'usage.cost' must be a number that is not negative")
    return float(value)


def unreadable(error: CodecError) -> tuple[str, bool]:
    """The code of an answer that cannot be read, and whether another one could be: integers beyond 64 bits fail what
    they would be written to (language 2.1), and would do so again."""
    return ("state.invalid", False) if error.code == INTEGER else ("answer.invalid", True)
