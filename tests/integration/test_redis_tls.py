"""Redis behind TLS: whoever cannot show a certificate that is trusted gets nothing, no password either."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dispatch._redis_wire import NotConnected, Wire
from tests.redis_parts import place_at
from tests.servers import found, own_redis
from tests.unit.dispatch.builders import free_port


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is signed by itself, and its key."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [str(found("openssl")), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "1", "-subj", "/CN=clew.test", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


async def test_only_a_server_that_is_trusted_is_spoken_to(monkeypatch, certificate):
    cert, key = certificate
    port = free_port()
    files = {"tls_cert_file": str(cert), "tls_key_file": str(key), "tls_ca_cert_file": str(cert)}
    with own_redis(tls_port=str(port), tls_auth_clients="no", **files):
        stranger = Wire(place_at(port, tls=True, password="geheim"))
        with pytest.raises(NotConnected, match="certificate verify failed") as failed:
            await stranger.ask(("ECHO", "1"))
        assert "geheim" not in str(failed.value)
        await stranger.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        wire = Wire(place_at(port, tls=True))
        assert await wire.ask(("ECHO", "1")) == [b"1"]
        await wire.close()
