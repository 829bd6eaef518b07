"""What a check has found: how bad it is, in words, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from engine.errors import EngineError
from engine.values import dataclass


class Level(StrEnum):
    """All is well; it works, and somebody should look at it; it does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `clew doctor`. `advice` says what to do, where there is something to do."""

    check: str
    level: Level
    message: str
    advice: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"check": self.check, "level": self.level, "message": self.message, "advice": self.advice}


def ok(check: str, message: str) -> Finding:
    return Finding(check=check, level=Level.OK, message=message)


def warn(check: str, message: str, advice: str) -> Finding:
    return Finding(check=check, level=Level.WARN, message=message, advice=advice)


def fail(check: str, message: str, advice: str) -> Finding:
    return Finding(check=check, level=Level.FAIL, message=message, advice=advice)


class CannotLook(Exception):
    """A check could not be made; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@contextmanager
def failing(check: str, advice: str) -> Iterator[None]:
    """An error of the engine in here means that the check fails. Raises CannotLook."""
    try:
        yield
    except EngineError as error:
        raise CannotLook(fail(check, error.message, advice)) from error


def size_text(size: int) -> str:
    """A number of bytes as people read it."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size} {unit}"
        size //= 1024
    return f"{size} GiB"
