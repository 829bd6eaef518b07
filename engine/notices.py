"""Notices: what an address outside is told of a run, written with what they tell and kept until they arrive."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Protocol

from engine.errors import Conflict
from engine.model import RunId
from engine.retry import RetryPolicy, next_delay_ms
from engine.values import dataclass, replace


class NoticeStatus(StrEnum):
    """Statuses of a notice; one is withdrawn where its run has gone on before it arrived."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


OPEN = (NoticeStatus.PENDING, NoticeStatus.FAILED)
"""The statuses of notices that have not arrived and still hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """That a run came to status `event`. `due_at` is when it is tried next, `since` from when on it has been tried.

    `push` is the id of the push that it is for, empty for the webhook of the run. Those of a push arrive in the order
    in which they were made. `body` is what is sent, of type `media_type`; it is empty in lists, and once it is not
    needed any more.
    """

    id: str
    run_key: int
    run_id: RunId
    workflow_id: str
    event: str
    url: str
    created_at: int
    since: int
    due_at: int | None
    status: str = NoticeStatus.PENDING
    attempts: int = 0
    last_error: str | None = None
    ended_at: int | None = None
    body: bytes = field(default=b"", repr=False)
    push: str = ""
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFilter:
    """Which notices a list holds; fields that are None do not filter."""

    status: str | None = None
    run_key: int | None = None
    push: str | None = None


class Notices(Protocol):
    """The part of the store that keeps them; they are written with the commits that they tell of."""

    async def notice(self, notice_id: str) -> Notice | None: ...

    async def next_notice(self, run_key: int, push: str) -> Notice | None:
        """The oldest notice for a push that is still tried."""

    async def notices(
        self, where: NoticeFilter, limit: int, cursor: str | None
    ) -> tuple[tuple[Notice, ...], str | None]:
        """Newest first, without bodies, and the cursor of the next page. Raises Invalid for a cursor that is none of
        ours."""

    async def move_notice(self, was: Notice, now: Notice) -> bool:
        """Write what has become of a notice, durably; False where it is gone, or does not stand as it was."""


# ---- delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How a delivery went: without an error it has arrived. `final`: to try again is of no use."""

    error: str | None = None
    final: bool = False
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How soon and for how long a notice is tried again; after that it has failed."""

    policy: RetryPolicy
    give_up_ms: int


def after(notice: Notice, attempt: Attempt, now: int, chance: float, patience: Patience) -> Notice:
    """A notice after an attempt. One that was withdrawn meanwhile is not tried again, but may have arrived."""
    tried = replace(notice, attempts=notice.attempts + 1, last_error=attempt.error or notice.last_error)
    if attempt.error is None:
        return replace(tried, status=NoticeStatus.DELIVERED, due_at=None, ended_at=now, body=b"")
    if notice.status != NoticeStatus.PENDING:
        return tried
    until = notice.since + patience.give_up_ms
    delay = next_delay_ms(patience.policy, tried.attempts, "", None, chance)
    if attempt.final or delay is None or now >= until:
        return replace(tried, status=NoticeStatus.FAILED, due_at=None, ended_at=now)
    asked = min(attempt.retry_after_ms or 0, patience.policy.max_interval_ms)
    return replace(tried, due_at=min(now + max(delay, asked), until))


def again(notice: Notice, now: int) -> Notice:
    """A notice that somebody wants to be tried anew, now and for as long as a new one. Raises Conflict."""
    if notice.status not in OPEN:
        why = "has arrived" if notice.status == NoticeStatus.DELIVERED else "was withdrawn: its run has gone on since"
        raise Conflict(f"the notice {why}", "notice.closed")
    return replace(notice, status=NoticeStatus.PENDING, attempts=0, since=now, due_at=now, ended_at=None)
