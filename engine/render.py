"""The JSON shapes of runs, tasks and checkpoints, made from values of the core."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from engine.answer import AnswerInvalid, parse_answer
from engine.errors import NotFound
from engine.frame import names_of
from engine.headway import headway
from engine.limits import LimitReason
from engine.lines import branches_of
from engine.missing import MISSING
from engine.model import (
    END,
    NO_USAGE,
    Cancelled,
    Commit,
    Kind,
    Ref,
    RunHead,
    RunId,
    RunStatus,
    Task,
    TaskStatus,
    Updates,
    seq_of,
)
from engine.progress import Injection, Progress
from engine.render_interrupts import opened_json
from engine.run import Run
from engine.times import rfc3339
from engine.wants import wants_json

NameOf = Callable[[Ref], str]
"""The checkpoint id of a ref, also of commits in runs that this one was forked from."""


def checkpoint_id(run_id: str, seq: int) -> str:
    """The public id of a run's commit."""
    return f"{run_id}.{seq}"


def parse_checkpoint_id(text: str) -> tuple[RunId, int]:
    """The run and the number that a checkpoint id names. Raises NotFound for what is none."""
    run_id, dot, seq = text.rpartition(".")
    if not dot or not run_id or not seq.isascii() or not seq.isdigit() or len(seq) > 9 or seq != str(int(seq)):
        raise NotFound(f"there is no checkpoint '{text[:80]}'")
    return RunId(run_id), int(seq)


def branch_name(branch: int) -> str:
    """The public id of a branch."""
    return "main" if branch == 1 else f"branch-{branch}"


def parse_branch(text: str) -> int | None:
    """The branch with this public id; None for what is none."""
    number = "1" if text == "main" else text.removeprefix("branch-")
    known = number.isascii() and number.isdigit() and len(number) < 10 and branch_name(int(number)) == text
    return int(number) if known else None


def branches_json(head: RunHead, turns: Sequence[Commit]) -> list[dict[str, Any]]:
    """The branches of a run, each with its head and the checkpoint that it began after."""
    return [
        {
            "id": branch_name(branch.number),
            "head": checkpoint_id(head.id, branch.head),
            "begun_after": None if branch.begun_after is None else checkpoint_id(head.id, branch.begun_after),
            "current": branch.number == head.branch,
        }
        for branch in (branches_of(turns, seq_of(head.head)) if seq_of(head.head) else ())
    ]


def pending_json(injection: Injection) -> dict[str, Any]:
    """State that is to be written after a node."""
    return {"id": injection.id, "after_node": injection.node, "updates": injection.updates}


def updates_json(writes: Updates) -> dict[str, Any]:
    """Updates as an object; of a key that is written twice in one commit, the list of both."""
    found: dict[str, Any] = {}
    twice: set[str] = set()
    for key, update in writes:
        if key in twice:
            found[key].append(update)
        elif key in found:
            found[key] = [found[key], update]
            twice.add(key)
        else:
            found[key] = update
    return found


def output_of(answer: Any) -> Any:
    """The output in a recorded answer; None where it has none."""
    if answer is None:
        return None
    try:
        output = parse_answer(answer).output
    except AnswerInvalid:
        return None
    return None if output is MISSING else output


def address_of(task: Task) -> str:
    """A task's address as people see it: `draft`, `draft#2` in the second round, `draft[3]` for an item, `part/draft`
    in the graph that the node `part` runs."""
    return place_of(task.node, task.wave.rounds, task.index, task.wave.frame)


def place_of(node: str, rounds: Sequence[int], index: int | None, frame: str = "") -> str:
    """The address of a node in these rounds, of an item where it has an index, in a frame."""
    if len(rounds) == 1 and rounds[0]:
        node = f"{node}#{rounds[0] + 1}"
    elif any(rounds):
        node = f"{node}#{'.'.join([str(number + 1) for number in rounds])}"
    if index is not None:
        node = f"{node}[{index}]"
    return node if not frame else "".join(f"{name}/" for name in names_of(frame)) + node


# ---- tasks


BUSY = (TaskStatus.PENDING, TaskStatus.RUNNING)
TIMED = (TaskStatus.RETRYING, TaskStatus.WAITING)
"""Statuses of tasks that may go on by themselves at a time."""


def open_status(run: Run, task: Task) -> TaskStatus:
    """The status of a task that is not finished, as people see it."""
    status, reason = run.progress[task.id].status, run.progress[task.id].reason
    if run.status is RunStatus.CANCELLED:
        return TaskStatus.CANCELLED
    if status is TaskStatus.PENDING and reason == LimitReason.MAX_CONCURRENCY:  # an item that waits for another one
        return TaskStatus.WAITING
    return TaskStatus.RUNNING if run.is_busy(task.id) and status in BUSY else status


def open_task_json(run: Run, task: Task) -> dict[str, Any]:
    """A task that is not finished."""
    progress, status = run.progress[task.id], open_status(run, task)
    held = progress.status is TaskStatus.RUNNING
    return {
        **_place(task),
        "status": status,
        "reason": None if status is TaskStatus.CANCELLED else progress.reason,
        "wants": wants_json(run, task),
        "attempt": progress.attempt,
        "worker_id": progress.worker,
        "output": None,
        "error": None if progress.error is None else progress.error.as_json(),
        "usage": None if progress.spent is NO_USAGE else progress.spent.as_json(),
        "cached": False,
        "reused": False,
        "dispatch_id": f"{task.id}.{progress.attempt}" if held else None,
        "pending_ack": held and not progress.accepted,
        "ack_deadline": rfc3339(_ack_deadline(progress)) if held else None,
        "next_attempt_at": rfc3339(progress.due_at) if status in TIMED else None,
        "progress": headway(run, task) or progress_json(progress.report),
        "heard_at": rfc3339(progress.heard_at),
        "created_at": rfc3339(progress.created_at),
        "started_at": rfc3339(progress.started_at),
        "finished_at": rfc3339(progress.failed_at or run.cancelled_at),
    }


def _ack_deadline(progress: Progress) -> int | None:
    """Until when a task may be accepted; of one that was, until when it may be answered."""
    return progress.deadline if progress.accepted or progress.ack_by is None else progress.ack_by


def done_tasks_json(commit: Commit) -> list[dict[str, Any]]:
    """The tasks that ended with a commit: the one that it finished, and those that it cancelled."""
    done = [_done_task_json(commit)] if finishes_task(commit) else []
    return [*done, *(_cancelled_json(ended, commit.at) for ended in commit.cancelled)]


def _cancelled_json(ended: Cancelled, at: int) -> dict[str, Any]:
    return {
        **_place(ended.task),
        **dict.fromkeys(("reason", "output", "error", "usage", "dispatch_id", "ack_deadline", "next_attempt_at")),
        **dict.fromkeys(("progress", "heard_at")),
        **dict.fromkeys(("cached", "reused", "pending_ack"), False),
        "status": TaskStatus.CANCELLED,
        "attempt": ended.attempt,
        "worker_id": ended.worker,
        "created_at": rfc3339(ended.created_at),
        "started_at": rfc3339(ended.started_at),
        "finished_at": rfc3339(at),
    }


def _done_task_json(commit: Commit) -> dict[str, Any]:
    """A task that a commit finished."""
    assert commit.task is not None
    return {
        **_place(commit.task),
        "status": commit.task_status or TaskStatus.COMPLETED,
        "reason": None,
        "attempt": commit.attempt,
        "worker_id": commit.worker,
        "output": output_of(commit.answer),
        "answer": commit.answer,
        "chosen": commit.chosen,
        "error": None if commit.error is None else commit.error.as_json(),
        "usage": commit.spent.plus(commit.usage).as_json(),
        "cached": commit.cached,
        "reused": commit.reused,
        "dispatch_id": None,
        "pending_ack": False,
        "ack_deadline": None,
        "next_attempt_at": None,
        "progress": None,
        "heard_at": None,
        "created_at": rfc3339(commit.created_at or commit.at),
        "started_at": rfc3339(commit.started_at or commit.at),
        "finished_at": rfc3339(commit.at),
    }


def progress_json(report: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """How far a worker says that it is."""
    return None if report is None else {name: report.get(name) for name in ("stage", "progress", "message")}


def _place(task: Task) -> dict[str, Any]:
    ns = names_of(task.wave.frame)
    return {"id": task.id, "node": task.node, "ns": ns, "index": task.index, "address": address_of(task)}


def ends_tasks(commit: Commit) -> bool:
    """Whether any task ends with a commit."""
    return finishes_task(commit) or bool(commit.cancelled)


def finishes_task(commit: Commit) -> bool:
    """Whether a commit is the end of a task's activation."""
    return commit.task is not None and commit.kind in (Kind.NODE, Kind.ITEM) and commit.task.id in commit.closed


# ---- checkpoints


def checkpoint_json(run: Run, run_id: str, commit: Commit, name_of: NameOf, *, state: bool) -> dict[str, Any]:
    """A checkpoint; `run` is the run as it was right after it."""
    task = commit.task
    shape: dict[str, Any] = {
        "id": checkpoint_id(run_id, commit.seq),
        "run_id": run_id,
        "branch": branch_name(commit.branch),
        "seq": commit.seq,
        "parent_id": None if commit.parent is None else name_of(commit.parent),
        "kind": commit.kind,
        "node": task.node if task is not None else None,
        "ns": names_of(commit.frame),
        "task_id": task.id if task is not None else None,
        "address": address_of(task) if task is not None else None,
        "index": task.index if task is not None else None,
        "rounds": list(task.wave.rounds) if task is not None else [],
        "level": commit.level,
        "causes": [name_of(cause) for cause in commit.causes],
        "writes": updates_json(commit.writes),
        "chosen": commit.chosen,
        "error": None if commit.error is None else commit.error.as_json(),
        "status": commit.status,
        "actor": commit.actor,
        "next": next_nodes(run),
        "interrupts": [opened_json(run, run_id, opened) for opened in run.interrupts.values()],
        "workflow_version": run.graph.version,
        "dropped": list(commit.dropped),
        "usage": commit.usage.as_json(),
        "reused": commit.reused,
        "cached": commit.cached,
        "created_at": rfc3339(commit.at),
    }
    if state:
        shape["state"] = run.history.shown()
    return shape


def next_nodes(run: Run) -> list[str]:
    """The nodes that are active or waited for, each once, as authored."""
    names = {name for task in run.frontier.tasks.values() for name in _nodes_of(run, task)}
    names |= {wave.node for wave in run.frontier.waves}
    return sorted(names, key=lambda name: run.graph.nodes[name].position)


def _nodes_of(run: Run, task: Task) -> Iterator[str]:
    """The node of a task, or those that a breakpoint after it holds back."""
    if task.gate is None or task.gate.handles is None:
        yield task.node
        return
    for handle in task.gate.handles:
        yield from (e.target for e in run.graph.topology.edges_from(task.node, handle) if e.target != END)


# ---- runs


def run_summary(head: RunHead, parent_checkpoint: str | None) -> dict[str, Any]:
    """A run as lists show it."""
    return {
        "id": head.id,
        "workflow_id": head.workflow_id,
        "workflow_version": head.workflow_version,
        "status": head.status,
        "error": None if head.error is None else head.error.as_json(),
        "usage": head.usage.as_json(),
        "metadata": head.metadata,
        "tags": list(head.tags),
        "parent_id": head.parent_id,
        "session_id": None if head.seat is None else head.seat.session,
        "forked_from": _forked_from(head, parent_checkpoint),
        "checkpoint_count": seq_of(head.head),
        "latest_checkpoint_id": checkpoint_id(head.id, seq_of(head.head)) if seq_of(head.head) else None,
        "branch": branch_name(head.branch),
        "trigger": head.trigger,
        "created_at": rfc3339(head.created_at),
        "updated_at": rfc3339(head.updated_at),
        "finished_at": rfc3339(head.finished_at),
        "hold": head.hold,
        "priority": head.priority,
        "concurrency_key": head.concurrency_key,
        "start_at": rfc3339(head.start_at),
        "reason": head.reason,
    }


def _forked_from(head: RunHead, checkpoint: str | None) -> dict[str, Any] | None:
    forked = head.parent_id is not None and not head.continues
    return {"run_id": head.parent_id, "checkpoint_id": checkpoint} if forked else None


def forked_checkpoint(head: RunHead) -> str | None:
    """The checkpoint that a run was forked from."""
    if head.parent is None or head.parent_id is None:
        return None
    return checkpoint_id(head.parent_id, seq_of(head.parent))
