"""The errors of model servers: an object in one of the shapes that they have, with any status, or in a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dispatch._chat_rates import rate_limit_of, wait_of
from dispatch._http import Response
from dispatch._reply import reply_of
from dispatch._transport import refused
from engine.answer import NOTHING_TOLD, Told, told_in
from engine.codec import CodecError, loads
from engine.outbox import Refused
from engine.values import dataclass

_TRY_AGAIN = frozenset({408, 409, 429})
_NEVER = frozenset({"insufficient_quota"})  # comes with 429, and waiting does not help
_MOST = 2_000
"""Characters of a message that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An error that a server reported. `status` is what it says itself; `retryable` None: it did not say."""

    code: str | None
    message: str
    status: int | None = None
    retryable: bool | None = None
    details: Any = None


def error_in(body: Any) -> Said | None:
    """The error that a body or a chunk is or has: `{"error": {…}}`, `{"error": "…"}` or `{"object": "error", …}`."""
    if not isinstance(body, dict):
        return None
    error = body if body.get("object") == "error" else body.get("error")
    if isinstance(error, str) and error:
        return Said(code=None, message=error[:_MOST])
    return _said(error) if isinstance(error, dict) and error else None


def refusal_of(response: Response, now: int, kept: Callable[[str], str] = str) -> Refused:
    """The refusal that a response is whose status says that it failed; `now` and `kept` as for `reply_of`."""
    body = _json(response)
    said = error_in(body)
    if said is None:  # another one than a model server may have said it
        return plain if isinstance(plain := reply_of(response, now, kept), Refused) else _odd(response)
    told = told_in({**body, "rate_limit": rate_limit_of(response.headers, now)})
    return refusal(said, response.status, retry_after_ms=wait_of(response.headers, now), told=told)


def refusal(said: Said, status: int, *, retry_after_ms: int | None = None, told: Told = NOTHING_TOLD) -> Refused:
    """The refusal that an error is which came with a status: one of success where it stood in a stream."""
    found = status if status >= 400 else said.status
    retryable = said.retryable
    if retryable is None:
        may_pass = found is None or found in _TRY_AGAIN or found >= 500
        retryable = may_pass and said.code not in _NEVER
    fallback = "worker.error" if found is None else f"worker.http_{found}"
    return refused(
        said.code or fallback,
        said.message,
        retryable=retryable,
        retry_after_ms=retry_after_ms,
        details=said.details if said.details is not None else {"status": found},
        told=told,
    )


def _said(error: dict[str, Any]) -> Said:
    code, kind, message = error.get("code"), error.get("type"), error.get("message")
    number = code if isinstance(code, int) and not isinstance(code, bool) else None
    retryable, details = error.get("retryable"), error.get("details")
    return Said(
        code=next((word for word in (code, kind) if isinstance(word, str) and word), None),
        message=message[:_MOST] if isinstance(message, str) and message else "the model server reported an error",
        status=number if number is not None and 400 <= number < 600 else None,
        retryable=retryable if isinstance(retryable, bool) else None,
        details=details if details is not None else _kept(error),
    )


def _kept(error: dict[str, Any]) -> dict[str, Any] | None:
    """What else is known of an error that is worth keeping."""
    found = {name: error[name] for name in ("type", "param", "code") if isinstance(error.get(name), str | int)}
    return found or None


def _json(response: Response) -> Any:
    try:
        return loads(response.body)
    except CodecError:
        return None


def _odd(response: Response) -> Refused:
    message = f"the server answered {response.status}, which says nothing of a completion"
    return refused("answer.invalid", message, retryable=True)
