"""Every store at its address: a new module in `store/` is tested by being there."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from engine.ports import Store
from store import store_at, stores

SCHEMES = sorted(stores())
KEEPING = [scheme for scheme in SCHEMES if stores()[scheme].keeps]

LOCAL = {"memory": "memory://", "sqlite": "sqlite:///{folder}/clew.db"}
"""Addresses of stores that need no server. Another one's is taken from CLEW_TEST_<SCHEME>, an empty database."""


def address_of(scheme: str, folder: Path) -> str:
    if scheme in LOCAL:
        return LOCAL[scheme].format(folder=folder)
    name = f"CLEW_TEST_{scheme.upper()}"
    if name not in os.environ:
        message = f"{name} names no {scheme} database"
        pytest.fail(message) if "CI" in os.environ else pytest.skip(message)
    return os.environ[name]


@pytest.fixture(params=SCHEMES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An open, empty store of each kind."""
    found = store_at(address_of(request.param, tmp_path))
    await found.open()
    yield found
    await found.close()


@pytest.fixture(params=KEEPING)
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[], Store]]:
    """For each store that keeps what was written: a new object at the same address."""
    address = address_of(request.param, tmp_path)
    yield lambda: store_at(address)
