"""What the tour shows at its end: two outcomes side by side, and the line of checkpoints with its fork."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from rich.table import Table
from rich.text import Text
from rich.tree import Tree

Json = dict[str, Any]
MOST = 60
"""Characters of what a checkpoint wrote that are shown beside it."""


def outcomes(names: Sequence[str], runs: Sequence[Json], asked: Sequence[int], routes: Sequence[str]) -> Table:
    """The results of runs, one column each."""
    table = Table(title="Two outcomes of one history", title_justify="left")
    table.add_column("")
    for name in names:
        table.add_column(name, overflow="fold")
    states = [run["state"] for run in runs]
    lines: list[tuple[str, Sequence[object]]] = [
        ("run", [run["id"] for run in runs]),
        ("status", [run["status"] for run in runs]),
        ("score", [state.get("score") for state in states]),
        ("the route chose", routes),
        ("verdict", [state.get("verdict") for state in states]),
        ("outcome", [state.get("outcome") for state in states]),
        ("report", [state.get("published", "–") for state in states]),
        ("checkpoints of its own", [run["checkpoint_count"] for run in runs]),
        ("times a worker was asked", asked),
    ]
    for label, values in lines:
        table.add_row(label, *(Text(str(value)) for value in values))
    return table


def line_of_checkpoints(parent: Sequence[Json], fork: Sequence[Json], forked_at: str) -> Tree:
    """The checkpoints of a run, oldest first, and of a fork at the one that it began from."""
    tree = Tree(Text(f"run {parent[0]['run_id']}", "bold"))
    for group, label in _labels(parent, forked_at):
        branch = tree.add(label)
        if group[-1]["id"] == forked_at:
            label.append("   ← forked here", "yellow")
            own = branch.add(Text(f"fork {fork[0]['run_id']}", "bold yellow"))
            for _, inner in _labels(fork, ""):
                own.add(inner)
    return tree


def _labels(line: Sequence[Json], alone: str) -> list[tuple[list[Json], Text]]:
    groups = list(_groups(line, alone))
    width = max(len(_numbers(group)) for group in groups)
    return [(group, _label(group, width)) for group in groups]


def _groups(checkpoints: Sequence[Json], alone: str) -> Iterator[list[Json]]:
    """Checkpoints in a row of the same node and kind belong together, but for one that is to stand alone."""
    for _, group in groupby(checkpoints, key=lambda c: (c["node"], c["kind"], c["id"] == alone)):
        found = list(group)
        if found[0]["kind"] == "item":
            yield found
        else:
            yield from ([one] for one in found)


def _numbers(group: Sequence[Json]) -> str:
    first, last = group[0]["seq"], group[-1]["seq"]
    return str(first) if first == last else f"{first}–{last}"


def _label(group: Sequence[Json], width: int) -> Text:
    first = group[0]
    text = Text(overflow="ellipsis", no_wrap=True)
    text.append(f"{_numbers(group):>{width}}  ", "dim")
    text.append(first["node"] or first["kind"], "bold" if first["kind"] != "item" else "")
    if first["node"] and first["kind"] != "node":
        text.append(f" {first['kind']}", "dim")
    if len(group) > 1:
        text.append(f" × {len(group)}")
    if chosen := first.get("chosen"):
        text.append(f" → {', '.join(chosen)}", "cyan")
    if len(group) == 1 and (wrote := ", ".join(f"{key} {_said(value)}" for key, value in first["writes"].items())):
        text.append(f"   {wrote}" if len(wrote) <= MOST else f"   {wrote[:MOST]}…", "dim")
    return text


def _said(value: object) -> str:
    """A value in a word: lists and long texts by their size."""
    if isinstance(value, list):
        return f"[{len(value)}]"
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(said.split())
    return text if len(text) <= 40 else f"{text[:39]}…"
