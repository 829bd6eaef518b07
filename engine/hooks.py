"""Who is told of a run, as people see it."""

from __future__ import annotations

from typing import Any

from engine.model import Hook
from engine.notices import Notice
from engine.render import rfc3339


def webhook_json(hook: Hook | None, last: Notice | None) -> dict[str, Any] | None:
    """Who is told of a run, and what became of the last notice; the secret is not shown."""
    if hook is None:
        return None
    return {
        "url": hook.url,
        "events": list(hook.events),
        "notice_id": last.id if last else None,
        "status": last.status if last else None,
        "attempts": last.attempts if last else 0,
        "last_error": last.last_error if last else None,
        "next_at": rfc3339(last.due_at) if last else None,
    }
