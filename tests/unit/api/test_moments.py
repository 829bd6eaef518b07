"""Moments as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from api.cli._moments import moment_in

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("24h", "2026-02-28T12:30:00.000Z"),
        ("7d", "2026-02-22T12:30:00.000Z"),
        ("today", "2026-03-01T00:00:00.000Z"),
        ("yesterday", "2026-02-28T00:00:00.000Z"),
        ("2026-01-31", "2026-01-31T00:00:00.000Z"),
        ("2026-01-31T01:00:00+02:00", "2026-01-31T01:00:00+02:00"),
    ],
)
def test_a_moment_is_told_as_rfc_3339(text: str, moment: str) -> None:
    assert moment_in(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "h", "soon", "2026-02-30", "2026-01-31T00:00:00", "-3d"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        moment_in(text, NOW)
