"""Who waits for runs: told whenever something of them has become durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

ALL = 0
"""Stands for all runs where who watches names the key of one."""


class Watched:
    """Runs that are watched, by their keys."""

    def __init__(self) -> None:
        self.watchers: dict[int, dict[Callable[[], None], bool]] = {}
        """By run: who is told, and whether of every change."""
        self._changes: dict[int, int] = {}
        self._notified = 0

    def changes(self, key: int) -> int:
        """A number that grows whenever something of a run becomes durable while somebody watches it."""
        return self._notified if key == ALL else self._changes.get(key, 0)

    async def next_change(self, key: int, told: int, timeout_s: float, *, every: bool = True) -> None:
        """Wait until something has become durable since `changes` was `told`, or the time is up. Who does not want
        `every` change sleeps through those that are not aloud."""
        await self.changed(key, lambda: self.changes(key) != told, timeout_s, every=every)

    async def changed(
        self, key: int, ready: Callable[[], bool], timeout_s: float,
        *, every: bool = True, may_be: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        """Wait until `ready` holds, which is asked whenever something of a run has become durable; `may_be` says at
        that very moment whether it is worth to wake up for it."""
        event = asyncio.Event()
        watching = self.watchers.setdefault(key, {})

        def told() -> None:
            if may_be():
                event.set()

        watching[told] = every
        try:
            async with asyncio.timeout(timeout_s):
                while not ready():
                    await event.wait()
                    event.clear()
        except TimeoutError:
            return
        finally:
            watching.pop(told, None)
            if not watching:
                self.watchers.pop(key, None)

    def notify(self, key: int, *, kept: bool, aloud: bool = True) -> None:
        """Tell who watches a run; of one that is `kept` in memory the number is kept too."""
        self._notified += 1
        self._changes[key] = self._notified
        if not kept and key not in self.watchers:
            del self._changes[key]
        for told, every in tuple(self.watchers.get(key, {}).items()):
            if aloud or every:
                told()

    def forget_changes(self, key: int) -> None:
        """A run is no longer kept in memory."""
        if key not in self.watchers:
            self._changes.pop(key, None)
