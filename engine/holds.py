"""Runs that do nothing by themselves: what is refused of them, and why."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from engine.errors import Conflict

if TYPE_CHECKING:
    from engine.model import RunHead


class Hold(StrEnum):
    """Why a run does nothing by itself, whatever its status: it came in from a file and was not released yet, or it is
    no more than the beginning of one, which runs that were forked from it read."""

    IMPORTED = "imported"
    ANCESTOR = "ancestor"


def require_whole(head: RunHead) -> None:
    """Raise Conflict where no more than the beginning of a run is here."""
    if head.hold is Hold.ANCESTOR:
        message = f"only the beginning of run '{head.id}' is here, which its forks read; fork it, or import it whole"
        raise Conflict(message, "run.part")


def require_free(head: RunHead) -> None:
    """Raise Conflict where a run does nothing before it is released, or can do nothing at all."""
    require_whole(head)
    if head.hold is not None:
        message = f"run '{head.id}' came in from a file and does nothing before it is released"
        raise Conflict(message, "run.held")


def require_held(head: RunHead) -> None:
    """Raise Conflict where there is nothing to release."""
    require_whole(head)
    if head.hold is None:
        raise Conflict("the run is not held: it goes on, or has ended", "run.not_held")
