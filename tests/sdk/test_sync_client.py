"""The synchronous face: the same operations, without an event loop."""

from __future__ import annotations

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from clew import Client, NotFound, SyncClient
from tests.unit.api.serving import straight


def used(url: str) -> tuple[str, list[str], list[str]]:
    with SyncClient(url) as clew:
        run = clew.runs.start(straight(), wait=10)
        events = [event.event for event in clew.runs.stream(run.id)]
        for _ in clew.runs.stream(run.id):
            break
        with pytest.raises(NotFound):
            clew.runs.get("nothing")
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda _: clew.runs.get(run.id).status, range(8)))
        return run.status, events, found


async def test_everything_is_there_at_once(shared: str) -> None:
    with ThreadPoolExecutor(1) as thread:
        status, events, found = thread.submit(used, shared).result()
    assert (status, events, found) == ("completed", ["run", "updates", "run", "end"], ["completed"] * 8)
    assert not [thread for thread in threading.enumerate() if thread.name == "clew"]


def test_both_faces_take_the_same_and_are_documented() -> None:
    with SyncClient("http://127.0.0.1:1") as blocking:
        client = Client("http://127.0.0.1:1")
        for part in ("workflows", "runs", "interrupts", "workers", "sessions", "dead_letters", "jobs"):
            one, other = getattr(client, part), getattr(blocking, part)
            names = [name for name in dir(type(one)) if not name.startswith("_")]
            assert len(names) >= 3
            for name in names:
                assert inspect.signature(getattr(one, name)) == inspect.signature(getattr(other, name))
                assert inspect.getdoc(getattr(other, name))
