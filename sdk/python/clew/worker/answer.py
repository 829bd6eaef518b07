"""What a function makes of its task: an answer, a question, a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clew._json import NoJson, encode, given, plain
from clew.models import Json

Cancelled = asyncio.CancelledError
"""Raised inside a function when nobody wants its answer any more: at an `await`, or at the next report."""


class _Missing:
    """No value, not even null."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()

MAX_BODY = 8 * 1024 * 1024 - 256 * 1024
"""Bytes of an answer that go over every transport: 8 MiB, with room for what is around it."""
MAX_DEPTH = 60
LARGEST = 2**63
"""Integers have 64 bits, with their sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer with more to it than its output.

    `updates` are state updates, through the reducers; `goto` names what comes next in place of the node's edges;
    `usage` is `{"input_tokens", "output_tokens", "cost"}`, `rate_limit` `{"remaining", "limit", "reset_ms"}`; `events`
    are reports that come with it.
    """

    output: Any = MISSING
    updates: Json | None = None
    goto: str | Sequence[str] | None = None
    usage: Json | None = None
    rate_limit: Json | None = None
    events: Sequence[Json] = ()

    def body(self) -> Json:
        """The answer as it is sent. Raises NoJson."""
        found = {} if self.output is MISSING else {"output": self.output}
        found |= given(updates=self.updates, goto=self.goto, usage=self.usage, rate_limit=self.rate_limit)
        if self.events:
            found["events"] = list(self.events)
        # Without a field it would be read as an output that is an empty object.
        body: Json = plain(found or {"updates": {}})
        return body


class TaskError(Exception):
    """The task has failed. The node's retry and error edges see `code`; `retryable` comes before what they say."""

    def __init__(self, code: str, message: str, *, retryable: bool | None = None, details: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.details = details


class Asked(BaseException):
    """The task has to ask somebody. No `except Exception` of a function is in its way."""

    def __init__(self, question: Json) -> None:
        super().__init__(question.get("message", ""))
        self.question = question


def answer_of(value: Any) -> Json:
    """The answer that a returned value is: an Answer as it says, anything else is the output. Raises TaskError."""
    try:
        body = value.body() if isinstance(value, Answer) else {"output": plain(value)}
        size = len(encode(body))
    except NoJson as error:
        raise TaskError("worker.answer", str(error), retryable=False) from None
    if size > MAX_BODY:
        message = f"the answer has {size} bytes, more than the {MAX_BODY} that can be sent; pass it as an artifact"
        raise TaskError("answer.too_large", message, retryable=False)
    _check(body, MAX_DEPTH)
    return body


def _check(value: Any, depth: int) -> None:
    """Refuse what no server takes, so that no attempt waits for its time to be up. Raises TaskError."""
    if isinstance(value, dict | list):
        if not depth:
            raise TaskError(
                "answer.invalid", f"the answer is nested more than {MAX_DEPTH} levels deep", retryable=False
            )
        for part in value.values() if isinstance(value, dict) else value:
            _check(part, depth - 1)
    elif isinstance(value, int) and not -LARGEST <= value < LARGEST:
        raise TaskError("state.invalid", "an integer in the answer has more than 64 bits", retryable=False)


def caught(error: BaseException) -> BaseException:
    """What a function has raised, as what fails its attempt: what ends a program does not end the worker."""
    if isinstance(error, Exception | Cancelled | Asked):
        return error
    if isinstance(error, SystemExit):
        return RuntimeError(f"the function has called sys.exit({error.code})")
    return RuntimeError(f"the function has raised {type(error).__name__}")


def failure_of(error: Exception) -> Json:
    """The answer that an exception is: its own `code` and `retryable` where it has them."""
    code, retryable = getattr(error, "code", None), getattr(error, "retryable", None)
    own = isinstance(error, TaskError)
    said = {
        "code": code if isinstance(code, str) and code else "worker.exception",
        "message": str(error) if own else f"{type(error).__name__}: {error}",
        "retryable": retryable if isinstance(retryable, bool) else None if own else True,
        "details": getattr(error, "details", None) if own else None,
    }
    return {"error": given(**said)}


def is_success(body: Json) -> bool:
    """Whether an answer is one that may be given again: neither a failure nor a question."""
    return "error" not in body and "interrupt" not in body
