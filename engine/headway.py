"""How far a task is that others do: the items of a send, the nodes of a subgraph."""

from __future__ import annotations

from typing import Any

from engine.model import Task
from engine.run import Run


def headway(run: Run, task: Task) -> dict[str, Any] | None:
    """What is done of a task in progress, in the form in which workers report; None for one that a worker has."""
    stage = None
    if (call := run.calls.get(task.id)) is not None:
        done, total = len(call.done), call.size
    elif (name := run.frames.nests.get(task.id)) is not None:
        frame = run.frames[name]
        done, total = len(frame.done), len(frame.graph.nodes)
        stage = f"turn {frame.turn}" if frame.turn > 1 else None
    else:
        return None
    return {"stage": stage, "progress": done / total, "message": f"{done}/{total}"}
