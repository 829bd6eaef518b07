"""What a worker says of a broker that it cannot reach, and how long it waits."""

from __future__ import annotations

import pytest

from clew._backoff import LONGEST_S
from clew.worker.transports._broker import FIRST_LONGEST_S, Broker, Connecting

BROKER = Broker(scheme="redis", host="::1", port=6379, path="/0", channel="jobs", user="me", password="secret")


def longest(connecting: Connecting) -> float:
    return max(connecting.backoff.next_s() or 0.0 for _ in range(20))


def test_a_broker_that_was_never_there_is_an_error_once(caplog: pytest.LogCaptureFixture) -> None:
    connecting = Connecting(BROKER)
    for _ in range(3):
        connecting.missed(OSError("refused."))
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "WARNING"]
    assert caplog.messages[0].startswith("no connection to the broker redis://[::1]:6379/0: refused. The worker gets")
    assert "secret" not in caplog.text
    assert LONGEST_S < longest(connecting) <= FIRST_LONGEST_S


def test_a_broker_that_was_there_will_come_back(caplog: pytest.LogCaptureFixture) -> None:
    connecting = Connecting(BROKER)
    connecting.reached()
    connecting.missed(OSError())
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert longest(connecting) <= LONGEST_S
