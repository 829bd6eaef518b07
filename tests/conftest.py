"""What holds for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.servers import mosquitto, object_server, redis_server

__all__ = ["mosquitto", "object_server", "redis_server"]

# How fast a machine makes up inputs says nothing about the code: no test fails because others work beside it.
settings.register_profile("clew", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("clew")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """What a command that runs in the process of the tests has set for its logs holds for no other test."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
