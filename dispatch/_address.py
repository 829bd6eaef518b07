"""What may be configured as the address and headers of a worker: checks of form, nothing is looked up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from dispatch._host import host_fault, number_fault

OURS = frozenset(
    {"connection", "content-length", "content-type", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that describe the message itself, which a worker's configuration may not set."""

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def check_worker_url(url: str) -> str | None:
    """What is wrong with the address of a worker, or None. Every host is allowed, loopback too: operators set it."""
    return _check_url(url, "; use `token` or `headers`")


def check_hook_url(url: str) -> str | None:
    """What is wrong with an address that is told of a run, or None. Every host is allowed: whoever may start a run may
    register a worker as well."""
    return _check_url(url, "; sign what is sent with `secret`")


def check_push_url(url: str) -> str | None:
    """What is wrong with the form of an address that is told of a task, or None; whether it may be connected to is
    another question, and which address a number stands for is a part of that."""
    return _check_url(url, "; use `authentication`", numbers=False)


def is_header_name(name: str) -> bool:
    """Whether a text can be the name of a header, or of a way to say who one is."""
    return _NAME.fullmatch(name) is not None


def is_header_value(value: str) -> bool:
    """Whether a text can be the value of a header."""
    return _VALUE.fullmatch(value) is not None


def _check_url(url: str, instead: str, *, numbers: bool = True) -> str | None:
    if any(char <= " " or char == "\x7f" for char in url):
        return "the URL must not contain spaces or control characters"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return f"the URL is not valid: {error}"
    if parts.scheme not in ("http", "https"):
        return "the URL must begin with http:// or https://"
    if not host or port == 0:
        return "the URL must name a host"
    if "@" in parts.netloc:
        return f"the URL must not contain a user name or password{instead}"
    return host_fault(host) or (number_fault(host) if numbers else None)


def check_worker_headers(headers: Mapping[str, str]) -> str | None:
    """What is wrong with the custom headers of a worker, or None. Values are not repeated: they may be secret."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            return f"{name!r} is not the name of a header"
        if name.lower() in OURS:
            return f"the header {name!r} cannot be set"
        if not _VALUE.fullmatch(value):
            return f"the value of the header {name!r} contains characters that headers cannot have"
    return None
