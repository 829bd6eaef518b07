"""The servers and the proxy that tests of brokers stand on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from tests import fetch_servers, servers
from tests.proxy import Proxy, proxy_to
from tests.servers import Mosquitto, RedisServer, own_mosquitto, own_redis
from tests.unit.dispatch.builders import PATIENCE_S

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def ask(port: int, *lines: str) -> bytes:
    """What a Redis says to commands, one a line."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as asked:
        asked.sendall("".join(f"{line}\r\n" for line in lines).encode())
        return asked.recv(4096)


def test_what_a_redis_acknowledged_is_there_after_a_kill():
    with own_redis() as server:
        assert ask(server.port, "SET a 1") == b"+OK\r\n"
        server.kill()
        assert not server.alive
        server.start()
        assert ask(server.port, "GET a") == b"$1\r\n1\r\n"


def test_a_redis_that_stands_still_answers_when_it_goes_on():
    with own_redis() as server:
        server.halt()
        with socket.create_connection(("127.0.0.1", server.port), timeout=0.05) as asked:
            asked.sendall(b"PING\r\n")
            with pytest.raises(TimeoutError):
                asked.recv(64)
            server.go_on()
            asked.settimeout(PATIENCE_S)
            assert asked.recv(64) == b"+PONG\r\n"


def test_a_redis_may_want_a_password():
    with own_redis(requirepass="s3cret") as server:
        assert ask(server.port, "AUTH s3cret") == b"+OK\r\n"


def test_a_broker_starts_again_at_the_same_port():
    with own_mosquitto() as server:
        server.restart()
        assert server.alive
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            server.answers()


def test_the_shared_ones_are_there(redis_server: RedisServer, mosquitto: Mosquitto):
    assert redis_server.answers()
    assert mosquitto.answers()


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_missing_server_skips_and_fails_where_that_counts(monkeypatch, ci, outcome):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no-such-server is missing"):
        servers.found("no-such-server")


# ---- the proxy


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy to a server that echoes lines in capitals."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, proxy_to(server.sockets[0].getsockname()[1]) as found:
        yield found


@pytest.fixture
async def ends(proxy: Proxy) -> AsyncIterator[Ends]:
    """A connection through the proxy that has been used once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await said(reader, writer, b"hello\n") == b"HELLO\n"
    yield reader, writer
    writer.transport.abort()


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
    writer.write(line)
    async with asyncio.timeout(PATIENCE_S):
        try:
            return await reader.readline()
        except ConnectionError:
            return b""


async def asked(port: int, line: bytes) -> bytes:
    """What is said to a line over a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = await said(reader, writer, line)
    writer.transport.abort()
    return answer


async def test_what_is_cut_ends(proxy, ends):
    proxy.cut()
    assert await said(*ends, b"more\n") == b""
    assert await asked(proxy.port, b"again\n") == b"AGAIN\n"


async def test_what_is_refused_may_be_accepted_again(proxy, ends):
    proxy.refuse()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await said(*ends, b"still\n") == b"STILL\n"
    await proxy.accept()
    assert await asked(proxy.port, b"again\n") == b"AGAIN\n"


async def test_what_is_half_open_says_nothing_and_stays(proxy, ends):
    reader, writer = ends
    proxy.half_open()
    writer.write(b"lost\n")
    await proxy.swallowed()
    proxy.half_open(False)
    assert await said(reader, writer, b"found\n") == b"FOUND\n"


async def test_a_request_may_be_cut_half_way(proxy, ends):
    proxy.cut_after = 3
    assert await said(*ends, b"half\n") == b""


async def test_a_reply_may_get_lost(proxy, ends):
    proxy.cut_at_reply = True
    assert await said(*ends, b"heard\n") == b""


async def test_what_is_delayed_comes_later(proxy, ends):
    proxy.delay_s = 0.02
    begun = asyncio.get_running_loop().time()
    assert await said(*ends, b"slow\n") == b"SLOW\n"
    assert asyncio.get_running_loop().time() - begun >= 0.04


# ---- fetching what is missing


def test_nothing_is_fetched_where_all_is_there(monkeypatch, capsys, redis_server, mosquitto):
    monkeypatch.setattr(fetch_servers, "call", None)
    assert fetch_servers.main() == 0
    assert capsys.readouterr().err == ""


def test_without_apt_it_is_said_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(fetch_servers, "PACKAGES", {"no-such-server": "such-a-package"})
    monkeypatch.setenv("PATH", "")
    assert fetch_servers.main() == 0
    assert "such-a-package missing, and there is no apt here" in capsys.readouterr().err


def test_what_cannot_be_fetched_is_said_and_stops_nothing(monkeypatch, capsys, tmp_path):
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setattr(fetch_servers, "PACKAGES", {"no-such-server": "such-a-package"})
    monkeypatch.setattr(fetch_servers, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert fetch_servers.main() == 0
    assert "such-a-package could not be fetched: E: no network" in capsys.readouterr().err
