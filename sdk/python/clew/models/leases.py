"""Tasks that a worker has come for."""

from __future__ import annotations

from datetime import datetime

from clew.models._base import Json, Model


class Lease(Model):
    """How long a task is held without a word, and how often a heartbeat is well sent."""

    expires_at: datetime
    heartbeat_ms: int


class Leased(Model):
    """A task on a lease. `reply_to` authorises the answer; `message_id` is equal over the attempts of a request."""

    task: Json
    reply_to: str
    message_id: str
    lease: Lease
