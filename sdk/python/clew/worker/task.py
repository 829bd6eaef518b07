"""The task, as a function of a worker sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn, Protocol

from pydantic import PrivateAttr

from clew._json import given
from clew.models import Json, Model
from clew.worker.answer import Asked, Cancelled


class Desk(Protocol):
    """Who passes on what a task reports, and knows whether its answer is wanted. Called from any thread."""

    @property
    def cancelled(self) -> bool: ...

    def report(self, report: Json) -> None: ...

    def heartbeat(self) -> None: ...


class Task(Model):
    """One request to a worker. A function's tests may make one of the fields that matter: `Task(input={"n": 1})`.

    `input`, `state` (the keys that the node reads), `parameters` and `prompt` are what the node says; `item` and
    `index` are set in the target of a send. `resume` is the answer to the question that the task has asked.
    """

    task_id: str = ""
    run_id: str = ""
    workflow_id: str = ""
    workflow_version: int = 1
    node: str = ""
    ns: list[str] = []
    worker_tags: list[str] | None = None
    prompt: str | None = None
    input: Any = None
    state: Json = {}
    parameters: Any = None
    item: Any = None
    index: int | None = None
    session_id: str | None = None
    config: Json = {}
    attempt: int = 1
    turn: int = 1
    resume: Any = None
    deadline: datetime | None = None
    trace: Json = {}
    mode: str | None = None
    tools: list[Any] | None = None
    max_iterations: int | None = None

    _desk: Desk | None = PrivateAttr(default=None)
    _message_id: str = PrivateAttr(default="")

    @property
    def message_id(self) -> str:
        """The same over all attempts of one request: what to keep where something must be done once only."""
        return self._message_id or self.task_id

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the answer any more."""
        return self._desk is not None and self._desk.cancelled

    def progress(
        self,
        stage: str | None = None,
        progress: float | None = None,
        message: str | None = None,
        *,
        data: Any = None,
    ) -> None:
        """Say how far it is, from 0 to 1. Returns at once. Raises Cancelled when the answer is not wanted."""
        share = None if progress is None else min(max(progress, 0), 1)  # a report that is not valid takes others along
        self._report(given(stage=stage, progress=share, message=message, data=data))

    def log(self, text: str) -> None:
        """Write a line into the task's log. Returns at once. Raises Cancelled when the answer is not wanted."""
        self._report({"chunks": [{"channel": "log", "text": text}]})

    def emit_text(self, text: str, channel: str = "llm") -> None:
        """Pass on a piece of text, such as a token, as it comes. Returns at once. Raises Cancelled."""
        self._report({"chunks": [{"channel": channel, "text": text}]})

    def heartbeat(self) -> None:
        """Ask at once whether the answer is wanted; it is asked every few seconds anyway. Raises Cancelled."""
        if self._desk is not None:
            self._desk.heartbeat()
        self._go_on()

    def interrupt(
        self,
        message: str,
        schema: Any = None,
        *,
        actions: Any = None,
        expires_in_ms: int | None = None,
        kind: str | None = None,
    ) -> NoReturn:
        """Ask somebody, and end here: the task comes again with the answer, which fits `schema`, in `resume`. With the
        `kind` "auth" a right is needed, and the answer None says that it was given elsewhere."""
        more = given(schema=schema, actions=actions, expires_in_ms=expires_in_ms, kind=kind)
        raise Asked({"message": message, **more})

    def _report(self, report: Json) -> None:
        if self._desk is not None and report:
            self._desk.report(report)
        self._go_on()

    def _go_on(self) -> None:
        if self.cancelled:
            raise Cancelled(f"nobody wants the answer to task {self.task_id} any more")


def task_of(body: Json, message_id: str, desk: Desk) -> Task:
    """The task of a request. Raises pydantic's ValidationError for a body that is none."""
    task = Task.model_validate(body)
    task._desk = desk
    task._message_id = message_id
    return task
