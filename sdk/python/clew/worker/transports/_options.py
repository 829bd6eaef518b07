"""What every transport may be told on the command line; each takes what it needs."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from clew._http import LOCAL
from clew.client import Client

LISTEN = "127.0.0.1:0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the server is, and what else a transport needs. `listen` is `host:port`, port 0 for any that is free."""

    url: str = LOCAL
    token: str | None = None
    listen: str = LISTEN
    address: str | None = None
    secret: str | None = None
    accept_after_s: float | None = None
    broker: str | None = None
    channel: str | None = None

    @property
    def client_url(self) -> str:
        """The server's address, without `/v1`."""
        return self.url.rstrip("/").removesuffix("/v1")

    def client(self) -> Client:
        """A client that is not patient: who uses it waits by itself."""
        return Client(self.url, self.token, patience_s=0.0)


class Unusable(Exception):
    """A transport cannot be used like this; the message says what is missing."""


def missing(package: str, extra: str) -> Unusable:
    """The error for a package that is not installed."""
    return Unusable(f"this transport needs {package}: pip install 'clew-sdk[{extra}]'")


def say_ready(address: str) -> None:
    """Tell whoever has started the process that the worker can be used."""
    sys.stdout.write(f"ready {address}\n")
    sys.stdout.flush()
