"""The bench times the functions of the engine by their names: each has to be there."""

from __future__ import annotations

from typing import Any

import pytest

from bench.budget import ABOUT, ASKING, PLANNING


@pytest.mark.parametrize(("owner", "name", "phase"), PLANNING + ASKING)
def test_what_is_timed_is_there(owner: Any, name: str, phase: str) -> None:
    assert name in vars(owner)
    assert phase in ABOUT
