"""What workers send over brokers and sockets: taken as what they post is, and told to the transport."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from api.answers import Answers
from api.errors import Refused, code_of
from api.schemas_reports import Reported
from dispatch._inbox import Receipt
from engine.errors import Conflict, Invalid, NotFound, StoreUnavailable
from engine.model import TaskId

MISSING = "artifact.missing"


class Inbound:
    """A `dispatch._inbox.Inbox` over the answers of a server, which is bound before anything comes in."""

    def __init__(self) -> None:
        self._answers: Answers

    def bind(self, answers: Answers) -> None:
        self._answers = answers

    async def result(self, correlation_id: str, body: Any) -> Receipt:
        task_id, token = _named(correlation_id)
        receipt = await _received(self._answers.take(task_id, token, body))
        if receipt.code == MISSING:  # not every transport can tell the worker: the attempt has failed
            failure = {"code": MISSING, "message": receipt.message, "retryable": True}
            failed = await _received(self._answers.take(task_id, token, {"error": failure}))
            return receipt if failed.taken else failed
        return receipt

    async def report(self, correlation_id: str, reports: Sequence[Mapping[str, Any]]) -> Receipt:
        task_id, token = _named(correlation_id)
        try:
            told = Reported.model_validate({"events": list(reports)}).reports()
        except ValidationError as error:
            invalid = Invalid(f"a report is not valid: {error.errors()[0]['msg']}", "report.invalid")
            self._answers.refuse("progress", task_id, token, invalid)
            return Receipt(code=code_of(invalid), message=invalid.message)
        return await _received(self._answers.report(task_id, token, told))

    async def heartbeat(self, correlation_id: str) -> Receipt:
        task_id, token = _named(correlation_id)
        return await _received(self._answers.heartbeat(task_id, token))


def _named(correlation_id: str) -> tuple[TaskId, str]:
    """The task and the token that a correlation id is made of."""
    task_id, _, token = correlation_id.partition(".")
    return TaskId(task_id), token


async def _received(taking: Awaitable[object]) -> Receipt:
    """Raises StoreUnavailable."""
    try:
        await taking
    except StoreUnavailable:
        raise
    except (Refused, NotFound, Conflict) as refused:
        return Receipt(code=code_of(refused), message=refused.message, wanted=False)
    except Invalid as invalid:
        return Receipt(code=code_of(invalid), message=invalid.message)
    return Receipt()
