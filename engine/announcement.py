"""What a notice says of a run: its status, its output or error, and the questions that it waits with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.codec import digest, write
from engine.model import Hook, Push, RunHead, RunStatus
from engine.notices import Notice
from engine.output import output_of
from engine.render import branch_name, checkpoint_id, run_summary
from engine.render_interrupts import opened_json
from engine.run import Run
from engine.times import rfc3339
from engine.values import dataclass

MAX_OUTPUT = 256 * 1024
"""A longer output is not sent along, in bytes of JSON."""


def notice_of(run: Run, head: RunHead, hook: Hook, now: int) -> Notice:
    """The notice that a run stands where it does."""
    return Notice(
        id=f"{run.id}-{run.seq}", run_key=run.key, run_id=run.id, workflow_id=head.workflow_id, event=run.status.value,
        url=hook.url, created_at=now, since=now, due_at=now, body=write(_message(run, head, now)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One thing that a push is told: what it is about, and the body with its media type."""

    event: str
    media_type: str
    body: bytes


def pushed(run: Run, head: RunHead, push: Push, said: Sequence[Said], now: int) -> Iterator[Notice]:
    """The notices of what a push is told now. Each place of a run in its history is told of once, so that their ids
    follow from it."""
    name = f"{run.id}-{run.seq}.{run.events}-{digest(push.id)[:32]}"
    for number, one in enumerate(said):
        yield Notice(
            id=f"{name}-{number}", run_key=run.key, run_id=run.id, workflow_id=head.workflow_id, event=one.event,
            url=push.url, created_at=now, since=now, due_at=now, push=push.id, media_type=one.media_type, body=one.body,
        )  # fmt: skip


def seen(run: Run, head: RunHead) -> dict[str, Any]:
    """A run as those see it who are shown runs, as far as it is told; `head` is its row as it stands now."""
    waits = run.interrupts.values() if run.status is RunStatus.INTERRUPTED else ()
    interrupts = [opened_json(run, run.id, opened) for opened in waits]
    return {**run_summary(head, None), **_output(run), "interrupts": interrupts}


def _message(run: Run, head: RunHead, now: int) -> dict[str, Any]:
    """What is sent: the form that Standard Webhooks recommends."""
    failed = run.error if run.status is RunStatus.FAILED else None
    waits = run.interrupts.values() if run.status is RunStatus.INTERRUPTED else ()
    told = {
        "run_id": run.id,
        "workflow_id": head.workflow_id,
        "workflow_version": run.graph.version,
        "status": run.status,
        "checkpoint_id": checkpoint_id(run.id, run.seq) if run.seq else None,
        "branch": branch_name(run.branch),
        **_output(run),
        "error": failed.as_json() if failed is not None else None,
        "interrupts": [opened_json(run, run.id, opened) for opened in waits],
        "usage": run.usage.as_json(),
        "metadata": head.metadata,
        "tags": list(head.tags),
        "created_at": rfc3339(head.created_at),
    }
    return {"type": f"run.{run.status}", "timestamp": rfc3339(now), "data": told}


def _output(run: Run) -> dict[str, Any]:
    if run.status is not RunStatus.COMPLETED:
        return {"output": None, "output_omitted": False}
    found = output_of(run.graph, {"input": run.input, "config": run.config}, run.history.shown())
    omitted = len(write(found)) > MAX_OUTPUT
    return {"output": None if omitted else found, "output_omitted": omitted}


def webhook_json(hook: Hook | None, last: Notice | None) -> dict[str, Any] | None:
    """Who is told of a run, and what became of the last notice; the secret is not shown."""
    if hook is None:
        return None
    return {
        "url": hook.url,
        "events": list(hook.events),
        "notice_id": last.id if last else None,
        "status": last.status if last else None,
        "attempts": last.attempts if last else 0,
        "last_error": last.last_error if last else None,
        "next_at": rfc3339(last.due_at) if last else None,
    }
