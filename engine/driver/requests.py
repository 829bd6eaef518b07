"""What runs are asked for with, and the rows with which they begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from engine.graph import deep_merge
from engine.model import Hook, Push, RunHead, RunId, RunStatus, make_ref
from engine.session import OnBusy
from engine.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What a run is started with. `config` is laid over the workflow's."""

    workflow_id: str
    version: int
    input: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    interrupt_before: tuple[str, ...] | None = None
    interrupt_after: tuple[str, ...] | None = None
    hook: Hook | None = None
    pushes: tuple[Push, ...] = ()
    priority: int = 0
    concurrency_key: str | None = None
    start_at: int | None = None
    session: str | None = None
    on_busy: OnBusy = OnBusy.REJECT
    """What is done where another run of the session is not over."""


def asked_for(request: StartRequest, key: int, run_id: RunId, now: int, actor: str) -> RunHead:
    """The row of a run that somebody asks for."""
    return RunHead(
        key=key,
        id=run_id,
        workflow_id=request.workflow_id,
        workflow_version=request.version,
        status=RunStatus.RUNNING,
        head=make_ref(key, 0),
        created_at=now,
        updated_at=now,
        input=dict(request.input),
        config=dict(request.config),
        interrupt_before=request.interrupt_before,
        interrupt_after=request.interrupt_after,
        hook=request.hook,
        pushes=request.pushes,
        origin_id=run_id,
        metadata=dict(request.metadata),
        tags=request.tags,
        priority=request.priority,
        concurrency_key=request.concurrency_key,
        start_at=request.start_at,
        trigger=actor,
    )


def forked(
    parent: RunHead,
    seq: int,
    key: int,
    run_id: RunId,
    now: int,
    actor: str,
    *,
    config: Mapping[str, Any],
    hook: Hook | None,
    pushes: tuple[Push, ...],
) -> RunHead:
    """The row of a run that begins at commit `seq` of another one, of which it takes over what is not its own."""
    at = make_ref(parent.key, seq)
    return RunHead(
        key=key,
        id=run_id,
        workflow_id=parent.workflow_id,
        workflow_version=parent.workflow_version,
        status=RunStatus.RUNNING,
        head=at,
        created_at=now,
        updated_at=now,
        input=parent.input,
        config=deep_merge(parent.config, config),
        interrupt_before=parent.interrupt_before,
        interrupt_after=parent.interrupt_after,
        hook=hook,
        pushes=pushes,
        origin_id=parent.origin_id,
        metadata=parent.metadata,
        tags=parent.tags,
        trigger=actor,
        priority=parent.priority,
        parent=at,
        parent_id=parent.id,
    )
