"""What an HTTP response means for an attempt: the rules for statuses and bodies that the protocols over HTTP share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from dispatch._http import Broken, HttpFailure, NotConnected, Response, TooLarge
from dispatch._transport import refused
from engine.answer import AnswerInvalid, WorkerError, parse_error, told_in, unreadable, with_more
from engine.codec import MALFORMED, CodecError, loads
from engine.outbox import Accepted, Answered, Refused, Reply, Unreachable

LONGEST_WAIT_MS = 24 * 3600 * 1000
"""The longest wait that `Retry-After` can ask for."""
EXCERPT = 1_000
"""Characters of a body that says nothing we understand which are kept with the error."""

_ACCEPTED = 202
_TRY_AGAIN = frozenset({408, 429})
_BETWEEN = frozenset({502, 503, 504})  # said by what stands between us and the worker, unless there is an error object


def reply_of(response: Response, now: int, kept: Callable[[str], str] = str) -> Reply:
    """The reply that a response is; `now` in milliseconds since the epoch, `kept` what may be kept of a text in it."""
    if response.status == _ACCEPTED:
        return Accepted()
    return _answered(response) if 200 <= response.status < 300 else _refused(response, now, kept)


def reply_of_failure(failure: HttpFailure) -> Reply:
    """The reply that a request without a response is."""
    match failure:
        case NotConnected():
            return Unreachable(message=failure.message)
        case Broken():
            return refused("worker.connection", failure.message, retryable=True, transport=True)
        case TooLarge():
            return refused("answer.too_large", failure.message, retryable=False)
        case _:
            return refused("worker.invalid", failure.message, retryable=False)


def retry_after_ms(value: str | None, now: int) -> int | None:
    """The wait that a `Retry-After` header asks for: seconds, or a date; None where it says neither."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(int(value[:12]) * 1000, LONGEST_WAIT_MS)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() * 1000
    return min(max(round(at) - now, 0), LONGEST_WAIT_MS)


def _answered(response: Response) -> Answered | Refused:
    try:
        body = _body(response)
        return Answered(body=body, raw=None if isinstance(body, str) else response.body)
    except CodecError as error:
        code, retryable = unreadable(error)
        return refused(code, f"the body cannot be read: {error}", retryable=retryable)
    except (UnicodeDecodeError, LookupError) as error:
        return refused("answer.invalid", f"the body cannot be read: {error}", retryable=True)


def _body(response: Response) -> Any:
    """JSON, or text where it is none; null for an empty body. What calls itself JSON has to be JSON."""
    if not response.body:
        return None
    if response.content_type.endswith(("/json", "+json")):
        return loads(response.body)
    if response.content_type != "text/plain":
        try:
            return loads(response.body)
        except CodecError as error:
            if error.code != MALFORMED:
                raise
    return response.body.decode(response.charset)


def _refused(response: Response, now: int, kept: Callable[[str], str]) -> Refused:
    status = response.status
    retryable = status in _TRY_AGAIN or 500 <= status < 600
    body = _json(response)
    said = _error_said(body)
    decided = said is not None and said.retryable is not None
    return refused(
        said.code if said else f"worker.http_{status}",
        said.message if said else _message(response),
        retryable=said.retryable if said and decided else retryable,
        retry_after_ms=retry_after_ms(response.headers.get("Retry-After"), now),
        transport=status in _BETWEEN and said is None,
        details=with_more(said.details, body) if said else {"status": status, "body": _excerpt(response, kept)},
        told=told_in(body),
    )


def _json(response: Response) -> Any:
    """What a body is as JSON; null where it is none."""
    try:
        return loads(response.body)
    except CodecError:
        return None


def _error_said(body: Any) -> WorkerError | None:
    """The `error` object in a body, if there is one."""
    error = body.get("error") if isinstance(body, dict) else None
    try:
        return parse_error(error) if isinstance(error, dict) else None
    except AnswerInvalid:
        return None


def _message(response: Response) -> str:
    message = f"the worker answered {response.status} {response.reason}".rstrip()
    return f"{message}: redirects are not followed" if 300 <= response.status < 400 else message


def _excerpt(response: Response, kept: Callable[[str], str]) -> str:
    return kept(response.body[: 4 * EXCERPT].decode(errors="replace"))[:EXCERPT]
