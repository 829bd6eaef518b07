"""How a rival is asked: one process, which reads what to do from its input and prints how long it took, as JSON lines.

It runs in an environment of its own: this module imports nothing but the standard library.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

LENGTH, SHORT, AT_ONCE, ITEMS = 100, 20, 32, 1000
"""Nodes of a long chain, nodes of a short one, runs at once, items of a send."""

Work = Callable[..., Awaitable[object]]


async def obey(about: Mapping[str, Any], works: Mapping[str, Work]) -> None:
    """Say what this is, then do what is asked until the input ends."""
    _say({"ready": True, **about})
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        begun, used = time.perf_counter(), time.process_time()
        await works[asked.pop("do")](**asked)
        _say({"seconds": time.perf_counter() - begun, "cpu_s": time.process_time() - used})


def _say(found: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def expect(found: object, wanted: object) -> None:
    """Fail unless a run has come to what it must."""
    if found != wanted:
        raise SystemExit(f"{found!r} is not {wanted!r}")
