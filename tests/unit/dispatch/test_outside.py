"""Which addresses may be connected to that strangers name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest

from dispatch import _outside
from dispatch._http import Http, NotConnected
from dispatch._outside import Inside, Outside, kind_of
from tests.unit.dispatch.builders import http_worker


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("93.184.216.34", None),
        ("2606:2800:220:1::1", None),
        ("::ffff:93.184.216.34", None),
        ("64:ff9b::93.184.216.34", None),
        ("127.0.0.1", "loopback"),
        ("127.255.0.9", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("::ffff:10.0.0.1", "private"),
        ("fd00::1", "private"),
        ("fec0::1", "private"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff0e::1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("100.64.0.1", "reserved"),
        ("::7f00:1", "reserved"),
        ("localhost", "no IP address"),
    ],
)
def test_public_addresses_are_told_from_others(address: str, kind: str | None) -> None:
    assert kind_of(address) == kind


def resolving(*found: str) -> Outside:
    async def resolve(host: str) -> Sequence[str]:
        return found

    return Outside(resolve=resolve)


@pytest.mark.parametrize(
    ("url", "found", "says"),
    [
        ("https://told.test/x", ("93.184.216.34",), None),
        ("https://told.test/x", ("93.184.216.34", "10.0.0.1"), "private"),
        ("http://[::1]:80/", ("93.184.216.34",), "loopback"),
        ("http://192.168.1.1/", ("93.184.216.34",), "private"),
    ],
)
async def test_every_address_of_a_host_has_to_be_public(url: str, found: tuple[str, ...], says: str | None) -> None:
    why = await resolving(*found).why_not(url)
    assert (why is None) == (says is None)
    assert says is None or says in (why or "")


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1"])
async def test_no_spelling_of_this_machine_is_public(host: str) -> None:
    assert "loopback" in (await Outside().why_not(f"http://{host}:9/") or "")


async def test_what_may_be_anywhere_may_be_here() -> None:
    assert await Outside(anywhere=True).why_not("http://127.0.0.1/") is None


async def test_a_host_that_is_not_known_now_is_looked_at_when_it_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def unknown(host: str) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "nobody knows it")

    async def forever(host: str) -> Sequence[str]:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(_outside, "RESOLVE_S", 0.01)
    for resolve in (unknown, forever):
        assert await Outside(resolve=resolve).why_not("http://told.test/") is None
    assert await Outside().why_not(f"http://{'x' * 64}.test/") is not None


def test_a_socket_is_made_to_what_is_public_alone() -> None:
    Outside().socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("93.184.216.34", 80))).close()
    with pytest.raises(Inside, match=r"127\.0\.0\.1 is loopback"):
        Outside().socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80)))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_name_that_leads_elsewhere_by_now_is_not_followed(host: str) -> None:
    outside = resolving("93.184.216.34")
    guarded, free = Http(socket_factory=outside.socket), Http(socket_factory=Outside(anywhere=True).socket)
    async with http_worker() as receiver:
        url = receiver.url.replace("127.0.0.1", host)
        try:
            assert (await free.post(url, (b"{}",), {}, 5)).status == 200
            with pytest.raises(NotConnected, match="is loopback"):
                await guarded.post(url, (b"{}",), {}, 5)
        finally:
            await guarded.close()
            await free.close()
        assert len(receiver.seen) == 1
