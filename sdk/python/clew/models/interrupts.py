"""Interrupts: questions to humans or programs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from clew.models._base import Json, Model


class Interrupt(Model):
    """A question. `json_schema` is what the answer has to satisfy; `kind` is node, worker, auth or breakpoint."""

    id: str
    run_id: str
    task_id: str
    node: str
    kind: str
    message: str
    json_schema: Any = Field(default=None, alias="schema")
    actions: Any = None
    status: str
    created_at: datetime | None = None
    expires_at: datetime | None = None
    assignee: str | None = None
    claimed_at: datetime | None = None
    resolved_at: datetime | None = None
    age_ms: int | None = None
    state: Json | None = None
    state_cut: list[str] | None = None
