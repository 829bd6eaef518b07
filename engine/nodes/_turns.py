"""The turns of an agent: how many there may be, and when it has had enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.expression import Expression
from engine.nodes._common import result_of
from engine.template import Template
from engine.values import dataclass

DEFAULT_TURNS = 10
GO_ON = "Continue."


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """How an agent goes on; `timeout_ms` bounds a turn (None: as any attempt of the node)."""

    most: int
    continuation: Template
    stop_when: Expression | None = None
    timeout_ms: int | None = None
    tools: Any = None
    max_iterations: int | None = None

    def goes_on(self, done: int, output: Any, names: Mapping[str, Any]) -> bool:
        """Whether another turn follows once so many are done, the last with this output. Raises NodeFailure."""
        return done < self.most and not self.has_enough(output, names)

    def has_enough(self, output: Any, names: Mapping[str, Any]) -> bool:
        """Whether a turn with this output is the last by `stop_when`. Raises NodeFailure."""
        return self.stop_when is not None and result_of(self.stop_when, {**names, "output": output}) is True
