"""What a task of a run is shown: its state, and everything else that its templates and expressions can name."""

from __future__ import annotations

from typing import Any

from engine.graph import DEFAULT_MAX_STEPS
from engine.missing import MISSING
from engine.model import Task
from engine.run import Run
from engine.view import View, meta_of


def view_of(run: Run, task: Task) -> View:
    """What the task sees: state, item and index, config, meta, errors. Raises NodeFailure."""
    frame = run.frames.of(task)
    state = frame.history.view(task)
    errors = frame.history.errors(task)
    return View(
        state=state,
        input=frame.input,
        config=frame.config,
        meta=meta_of(run.id, frame.graph, int(run.config.get("max_steps", DEFAULT_MAX_STEPS)), task),
        item=MISSING if task.call is None else _item(run, task),
        index=task.index,
        errors=errors,
    )


def _item(run: Run, task: Task) -> Any:
    assert task.call is not None and task.index is not None
    return run.items[run.calls[task.call].fanout][task.index]
