"""The host in an address: whether it is a name that can be looked up at all, or the number of a machine."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address

LONGEST_NAME, LONGEST_LABEL = 253, 63
"""Bytes that a name in DNS may have at most, and each of its parts between dots."""

_DOT = re.compile("[.\u3002\uff0e\uff61]")  # IDNA takes all of them for a dot
_NUMBERS = re.compile(r"[0-9.]+")


def host_fault(host: str) -> str | None:
    """What is wrong with a host, or None; one of IPv6 comes without its brackets, and is right where those were."""
    if ":" in host:
        return None
    if not host.isprintable() or "\\" in host:
        return "the host must not contain invisible characters or backslashes"
    labels = _DOT.split(host)
    if len(labels) > 1 and not labels[-1]:
        labels.pop()  # a dot at the end says that the name is whole
    if not all(labels):
        return "the host must not begin with a dot, or have two dots in a row"
    return _name_fault(labels)


def number_fault(host: str) -> str | None:
    """What is wrong with a host that is written in numbers, where only whole addresses of IPv4 are taken, or None."""
    if not _NUMBERS.fullmatch(host):
        return None
    try:
        IPv4Address(host)
    except AddressValueError:
        return f"the host is no address of IPv4: {host}"
    return None


def _name_fault(labels: list[str]) -> str | None:
    try:
        encoded = [label if label.isascii() else label.encode("idna").decode() for label in labels]
    except UnicodeError:
        return f"a part of the host has no form of at most {LONGEST_LABEL} bytes in DNS (IDNA)"
    if any(len(label) > LONGEST_LABEL for label in encoded):
        return f"no part of the host between two dots may be longer than {LONGEST_LABEL} bytes"
    if len(".".join(encoded)) > LONGEST_NAME:
        return f"the host must not be longer than {LONGEST_NAME} bytes"
    return None
