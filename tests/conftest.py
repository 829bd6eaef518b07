"""What holds for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.servers import mosquitto, redis_server

__all__ = ["mosquitto", "redis_server"]

# How fast a machine makes up inputs says nothing about the code: no test fails because others work beside it.
settings.register_profile("clew", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("clew")
