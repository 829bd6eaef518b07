"""The server itself."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from clew.models._base import Json, Model


class Info(Model):
    """What a server is, and what it can do."""

    name: str
    version: str
    started_at: datetime
    uptime_s: float
    database: str
    public_url: str
    auth: bool
    protocols: list[str] = []
    node_types: list[str] = []
    import_formats: list[str] = []
    reducers: list[str] = []
    workflows: Json | None = None
    limits: dict[str, int | None] = {}


class NodeType(Model):
    """A type of node, and the JSON Schema of a node of this type."""

    type: str
    description: str
    json_schema: Json = Field(alias="schema")
