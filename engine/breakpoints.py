"""Breakpoints: how a run stops before or after a node, and goes on once somebody lets it (language 3.4)."""

from __future__ import annotations

from engine.activation import Activated, follow
from engine.address import interrupt_id_of
from engine.commits import Step, all_of, cancelled, next_ref, status_after
from engine.frontier import UNCHANGED
from engine.gates import passed
from engine.model import Commit, InterruptOpened, Kind, Task, TaskStatus, Updates
from engine.run import Run


def stop(run: Run, gate: Task, now: int) -> Step:
    """The commit that opens a breakpoint."""
    assert gate.gate is not None
    opened = InterruptOpened(
        id=interrupt_id_of(gate),
        task_id=gate.id,
        node=gate.node,
        kind="breakpoint",
        message=f"breakpoint {gate.gate.side} '{gate.node}'",
        created_at=now,
    )
    commit = Commit(
        ref=next_ref(run), kind=Kind.INTERRUPT, at=now, branch=run.branch, parent=run.head, task=gate,
        causes=gate.causes, interrupt=opened, status=status_after(run, (), 0, asks=gate.id), epoch=run.epoch,
        task_status=TaskStatus.INTERRUPTED,
    )  # fmt: skip
    return Step(commit)


def go_past(run: Run, opened: InterruptOpened, writes: Updates, actor: str, now: int) -> Step:
    """The commit that passes a breakpoint. What it held back is activated now, and so sees what was edited meanwhile;
    its ids and causes are those that it would have without the breakpoint."""
    gate = run.tasks[opened.task_id]
    after = _released(run, gate)
    ended = all_of(run, after.ended)
    commit = Commit(
        ref=next_ref(run), kind=Kind.RESUME, at=now, branch=run.branch, parent=run.head, task=gate,
        causes=gate.causes, writes=writes, closed=(gate.id, *ended), opened=after.opened, waiting=after.waiting,
        joined=after.joined, absorbed=after.absorbed, cancelled=cancelled(run, ended), resolved=(opened.id,),
        actor=actor, epoch=run.epoch, status=status_after(run, (gate.id, *ended), len(after.opened)),
    )  # fmt: skip
    return Step(commit, None, after.blockers)


def _released(run: Run, gate: Task) -> Activated:
    assert gate.gate is not None
    if gate.gate.handles is None:
        return Activated((passed(gate),), (), (), UNCHANGED)
    done = run.frames.of(gate).history.entries[gate.causes[0]]
    return follow(run, gate, done, gate.gate.handles, gate.gate.goto)
