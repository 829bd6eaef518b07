"""Time by phase: functions of the engine are wrapped while it works, and each counts without those inside it."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Stopwatch:
    """Seconds and calls by phase. A phase's time is its own: what is wrapped inside it counts there."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    inside: list[float] = field(default_factory=lambda: [0.0])
    undo: list[Callable[[], None]] = field(default_factory=list)

    def wrap(self, owner: Any, name: str, phase: str) -> None:
        """Time a function or method that does not await; `owner` is the module or class that it is looked up in."""
        kept = vars(owner)[name]
        inner = kept.__func__ if isinstance(kept, staticmethod) else kept

        @functools.wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            self.inside.append(0.0)
            try:
                return inner(*args, **kwargs)
            finally:
                self._ended(phase, time.perf_counter() - begun)

        self._put(owner, name, kept, staticmethod(timed) if isinstance(kept, staticmethod) else timed)

    def wrap_wait(self, owner: Any, name: str, phase: str) -> None:
        """Time a coroutine function from call to return; other tasks may go on meanwhile, so nothing is subtracted."""
        kept = vars(owner)[name]

        @functools.wraps(kept)
        async def timed(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            try:
                return await kept(*args, **kwargs)
            finally:
                self.add(phase, time.perf_counter() - begun)

        self._put(owner, name, kept, timed)

    def _put(self, owner: Any, name: str, kept: Any, new: Any) -> None:
        setattr(owner, name, new)
        self.undo.append(lambda: setattr(owner, name, kept))

    def _ended(self, phase: str, took: float) -> None:
        within = self.inside.pop()
        self.inside[-1] += took
        self.add(phase, took - within)

    def add(self, phase: str, took: float) -> None:
        self.seconds[phase] = self.seconds.get(phase, 0.0) + took
        self.calls[phase] = self.calls.get(phase, 0) + 1

    def clear(self) -> None:
        """Begin again at zero."""
        self.seconds.clear()
        self.calls.clear()

    @contextmanager
    def running(self) -> Iterator[Stopwatch]:
        """Wrapped until the end of the block."""
        try:
            yield self
        finally:
            while self.undo:
                self.undo.pop()()
