"""A worker for the tests: what it does stands in the `parameters` of the node."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

from clew import Answer, Cancelled, Task, TaskError, Worker

opened: list[str] = []
worker = Worker("kit", max_concurrent=4, grace_s=20, heartbeat_s=0.2, resources=opened)


def note(task: Task, what: str) -> None:
    """Write into the file that the node names, for tests to see."""
    with Path(task.parameters["notes"]).open("a") as notes:
        notes.write(f"{what} {task.attempt} {os.getpid()}\n")


@worker.task("shout")
def shout(task: Task) -> str:
    return (task.prompt or "").upper()


@worker.task("answer")
async def answer(task: Task) -> Answer:
    return Answer(output="out", updates={"more": task.state}, usage={"input_tokens": 3, "cost": 0.5})


@worker.task("fail")
def fail(task: Task) -> Any:
    if task.parameters.get("own"):
        raise TaskError("page.missing", "no such page", retryable=False)
    raise ValueError("broken")


ENDS = {"exit": SystemExit(3), "ctrl-c": KeyboardInterrupt(), "cancelled": asyncio.CancelledError()}


@worker.task("end")
def end(task: Task) -> Any:
    """Does what would end a program."""
    raise ENDS[task.parameters["what"]]


@worker.task("end_async")
async def end_async(task: Task) -> Any:
    """The same on the event loop."""
    raise ENDS[task.parameters["what"]]


@worker.task("large")
def large(task: Task) -> Any:
    """Answers with what no server takes."""
    return {"long": "x" * 9_000_000, "big": 2**70, "lost": "artifact:sha256:" + 64 * "0"}[task.parameters["what"]]


@worker.task("ask")
def ask(task: Task) -> Any:
    if task.resume is None:
        task.interrupt("Which size?", {"enum": ["S", "M"]})
    return f"{task.resume} {threading.current_thread().name}"


@worker.task("tell")
async def tell(task: Task) -> str:
    task.progress("running", 0.5, "half", data={"of": 2})
    task.log("a line")
    for token in ("one ", "two ", "three"):
        task.emit_text(token)
    return "told"


@worker.task("slow")
async def slow(task: Task) -> str:
    """Works until a file is there."""
    note(task, "begun")
    try:
        while not Path(task.parameters["go"]).exists():  # noqa: ASYNC110 - it is another process that makes it
            await asyncio.sleep(0.02)
    except Cancelled:
        note(task, "cancelled")
        raise
    note(task, "done")
    return "slow but sure"


@worker.task("stuck")
def stuck(task: Task) -> str:
    """A plain function that only its reports can end."""
    note(task, "begun")
    gone = threading.Event()
    try:
        while not gone.wait(0.02):
            task.heartbeat()
    except Cancelled:
        note(task, "cancelled")
        raise
    return "never"


@worker.task("open")
def open_one(task: Task) -> str:
    """Has something from then on that no other worker has."""
    opened.append(f"tab-{os.getpid()}")
    return opened[-1]


@worker.task("use")
async def use(task: Task) -> bool:
    return task.input["resource_ref"] in opened


@worker.after_task
def release(task: Task, answer: Any) -> None:
    """Notes what a task came to, where it says so."""
    if isinstance(task.parameters, dict) and task.parameters.get("releases"):
        note(task, f"released {next(iter(answer))}")
