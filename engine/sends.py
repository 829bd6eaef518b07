"""Sends: one task per item, and the commit that gathers what they gave (language 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.address import origin_of, task_id_of
from engine.commits import Result, Step, commit_task, next_ref, record
from engine.errors import NodeFailure
from engine.failure import error_of, fail_run, handled
from engine.graph import Node
from engine.model import Call, ErrorInfo, Kind, Ref, Task, Wave
from engine.run import Run
from engine.state import changed, normalised
from engine.view import FanOut
from engine.weight import require_light


def fan_out(run: Run, task: Task, fan: FanOut, now: int) -> Step:
    """The `send` commit, which opens one task for each slot; beyond a limit of the run, the commit that fails it."""
    if (limit := _limit(run, task, len(fan.slots))) is not None:
        return fail_run(run, limit, now)
    ref = next_ref(run)
    waves = {target: Wave(target, task.wave.rounds, task.wave.frame, task.wave.generation) for target, _ in fan.slots}
    items = tuple(
        Task(
            id=task_id_of(run, waves[target], (task.id,), (slot,), index),
            wave=waves[target],
            causes=(ref,),
            level=task.level + 1,
            index=index,
            call=task.id,
            slot=slot,
            place=task.place,
        )
        for slot, (target, index) in enumerate(fan.slots)
    )
    call = Call(fanout=ref, size=len(items))
    commit = record(
        run, task, Result(), (), task.level, task.causes, Kind.SEND, now, opened=items, calls=((task.id, call),)
    )
    return Step(commit, {})


def _limit(run: Run, task: Task, size: int) -> ErrorInfo | None:
    if run.task_count + size > run.max_tasks:
        message = f"{size} items are more than the {run.max_tasks} tasks of config.max_tasks leave room for"
        return ErrorInfo(code="run.task_limit", message=message, node=task.node, task_id=task.id, retryable=False)
    if size and task.level >= run.max_steps:
        message = f"the items of '{task.node}' would be step {task.level + 1}; raise config.max_steps"
        return ErrorInfo(code="run.step_limit", message=message, node=task.node, task_id=task.id, retryable=False)
    return None


def gather(run: Run, task: Task, now: int) -> Step:
    """The commit with the results of a send, caused by all its items in item order (none: by the fan-out)."""
    node, call = run.node_of(task), run.calls[task.id]
    causes = tuple(call.done[slot] for slot in range(call.size)) or (call.fanout,)
    frame = run.frames.of(task)
    level = 1 + max(frame.history.entries[ref].order[0] for ref in causes)
    outputs, failed = _outputs(run, node, causes if call.size else ())
    if failed is not None:
        return handled(run, task, failed, level, causes, now)
    try:
        require_light(task.node, ((node.spec.output_key, outputs),))
        state = frame.history.merged(causes)
        writes = normalised(frame.graph, ((node.spec.output_key, outputs),), origin_of(run, task))
        fresh = changed(frame.graph, state, writes)
    except NodeFailure as failure:
        return handled(run, task, error_of(failure, task), level, causes, now)
    return commit_task(run, task, Result(), writes, fresh, level, causes, now)


def _outputs(run: Run, node: Node, items: Sequence[Ref]) -> tuple[list[Any], ErrorInfo | None]:
    """The outputs of the items in their order; with `fail` the first error."""
    outputs: list[Any] = []
    for ref in items:
        output, error = run.results[ref]
        if error is None:
            outputs.append(output)
        elif node.spec.on_item_error == "collect":
            outputs.append(error.as_json())
        elif node.spec.on_item_error == "fail":
            return outputs, error
    return outputs, None
