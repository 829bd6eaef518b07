"""Who has served a session: the workers that answered in its runs, as the commits of these say."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.brief import Brief
from engine.codec import read
from engine.model import Commit

RUNS, COMMITS = 4, 64
"""So many of the last runs of a session are looked through, and so many of the last commits of each."""
NAMED = b'"worker":'
"""What the body of a commit holds that names a worker."""
NOT_SERVED = frozenset({"reused", "cached", "error"})
"""What it holds where that worker has not served it."""
MOST_NODES = 16
"""So many nodes are remembered, those that were answered last."""


@dataclass(slots=True, eq=False)
class Served:
    """The workers that answered last in a session, by node. It is never stored: who takes up a run of the session reads
    it from the commits, and goes on by those that follow."""

    by_node: dict[str, str] = field(default_factory=dict)

    def take(self, commit: Commit) -> None:
        """Take up a commit that was just planned."""
        again = commit.reused or commit.cached
        if commit.worker is not None and commit.task is not None and commit.error is None and not again:
            self._note(commit.task.node, commit.worker)

    def recall(self, row: Brief) -> None:
        """Take up a commit that was read."""
        body = read(row.body)
        worker = None if body.keys() & NOT_SERVED else body.get("worker")
        if worker is not None and row.node is not None:
            self._note(row.node, worker)

    def preferred(self, node: str) -> tuple[str, ...]:
        """Who is asked first for a task of a node, the best first: who has served it there, then who has served other
        nodes, the last one first."""
        served, own = reversed(self.by_node.values()), self.by_node.get(node)
        return tuple(dict.fromkeys(served if own is None else (own, *served)))

    def _note(self, node: str, worker: str) -> None:
        self.by_node.pop(node, None)
        self.by_node[node] = worker
        if len(self.by_node) > MOST_NODES:
            del self.by_node[next(iter(self.by_node))]
