"""What the server tells, as values with types."""

from __future__ import annotations

from clew.models._base import Json, Model
from clew.models.artifacts import Artifact, Reference, RunArtifacts
from clew.models.common import ErrorObject, Fault, PageOf, Usage
from clew.models.events import (
    CustomEvent,
    DebugEvent,
    EndEvent,
    Event,
    RunEvent,
    TaskEvent,
    UpdatesEvent,
    ValuesEvent,
)
from clew.models.history import Blame, Blamed, Checkpoint, Comparison, Diff, Injected, Operation
from clew.models.interrupts import Interrupt
from clew.models.jobs import Job, JobPreview, JobRun
from clew.models.leases import Lease, Leased
from clew.models.runs import TERMINAL, BegunRun, Run, RunSummary, TaskRecord, Wants
from clew.models.runs import Task as RunTask
from clew.models.server import Info, NodeType
from clew.models.sessions import Session, SessionSummary
from clew.models.workers import Beaten, DeadLetter, NewlyRegistered, RateLimit, RegisteredAs
from clew.models.workflows import Report, Statistics, VersionDiff, Workflow

__all__ = [
    "TERMINAL",
    "Artifact",
    "Beaten",
    "BegunRun",
    "Blame",
    "Blamed",
    "Checkpoint",
    "Comparison",
    "CustomEvent",
    "DeadLetter",
    "DebugEvent",
    "Diff",
    "EndEvent",
    "ErrorObject",
    "Event",
    "Fault",
    "Info",
    "Injected",
    "Interrupt",
    "Job",
    "JobPreview",
    "JobRun",
    "Json",
    "Lease",
    "Leased",
    "Model",
    "NewlyRegistered",
    "NodeType",
    "Operation",
    "PageOf",
    "RateLimit",
    "Reference",
    "RegisteredAs",
    "Report",
    "Run",
    "RunArtifacts",
    "RunEvent",
    "RunSummary",
    "RunTask",
    "Session",
    "SessionSummary",
    "Statistics",
    "TaskEvent",
    "TaskRecord",
    "UpdatesEvent",
    "Usage",
    "ValuesEvent",
    "VersionDiff",
    "Wants",
    "Workflow",
]
