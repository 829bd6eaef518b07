"""What may be asked about sessions."""

from __future__ import annotations

from api.schemas import Paged


class SessionCheckpointsQuery(Paged):
    """Which checkpoints of a session a list holds, and whether with their states."""

    node: str | None = None
    state: bool = False
