"""What a worker says of a failure without its token and its own headers, which some repeat when they refuse them: they
are written, and never read again. What it answers is data, and stays as it is."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import orjson

from engine.answer import AnswerInvalid, parse_answer
from engine.model import ErrorInfo
from engine.outbox import Answered, Refused, Reply
from engine.ports import WorkerRow
from engine.values import replace

HIDDEN = "***"
SHORTEST, SHORTEST_IN_CODES = 4, 8
"""What has fewer characters is no secret, and would be found everywhere; in codes, which rules look at, even more of it
would be by chance."""

_WITH_SCHEME = frozenset({"authorization", "proxy-authorization"})


def reply_without(worker: WorkerRow, reply: Reply) -> Reply:
    """A reply; one that says of no failure is the same."""
    if isinstance(reply, Answered):
        return _answered_without(worker, reply)
    if not isinstance(reply, Refused) or not (secrets := _secrets_of(worker)):
        return reply
    events = tuple(_hidden(event, secrets) for event in reply.told.events)
    return replace(reply, error=_error_without(reply.error, secrets), told=replace(reply.told, events=events))


def text_without(worker: WorkerRow, text: str) -> str:
    """A text about a failure, before it is cut, so that no part of a secret is left."""
    found: str = _hidden(text, _secrets_of(worker))
    return found


def _answered_without(worker: WorkerRow, reply: Answered) -> Answered:
    if not _says_error(reply.body) or not (secrets := _secrets_of(worker)):
        return reply
    body = _hidden(reply.body, secrets)
    return reply if body == reply.body else Answered(body=body)


def _says_error(body: Any) -> bool:
    if not isinstance(body, dict) or not (body.get("error") or body.get("status") == "FAILED"):
        return False
    try:
        return parse_answer(body).error is not None
    except AnswerInvalid:
        return True


def _error_without(error: ErrorInfo, secrets: list[str]) -> ErrorInfo:
    found = _hidden({"code": error.code, "message": error.message, "details": error.details}, secrets)
    return replace(error, **found)


def _hidden(value: Any, secrets: list[str]) -> Any:
    """A JSON value in whose texts no secret stands."""
    match value:
        case str():
            for secret in secrets:
                value = value.replace(secret, HIDDEN)
            return value
        case dict():
            return {
                name: _hidden(found, _of_codes(secrets) if name == "code" else secrets) for name, found in value.items()
            }
        case list():
            return [_hidden(found, secrets) for found in value]
    return value


def _of_codes(secrets: list[str]) -> list[str]:
    return [secret for secret in secrets if len(secret) >= SHORTEST_IN_CODES]


def _secrets_of(worker: WorkerRow) -> list[str]:
    """What is secret of a worker, as it may be repeated; the longest first, since one may stand in another."""
    found = {form for secret in _given(worker) for form in _forms(secret)}
    return sorted(found, key=len, reverse=True)


def _given(worker: WorkerRow) -> Iterator[str]:
    yield from (secret for secret in (worker.token, worker.secret) if secret and len(secret) >= SHORTEST)
    for name, value in worker.headers.items():
        credentials = value.partition(" ")[2] if name.lower() in _WITH_SCHEME else ""
        yield from (said for said in (value.strip(), credentials.strip()) if len(said) >= SHORTEST)


def _forms(secret: str) -> tuple[str, ...]:
    """A text as it is, in JSON, in an address, and as agents are told a password."""
    return secret, orjson.dumps(secret)[1:-1].decode(), quote(secret, safe=""), b64encode(secret.encode()).decode()
