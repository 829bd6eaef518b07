"""The tasks of a run as they go: a live tree on a terminal, a line for each that ends elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from api.cli._shown import COLOURS

ENDED = frozenset({"completed", "failed", "cancelled", "skipped"})


class Tasks:
    """What is known of each task, by its id."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True, highlight=False, quiet=quiet)
        self._known: dict[str, Mapping[str, Any]] = {}
        live = self._console.is_terminal and not quiet
        self._live = Live(console=self._console, refresh_per_second=8) if live else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def take(self, name: str, data: Mapping[str, Any]) -> None:
        """Something happened to a task."""
        if name != "task":
            return
        self._known[data["task_id"]] = data
        if self._live is not None:
            self._live.update(self._tree())
        elif data["status"] in ENDED:
            self._console.print(_words(data))

    def _tree(self) -> Tree:
        tree = Tree("tasks", hide_root=True)
        nodes: dict[str, Tree] = {}
        for data in self._known.values():
            if data["index"] is None:
                tree.add(_words(data))
            else:
                below = nodes.get(data["node"]) or tree.add(Text(data["node"]))
                nodes[data["node"]] = below
                below.add(_words(data))
        return tree


def _words(data: Mapping[str, Any]) -> Text:
    place = "" if data["index"] is None else f"[{data['index']}]"
    attempt = f", attempt {data['attempt']}" if data["attempt"] > 1 else ""
    why = f": {data['error']['message']}" if data.get("error") else ""
    return Text.assemble(f"{data['node']}{place} ", (data["status"], COLOURS.get(data["status"], "")), attempt, why)
