"""Why a run that is under way does not go on: what its tasks wait for, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.cli._reach import Reach
from api.cli._runs import path_of

FEW = 3
"""So many tasks that wait for the same are named."""
MOST = 50
"""So many runs of a list are looked at."""

Shape = Mapping[str, Any]
WHY = {
    "no_worker": "no active worker {has}",
    "capacity": "every worker that {has} is busy",
    "unreachable": "no worker that {has} can be reached",
    "rate_limit": "no worker that {has} has calls left",
    "not_asked": "no worker that {has} asks for tasks now",
    "resource": "the worker that has its resource cannot take it",
}


def why_waits(task: Shape) -> str | None:
    """What a task waits for; None where it does not wait for a worker."""
    if task["status"] != "waiting" or task["reason"] not in WHY:
        return None
    return WHY[task["reason"]].format(has=_wanted(task.get("wants") or {}))


def _wanted(wants: Shape) -> str:
    parts = [
        *([f"has the id {wants['worker']}"] if wants.get("worker") else []),
        *([f"has the tags [{', '.join(wants['tags'])}]"] if wants.get("tags") else []),
        *([f"speaks {wants['protocol']}"] if wants.get("protocol") else []),
    ]
    return " and ".join(parts) or "is registered"


def waiting_lines(run: Shape) -> list[str]:
    """What the tasks of a run wait for, a line for each reason."""
    found: dict[str, list[str]] = {}
    for task in run["tasks"]:
        if (why := why_waits(task)) is not None:
            found.setdefault(why, []).append(task["address"])
    return [f"{_names(names)} {'waits' if len(names) == 1 else 'wait'}: {why}" for why, names in found.items()]


def _names(names: list[str]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return f"{', '.join(names[:FEW])}{more}"


async def waiting_of(reach: Reach, runs: list[Any]) -> dict[str, list[str]]:
    """What the tasks of those runs wait for that are under way, by the ids of the runs."""
    under_way = [run["id"] for run in runs if run["status"] == "running" and not run["hold"]][:MOST]
    return {run: waiting_lines(await reach.get(path_of(run))) for run in under_way}
