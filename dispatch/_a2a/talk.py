"""A request to an agent while it lasts: whom it goes to, what was heard of it, and who is told of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dispatch._a2a.agents import Agent, endpoint_of, headers_of
from dispatch._a2a.client import Client, Told
from dispatch._a2a.hearing import Heard
from dispatch._a2a.security import credentials_of
from dispatch._chat_reports import Reports
from dispatch._http import Http
from engine.ports import WorkerRow

Ref = Mapping[str, Any]
"""What a task is called that an agent has taken: `task_id` and `context_id`, at which `url`, in which `version`."""


@dataclass(slots=True, kw_only=True)
class Talk:
    """`taken` is told when the agent has a task of it; `push` is where it may tell of changes, with the token."""

    http: Http
    agent: Agent
    worker: WorkerRow
    reports: Reports
    taken: Callable[[Ref], None]
    heard: Heard = field(default_factory=Heard)
    push: tuple[str, str] | None = None
    ref: Ref | None = None

    @property
    def url(self) -> str:
        """The address of the agent, as answers name it."""
        return self.agent.interface.url

    def client(self, version: str | None = None) -> Client:
        """Who asks, in a version."""
        version = version or self.agent.version
        return Client(
            http=self.http,
            url=endpoint_of(self.agent, credentials_of(self.agent.card, self.worker)),
            version=version,
            headers=headers_of(self.agent, self.worker, version),
            tenant=self.agent.interface.tenant,
        )

    def hear(self, told: Told, version: str) -> None:
        """Take up an event, and tell what there is to tell of it. Raises TooLarge."""
        found = self.heard.take(told)
        for report in found:
            self._tell(report)
        if not found:
            self.reports.beat()
        if self.ref is None and self.heard.task_id is not None and not self.heard.is_over:
            heard = self.heard
            self.ref = {
                "task_id": heard.task_id, "context_id": heard.context_id, "url": self.url, "version": version,
            }  # fmt: skip
            self.taken(self.ref)

    def _tell(self, report: Mapping[str, Any]) -> None:
        if set(report) != {"chunks"}:
            self.reports.note(report)
            return
        for chunk in report["chunks"]:
            self.reports.add(chunk["channel"], chunk["text"])
