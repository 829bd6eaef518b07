"""What a completion means as the answer to a task."""

from __future__ import annotations

from typing import Any

from dispatch._chat_completion import Completion
from engine.codec import CodecError, loads


def answer_of(done: Completion, *, as_json: bool, partial: bool) -> dict[str, Any]:
    """The answer that a completion is; it has an `error` where it does not do.

    `as_json`: the content is JSON, and the output what it says. `partial`: a text that was cut off will do.
    """
    text = "".join(done.content)
    body: dict[str, Any] = {"finish_reason": done.finish, "model": done.model}
    if done.usage:
        body["usage"] = done.usage
    if done.reasoning:
        body["reasoning"] = "".join(done.reasoning)
    if (error := _problem(done, may_be_cut=partial and not as_json and not done.calls)) is not None:
        return body | {"error": error, "content": text}
    if done.calls:
        output = {"content": text or None, "tool_calls": [call.as_json() for call in done.calls]}
        return body | {"output": output}
    return body | (_read(text) if as_json else {"output": text})


def _problem(done: Completion, *, may_be_cut: bool) -> dict[str, Any] | None:
    """Why an answer that came whole does not do. Asking again would only cost the same again."""
    if done.refusal:
        return _error("model.refusal", f"the model refuses: {''.join(done.refusal)}")
    if done.finish == "content_filter":
        return _error("model.content_filter", "the content filter of the model stopped the answer")
    if done.finish == "error":
        return _error("worker.error", "the model server broke the answer off by an error", retryable=True)
    if done.finish == "length" and not may_be_cut:
        message = (
            "the answer was cut off at the most tokens that it may have: raise `max_tokens`, or shorten the prompt"
        )
        return _error("model.length", message)
    return None


def _error(code: str, message: str, *, retryable: bool = False) -> dict[str, Any]:
    return {"code": code, "message": message, "retryable": retryable}


def _read(text: str) -> dict[str, Any]:
    """The output that a content says which is JSON."""
    try:
        return {"output": loads(text)}
    except CodecError as error:
        message = f"the model was asked for JSON and said something else: {error}"
        return {"error": _error("answer.invalid", message, retryable=True), "content": text}
