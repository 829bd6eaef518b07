"""What chat workers are told of a task: a text, and the headers that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from dispatch._envelope import Envelope
from engine.codec import loads
from engine.ports import WorkerRow


def task_of(task: Envelope) -> dict[str, Any]:
    """A task as a value. What is not in it is not there for a worker of any other protocol either."""
    found: dict[str, Any] = loads(task.body)
    return found


def message_of(task: Mapping[str, Any]) -> str:
    """What a task says: what somebody answered to the question of the worker, else the prompt, else the input."""
    if task.get("resume") is not None:
        return text_of(task["resume"])
    return text_of(task.get("input")) if task.get("prompt") is None else str(task["prompt"])


def text_of(value: Any) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def headers_of(worker: WorkerRow, task: Envelope, **ours: str) -> dict[str, str]:
    """The worker's own headers, and ours, which win; its token where it has one."""
    sent = {name.lower(): value for name, value in worker.headers.items()}
    sent |= {name.lower(): value for name, value in task.headers.items()}
    sent |= {name.replace("_", "-"): value for name, value in ours.items()}
    sent["content-type"] = "application/json"
    if worker.token:
        sent["authorization"] = f"Bearer {worker.token}"
    return sent
