"""The body of an answer that comes by a broker: bytes, of which nothing says what they are."""

from __future__ import annotations

from typing import Any

from dispatch._inbox import MAX_BODY, too_large
from engine.answer import unreadable
from engine.codec import MALFORMED, CodecError, loads


def answer_in(body: bytes) -> Any:
    """The answer: JSON, or text where it is none; null where there is nothing. One that cannot be kept as it is counts
    as an error of the worker, so that nobody waits for it any longer."""
    if not body:
        return None
    if len(body) > MAX_BODY:
        return too_large()
    try:
        return loads(body)
    except CodecError as error:
        why, (code, retryable) = error.message, unreadable(error)
        if error.code == MALFORMED:
            try:
                return body.decode()
            except UnicodeDecodeError:
                why = "it is neither JSON nor text in UTF-8"
    return {"error": {"code": code, "message": f"the answer cannot be read: {why}", "retryable": retryable}}
