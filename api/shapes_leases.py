"""What workers that ask for tasks are answered, as the API's description shows it."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.shapes import Shape
from dispatch._envelope import AgentEnvelope, TaskEnvelope


class Lease(Shape):
    """How long a task is held without a word."""

    expires_at: datetime
    heartbeat_ms: int = Field(description="How often a heartbeat is well sent.")


class Leased(Shape):
    """A task, and for how long it is held."""

    task: AgentEnvelope | TaskEnvelope
    reply_to: str = Field(description="Where to post the answer.")
    message_id: str = Field(description="Equal over the attempts of a request.")
    lease: Lease


class Leases(Shape):
    """What a worker was given; nothing where there is nothing to do."""

    items: list[Leased]
