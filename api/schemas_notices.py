"""What may be asked of notices."""

from __future__ import annotations

from typing import Literal

from api.schemas import Paged


class NoticesQuery(Paged):
    """Which notices a list holds."""

    status: Literal["pending", "delivered", "failed", "withdrawn"] | None = None
    run_id: str | None = None
