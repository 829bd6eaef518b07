"""The first commit of a run that goes on from another one of its session (language 3.5)."""

from __future__ import annotations

from engine import control
from engine.commits import Step
from engine.continuation import go_on_from
from engine.migration import carried, kept_keys
from engine.run import Run
from engine.values import replace


def start_after(run: Run, before: Run, now: int, actor: str) -> Step:
    """Start a run with the state that another one stands at, its input applied to that. In another version of the
    workflow, keys that are defined otherwise are written anew, as where a fork changes it. Raises Invalid."""
    old, new = before.graph, run.graph
    if old.version == new.version:
        go_on_from(run, before, frozenset(new.state))
        planned = control.start(run, now, actor)
    else:
        go_on_from(run, before, kept_keys(old, new))
        planned = control.start(run, now, actor, carried(before, new))
    versions = None if old.version == new.version else (old.version, new.version)
    return replace(planned, commit=replace(planned.commit, parent=before.head, versions=versions))
