"""Names that stand in paths: of workers, sessions and workflows."""

from __future__ import annotations

_ANY, _NO_DOT = r"[^\s/?#%\\\x00-\x1f\x7f]", r"[^.\s/?#%\\\x00-\x1f\x7f]"

IN_PATH = rf"^(\.{{0,2}}{_NO_DOT}{_ANY}*|\.{{3}}{_ANY}*)$"
"""A name that can stand in a path, which `.` and `..` cannot: clients take them for a place, and do not send them. It
says so without looking ahead, which not all who read it can."""
NOT_IN_PATH = "expected a name that a path can hold: no spaces, control characters or `/ ? # % \\`, and not `.` or `..`"
