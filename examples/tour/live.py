"""A run on the terminal while it happens: one row per node, a bar for the sections; plain lines without a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from examples.tour.client import Event

MARKS = {
    "running": ("▸", "cyan"),
    "completed": ("✓", "green"),
    "interrupted": ("?", "yellow"),
    "waiting": ("…", "yellow"),
    "retrying": ("↻", "yellow"),
    "failed": ("✗", "red"),
    "skipped": ("–", "dim"),
}


@dataclass(slots=True)
class Row:
    """What is known of a node: its status, how often it is done, how often it began, and a word on it."""

    status: str = "running"
    done: int = 0
    failed: int = 0
    note: str = ""


@dataclass(slots=True)
class Board:
    """The run as its events tell it: `sections` is how many there are to measure, once that is known, and `asked` how
    often a worker was asked."""

    rows: dict[str, Row] = field(default_factory=dict)
    sections: int = 0
    status: str = "running"
    error: dict[str, Any] | None = None
    last_event: str | None = None
    asked: int = 0

    def take(self, event: Event) -> str | None:
        """Take up an event; a line about it, where there is something to say."""
        self.last_event = event.id
        if event.name == "task":
            return self._task(event.data)
        if event.name == "updates":
            return self._updates(event.data)
        if event.name == "run":
            self.status, self.error = event.data["status"], event.data.get("error") or self.error
            return f"run: {self.status}"
        return None

    def _task(self, data: dict[str, Any]) -> str | None:
        node = data["node"]
        row = self.rows.setdefault(node, Row())
        row.status = data["status"]
        self.asked += data["kind"] == "NODE_STARTED" and data["worker"] is not None
        ended = data["kind"] in ("NODE_COMPLETED", "NODE_FAILED", "NODE_SKIPPED")
        row.done += ended
        row.failed += data["kind"] == "NODE_FAILED"
        if reason := data.get("reason"):
            row.note = f"waits: {reason}"
        elif error := data.get("error"):
            row.note = f"{error['code']}: {error['message']}"
        elif ended:
            row.note = ""
        if data["index"] is not None or node == "measure":
            return self._counted(row) if ended else None
        return f"{node}: {data['status']}{f' ({row.note})' if row.note else ''}"

    def _counted(self, row: Row) -> str | None:
        row.status = "completed" if row.done >= self.sections else "running"
        step = max(1, self.sections // 4)
        return f"measure: {row.done}/{self.sections}" if row.done % step == 0 or row.done == self.sections else None

    def _updates(self, data: dict[str, Any]) -> str | None:
        updates = data["updates"]
        if "sections" in updates:
            self.sections = len(updates["sections"])
            self.rows.setdefault(
                data["node"], Row()
            ).note = f"{updates.get('documents')} documents, {self.sections} sections"
            return f"read: {updates.get('documents')} documents, {self.sections} sections"
        if "score" in updates and data["node"]:
            self.rows.setdefault(data["node"], Row()).note = f"score {updates['score']} of 10"
        return None

    def drawn(self) -> RenderableType:
        """The board as a table."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for node, row in self.rows.items():
            mark, style = MARKS.get(row.status, ("·", "dim"))
            table.add_row(
                Text(mark, style), Text(node, "bold" if row.status == "running" else ""), self._detail(node, row)
            )
        return table

    def _detail(self, node: str, row: Row) -> RenderableType:
        if node != "measure" or not self.sections:
            return Text(row.note, "dim")
        grid = Table.grid(padding=(0, 2, 0, 0))
        words = f"{row.done}/{self.sections} sections" + (f", {row.failed} failed" if row.failed else "")
        grid.add_row(ProgressBar(total=self.sections, completed=row.done, width=30), Text(words))
        return grid


@contextmanager
def shown(console: Console, board: Board, title: str) -> Iterator[Callable[[Event], None]]:
    """Show a board while events are given to the function that this yields."""
    console.print(title, markup=False, highlight=False)
    if not console.is_terminal:
        yield lambda event: _print(console, board.take(event))
        return
    with Live(board.drawn(), console=console, refresh_per_second=12) as live:

        def take(event: Event) -> None:
            board.take(event)
            live.update(board.drawn())

        yield take


def _print(console: Console, line: str | None) -> None:
    if line:
        console.print(f"  {line}", highlight=False, markup=False)
