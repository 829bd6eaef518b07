"""Rates: at most so many times within any stretch of time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from engine.limits import RateRule

MAX_KEPT = 1_000
"""The logs of so many nodes are kept beyond their time."""


class Timer(Protocol):
    """Something that was arranged for later."""

    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer]
"""Calls back once, after that many seconds."""


class RateLog:
    """Remembers as many times as the rule allows; after a restart it is empty. Times are milliseconds."""

    def __init__(self, rule: RateRule) -> None:
        self.rule = rule
        self._times: deque[int] = deque(maxlen=rule.limit)

    def wait_ms(self, now: int) -> int:
        """How long until it may happen again; 0: now."""
        if len(self._times) < self.rule.limit:
            return 0
        return min(max(self._times[0] + self.rule.per_ms - now, 0), self.rule.per_ms)

    def note(self, now: int) -> None:
        """It happens."""
        self._times.append(now)

    def is_over(self, now: int) -> bool:
        """Whether nothing that it remembers counts any more."""
        return not self._times or self._times[-1] + self.rule.per_ms <= now


class Rates:
    """The rates of nodes; `back` is called when one that was spent allows something again."""

    def __init__(self, later: Later, back: Callable[[], None]) -> None:
        self._later, self._back = later, back
        self._logs: dict[tuple[str, RateRule], RateLog] = {}
        self._timers: dict[tuple[str, RateRule], Timer] = {}
        self._most = MAX_KEPT

    def allow(self, node: str, rule: RateRule, now: int) -> bool:
        """Whether an attempt of a node may be sent; if not, `back` is called when it may."""
        log = self._logs.get((node, rule))
        wait = 0 if log is None else log.wait_ms(now)
        if wait and (node, rule) not in self._timers:
            self._timers[node, rule] = self._later(wait / 1000, lambda: self._allows((node, rule)))
        return not wait

    def note(self, node: str, rule: RateRule, now: int) -> None:
        """An attempt of a node is sent."""
        if len(self._logs) >= self._most:
            self._logs = {key: log for key, log in self._logs.items() if not log.is_over(now)}
            self._most = max(MAX_KEPT, 2 * len(self._logs))
        self._logs.setdefault((node, rule), RateLog(rule)).note(now)

    def close(self) -> None:
        """Stop all timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _allows(self, key: tuple[str, RateRule]) -> None:
        self._timers.pop(key, None)
        self._back()
