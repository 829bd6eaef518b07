"""Calls by which workers say that something has changed: who waits for one looks for himself at what it is."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterator
from contextlib import contextmanager


class Callbacks:
    """Who waits for calls, by a name that stands in their address, each with a token that a call has to bring."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, asyncio.Event]] = {}

    @contextmanager
    def waiting(self, name: str, token: str) -> Iterator[asyncio.Event]:
        """An event that is set when a call comes, as long as the block lasts."""
        event = asyncio.Event()
        self._waiting[name] = (token, event)
        try:
            yield event
        finally:
            if self._waiting.get(name, (None, None))[1] is event:
                del self._waiting[name]

    def call(self, name: str, token: str) -> bool:
        """Wake who waits under a name; False where nobody does, or the token is another one."""
        wanted, event = self._waiting.get(name, ("", None))
        is_right = hmac.compare_digest(wanted.encode(), token.encode(errors="replace"))
        if event is None or not is_right:
            return False
        event.set()
        return True
