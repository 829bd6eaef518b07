"""Some workers of a fleet in one process, for `tests.e2e.fleet`: written with the kit, each with a line of its own.

What each begins and ends is noted in a file, with the time that the machine has, which all processes share.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path

from clew import Task, Worker
from clew.worker.transports import open_transport

AT_ONCE = 2
BUSY_S = (1.0, 6.0)


def a_worker(name: str, notes: Path) -> Worker:
    """A worker that takes a while, and notes what it holds."""
    worker = Worker(name, max_concurrent=AT_ONCE)

    @worker.task("fleet")
    async def work(task: Task) -> str:
        note(notes, "begin", name, task.task_id)
        try:
            await asyncio.sleep(random.uniform(*BUSY_S))
            return task.node
        finally:
            note(notes, "end", name, task.task_id)

    return worker


def note(notes: Path, what: str, name: str, task_id: str) -> None:
    """One line: it is written in one piece, so that a process that is killed leaves whole lines."""
    with notes.open("a") as file:
        file.write(f"{time.monotonic_ns()} {what} {name} {task_id}\n")


async def main(asked: argparse.Namespace) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(asked.first, asked.first + asked.count):
            transport = open_transport(asked.transport, url=asked.url)
            group.create_task(a_worker(f"w{number}", asked.notes).serve(transport))
        sys.stdout.write("ready\n")
        sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--transport", required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--notes", type=Path, required=True)
    asyncio.run(main(parser.parse_args()))
