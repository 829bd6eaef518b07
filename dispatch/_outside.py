"""Which addresses may be connected to that strangers name: those of the public internet, and no others unless a setting
says so. They are looked at when they are named, and again when a socket is made, which is what counts: a name may lead
elsewhere by then, and what a literal address means is only known there."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

RESOLVE_S = 5.0
"""So long a name is looked up when it is named; one that is not known by then is looked at when it is connected to."""
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""Addresses that lead to those of IPv4 in their last four bytes (RFC 6052)."""

Address = IPv4Address | IPv6Address
Resolve = Callable[[str], Awaitable[Sequence[str]]]


class Inside(OSError):
    """A socket to an address that is not one of the public internet."""

    def __init__(self, address: str, kind: str) -> None:
        super().__init__(errno.EACCES, f"{address} is {kind}: only public addresses are connected to")


async def resolved(host: str) -> list[str]:
    """The addresses of a host, as the system knows them. Raises OSError, or UnicodeError for what can be no name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


class Outside:
    """Tells public addresses from others; `anywhere`: all of them may be connected to."""

    def __init__(self, *, anywhere: bool = False, resolve: Resolve = resolved) -> None:
        self.anywhere, self.resolve = anywhere, resolve

    async def why_not(self, url: str) -> str | None:
        """Why a URL, which is one, may not be connected to; None where it may, as far as can be known now."""
        host = urlsplit(url).hostname or ""
        if self.anywhere:
            return None
        try:
            async with asyncio.timeout(RESOLVE_S):
                found = [host] if _literal(host) is not None else await self.resolve(host)
        except UnicodeError:
            return "the host cannot be the name of one"
        except (OSError, TimeoutError):  # nobody knows it now
            return None
        kind = next(filter(None, map(kind_of, found)), None)
        return None if kind is None else f"the host {host[:100]!r} has an address that is {kind}, and not a public one"

    def socket(self, info: Sequence[Any]) -> socket.socket:
        """A socket to what `getaddrinfo` tells of an address. Raises Inside where it may not be connected to."""
        family, kind, protocol, _, place = info
        inside = None if self.anywhere else kind_of(str(place[0]))
        if inside is not None:
            raise Inside(str(place[0]), inside)
        return socket.socket(family, kind, protocol)


def kind_of(address: str) -> str | None:
    """What an address is that is not one of the public internet; None for one that is."""
    found = _literal(address)
    if found is None:
        return "no IP address"
    if isinstance(found, IPv6Address) and (within := _within(found)) is not None:
        found = within
    for kind, holds in _KINDS:
        if holds(found):
            return kind
    return None


_KINDS: tuple[tuple[str, Callable[[Address], bool]], ...] = (
    ("unspecified", lambda found: found.is_unspecified),
    ("loopback", lambda found: found.is_loopback),
    ("link-local", lambda found: found.is_link_local),
    ("multicast", lambda found: found.is_multicast),
    ("reserved", lambda found: found.is_reserved),
    ("private", lambda found: found.is_private or (isinstance(found, IPv6Address) and found.is_site_local)),
    ("reserved", lambda found: not found.is_global),
)


def _within(found: IPv6Address) -> IPv4Address | None:
    """The address of IPv4 that one of IPv6 leads to."""
    if found in _TRANSLATED:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found.sixtofour


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None
