"""What is said of the server itself as the API's description shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.shapes import Folder, Shape


class Health(Shape):
    """That the server lives."""

    status: Literal["ok"]


class Broker(Shape):
    """A broker between the server and workers."""

    protocol: str
    address: str = Field(description="Where it is, without what authorises.")
    status: Literal["up", "away"] = Field(description="`away`: it cannot be reached; tasks wait for it.")
    workers: int = Field(description="So many registered workers are reached through it.")


class Ready(Shape):
    """That the server can do its work."""

    status: Literal["ready"]
    brokers: list[Broker]


class Drained(Shape):
    """How far a server is emptied."""

    draining: bool
    deliveries: int = Field(description="Tasks that workers are being asked right now.")


class BackedUp(Shape):
    """A copy of the database."""

    file: str
    bytes: int


class Info(Shape):
    """What this server is."""

    name: str
    version: str
    started_at: datetime
    uptime_s: float
    database: str
    public_url: str
    auth: bool
    protocols: list[str]
    node_types: list[str]
    import_formats: list[str] = Field(description="Of documents of other systems that can be imported.")
    reducers: list[str]
    workflows: Folder | None = Field(description="null where no folder is followed.")
    limits: dict[str, int | None]
