"""Brokers that want to know who comes: passwords, what is allowed, and TLS."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from dispatch._mqtt_client import what_is_trusted
from engine.outbox import Accepted, Unreachable
from tests.integration.mqtting import a_row, speaking
from tests.mqtt_worker import mqtt_worker
from tests.servers import Mosquitto, found, own_mosquitto

PASSWORD = "p:ss/w0rd"


@pytest.fixture
def topic() -> str:
    return f"work/{uuid4().hex}"


@contextmanager
def guarded(folder: Path) -> Iterator[Mosquitto]:
    """A broker at which `clew` may do anything but write below `closed/`, with a password."""
    names, allowed = folder / "names", folder / "allowed"
    subprocess.run([found("mosquitto_passwd"), "-b", "-c", names, "clew", PASSWORD], check=True, capture_output=True)
    allowed.write_text("user clew\ntopic readwrite work/#\ntopic readwrite clew/#\n")
    for file in (names, allowed):
        file.chmod(0o644)
    with own_mosquitto(["allow_anonymous false", f"password_file {names}", f"acl_file {allowed}"]) as broker:
        yield broker


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_password_opens_the_door_and_is_shown_nowhere(tmp_path: Path, topic: str, version: str) -> None:
    with guarded(tmp_path) as broker, capture_logs() as logs:
        row = a_row(broker.port, topic, token="clew:wrong", metadata={"mqtt_version": version})
        async with speaking(row) as ends:
            refusal = await ends.deliver(row)
            assert isinstance(refusal, Unreachable)
            assert "refused the connection" in refusal.message
            await ends.until_here(False)
            known = replace(row, token=f"clew:{PASSWORD}", updated_at=1)
            ends.mqtt.serve([known])
            await ends.until_here()
            async with mqtt_worker(broker.port, topic, username="clew", password=PASSWORD):
                assert await ends.deliver(known) == Accepted()
                assert await ends.result() == {"output": "done"}
    assert "uthorized" in refusal.message
    assert not [secret for secret in ("wrong", PASSWORD) if secret in f"{logs} {refusal} {known.url}"]


async def test_a_topic_that_is_closed_to_us_is_no_place_to_send_to(tmp_path: Path) -> None:
    with guarded(tmp_path) as broker:
        row = a_row(broker.port, "closed/x", token=f"clew:{PASSWORD}")
        async with speaking(row) as ends:
            reply = await ends.deliver(row)
    assert isinstance(reply, Unreachable)
    assert reply.message.endswith("refused a message on the topic 'closed/x': Not authorized")


async def test_a_connection_with_tls_is_made_to_whom_the_system_trusts(
    tmp_path: Path, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [shutil.which("openssl") or pytest.skip("openssl is missing"), "req", "-x509", "-newkey", "rsa:2048"]
    command += ["-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True, env={"PATH": os.environ["PATH"]})
    with own_mosquitto([f"certfile {certificate}", f"keyfile {key}"]) as broker:
        row = replace(a_row(broker.port, topic), url=f"mqtts://127.0.0.1:{broker.port}/{topic}")
        what_is_trusted.cache_clear()
        async with speaking(row) as ends:
            reply = await ends.deliver(row)
            assert isinstance(reply, Unreachable)
            assert "CERTIFICATE_VERIFY_FAILED" in reply.message
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        what_is_trusted.cache_clear()
        async with (
            mqtt_worker(broker.port, topic, tls_context=what_is_trusted()) as worker,
            speaking(row) as ends,
        ):
            worker.script = lambda got: [("", got.body)]
            assert await ends.deliver(row, size=300_000) == Accepted()
            assert len((await ends.result())["x"]) == 300_000
    what_is_trusted.cache_clear()
