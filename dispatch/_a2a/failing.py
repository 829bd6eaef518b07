"""What fails between us and an agent, as a reply."""

from __future__ import annotations

from functools import partial

from dispatch._a2a.agents import NoCard
from dispatch._a2a.card import CardInvalid
from dispatch._a2a.client import NotAnswered, Said
from dispatch._a2a.following import Lost
from dispatch._a2a.read import Unreadable
from dispatch._a2a.saying import Unaskable
from dispatch._http import HttpFailure, NotConnected, Response, TooLarge
from dispatch._reply import reply_of, reply_of_failure
from dispatch._transport import refused
from dispatch._unsaid import text_without
from engine.errors import EngineError
from engine.outbox import Refused, Reply
from engine.ports import WorkerRow

INTERNAL = -32603
FAILURES = (HttpFailure, NoCard, CardInvalid, NotAnswered, Said, Unreadable, Unaskable, Lost)

_BETWEEN = frozenset({502, 503, 504})


def reply_of_error(error: EngineError, worker: WorkerRow, now: int, *, taken: bool) -> Reply:
    """The reply that a request has come to which failed; `taken`: the agent had a task of it already."""
    match error:
        case NotConnected() if taken:
            return refused("worker.connection", error.message, retryable=True, transport=True)
        case TooLarge():
            return refused("answer.too_large", error.message, retryable=False)
        case HttpFailure():
            return reply_of_failure(error)
        case NoCard(response=response):
            passes = response.status in _BETWEEN
            return refused("agent.card", error.message, retryable=True, transport=passes)
        case NotAnswered(response=response):
            return _not_answered(response, worker, now)
        case Said():
            details = {"code": error.number, "data": error.details}
            may_pass = None if error.number in (INTERNAL, 0) else False
            return refused("agent.error", error.message, retryable=may_pass, details=details)
        case Unreadable():
            why = f"the agent's answer cannot be read: {error.message}"
            return refused("answer.invalid", why, retryable=True)
        case _:
            return refused(error.code, error.message, retryable=isinstance(error, Lost))


def _not_answered(response: Response, worker: WorkerRow, now: int) -> Reply:
    found = reply_of(response, now, partial(text_without, worker))
    if isinstance(found, Refused):
        return found
    why = f"the agent answered {response.status} {response.reason}, which is no answer of JSON-RPC"
    return refused("answer.invalid", why, retryable=True)
