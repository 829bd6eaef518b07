"""A run that goes on where another one of its session stands: with the state that this has come to, and nothing else of
it (language 3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.frame import ROOT, Frame, Frames

if TYPE_CHECKING:
    from engine.run import Run


def start_over(run: Run) -> None:
    """Have nothing left of the line that a run was read from but the state: a commit follows that starts from there."""
    if run.history.root is None:  # it has been told already where it goes on from
        return
    state, sources = run.history.settled()
    root = Frame(id=ROOT, graph=run.graph, input=run.input, config=run.config, stops=run.stops)
    root.history.ground, root.history.sources = state, sources
    run.frames, run.cut_at, run.in_flight = Frames(root), None, 0
    left: tuple[Any, ...] = (
        run.progress, run.interrupts, run.ready, run.held, run.injections, run.results, run.items,
    )  # fmt: skip
    for some in left:
        some.clear()


def go_on_from(run: Run, before: Run, kept: frozenset[str]) -> None:
    """Have a run that has no commits yet begin with the state that another one stands at; in another version of the
    workflow with that of the keys that are `kept`."""
    root, (state, sources) = run.frames.root, before.history.settled()
    if run.graph.version != before.graph.version:
        fresh = root.history.before()
        state = {**fresh, **{name: value for name, value in state.items() if name in kept}}
        sources.adopt(run.graph.state, kept)
    root.history.ground, root.history.sources = state, sources
    run.base, run.weight, run.rows, run.snapshot_size = before.base, before.weight, before.rows, before.snapshot_size
