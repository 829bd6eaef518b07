"""What a node is shown when its task is activated: state and the names of templates and expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from engine.limits import NO_LIMITS, Limits
from engine.missing import MISSING
from engine.model import ErrorInfo, Task
from engine.values import dataclass

if TYPE_CHECKING:
    from engine.graph import Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The values a task may read; `item` and `index` are MISSING outside a send, `errors` empty off error edges."""

    state: Mapping[str, Any]
    input: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    item: Any = MISSING
    index: int | None = None
    errors: Sequence[ErrorInfo] = ()

    def names(self) -> dict[str, Any]:
        """The names of language 2.2; a name that does not exist here is left out."""
        names: dict[str, Any] = {
            "state": self.state,
            "input": self.input,
            "config": self.config,
            "meta": self.meta,
        }
        if self.item is not MISSING:
            names["item"], names["index"] = self.item, self.index
        if self.errors:
            names["errors"] = [error.as_json() for error in self.errors]
            names["error"] = names["errors"][0]
        return names


def meta_of(run_id: str, graph: Graph, max_steps: int, task: Task) -> dict[str, Any]:
    """The `meta` that a task reads (language 2.1)."""
    remaining = max_steps - task.level
    return {
        "run_id": run_id,
        "workflow_id": graph.workflow_id,
        "workflow_version": graph.version,
        "node": task.node,
        "task_id": task.id,
        "step": task.level,
        "remaining_steps": remaining,
        "is_last_step": remaining <= 0,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a worker is asked: all that counts as the input of a task (language 3.1)."""

    prompt: str | None
    input: Any
    state: Mapping[str, Any]
    parameters: Any
    config: Mapping[str, Any]
    item: Any = None
    index: int | None = None
    agent: Mapping[str, Any] | None = None
    """What an agent is told beside that, and the prompt of its further turns."""

    def as_json(self) -> dict[str, Any]:
        found = {
            "prompt": self.prompt,
            "input": self.input,
            "state": self.state,
            "parameters": self.parameters,
            "config": self.config,
            "item": self.item,
            "index": self.index,
        }
        return found if self.agent is None else {**found, "agent": self.agent}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The node asks a worker that carries all `tags` (or the one named, or of that protocol), of a protocol that it
    `prefers` where there is one; `timeout_ms` bounds an attempt in place of the node's own, and `limits` say when it
    may be made."""

    request: Request
    tags: tuple[str, ...] = ()
    worker: str | None = None
    protocol: str | None = None
    prefers: str | None = None
    timeout_ms: int | None = None
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The node is done without a worker; `updates` go through the reducers, `output` is its answer."""

    updates: tuple[tuple[str, Any], ...] = ()
    output: Any = MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The node leaves by these handles."""

    handles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut:
    """The node starts one task for each (target, index): item order, then the order of targets."""

    slots: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The node waits for a value from outside; with `or_continue` an agent that has turns left is asked to go on
    instead. `auth`: it waits for a right that somebody gives, which may happen elsewhere."""

    message: str
    schema: Any = None
    actions: Any = None
    expires_in_ms: int | None = None
    or_continue: bool = False
    auth: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    """The node waits for time to pass: so many milliseconds, or until so many since the epoch."""

    lasts_ms: int = 0
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Nest:
    """The node runs a graph."""


Outcome = Ask | Nest | Done | Chosen | FanOut | Pause | Sleep
