"""Moments as people type them: RFC 3339, a day, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from api.cli._app import MISUSED, stop

HOW = "RFC 3339, a day (2026-01-31, today, yesterday), or how long ago: 30m, 24h, 7d."
_AGO = re.compile(r"(?P<count>\d{1,6})(?P<unit>[smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS = {"today": 0, "yesterday": 1}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def moment_in(text: str, now: datetime) -> str:
    """The moment that a text means, as RFC 3339; a day is its first moment, UTC. Raises ValueError."""
    if (ago := _AGO.fullmatch(text)) is not None:
        return _told(now - timedelta(**{_UNITS[ago["unit"]]: int(ago["count"])}))
    if text in _DAYS:
        return _told(now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=_DAYS[text]))
    if _DAY.fullmatch(text):
        return _told(datetime.fromisoformat(text).replace(tzinfo=UTC))
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(text)
    return text


def given_moment(text: str | None, option: str) -> str | None:
    """The moment that an option gives, if it is given. Stops the command where it is none."""
    if text is None:
        return None
    try:
        return moment_in(text, datetime.now(UTC))
    except (ValueError, OverflowError):
        stop(MISUSED, f"{option} {text}: that is no moment. It takes {HOW}")


def _told(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
