"""Where a broker is, and how a worker that reads from it is registered."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from math import inf
from urllib.parse import quote, unquote, urlsplit

from clew._backoff import Backoff
from clew.worker.transports._options import Options, Unusable

FIRST_LONGEST_S = 30.0
"""Tries are no further apart than this while a broker was never reached: its address may be wrong for ever."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A broker: its address without who we are there, and the name of what tasks come on. `path` is what stands before
    that name, such as the number of a database."""

    scheme: str
    host: str
    port: int
    path: str
    channel: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Where it is, without who we are there."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def url(self) -> str:
        """What the worker is registered with."""
        safe = "/" if self.scheme.startswith("mqtt") else ""
        return f"{self.address}/{quote(self.channel, safe=safe)}"

    @property
    def token(self) -> str | None:
        """How the server is to log in at the broker: as we do."""
        return self.password if not self.user else f"{self.user}:{self.password or ''}"

    @property
    def tls(self) -> bool:
        return self.scheme in ("rediss", "mqtts")


class Connecting:
    """How long is waited between tries to reach a broker, and what is said of them. One that was never reached is a
    mistake, as likely as not; one that was will come back."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._was_there = self._has_failed = False
        self.backoff = Backoff(inf, longest_s=FIRST_LONGEST_S)

    def reached(self) -> None:
        """It is there."""
        if not self._was_there:
            self._was_there, self.backoff = True, Backoff(inf)

    def missed(self, why: Exception) -> None:
        """It was not there, or is not any more."""
        told, address = str(why).rstrip(".") or type(why).__name__, self._broker.address
        if self._was_there or self._has_failed:
            log.warning("no connection to the broker %s: %s", address, told)
        else:
            log.error(
                "no connection to the broker %s: %s. The worker gets no tasks before there is one. Check that --broker "
                "is right, that the broker runs and can be reached from here, and who it lets in; it is tried again, "
                "at least every %g s",
                address,
                told,
                FIRST_LONGEST_S,
            )
        self._has_failed = True


def broker_of(options: Options, worker_id: str, ports: dict[str, int]) -> Broker:
    """The broker that the options name. `ports` are the usual ones, by scheme. Raises Unusable."""
    form = f"{next(iter(ports))}://[user:password@]host[:port]"
    if options.broker is None:
        raise Unusable(f"say where the broker is: --broker {form}")
    try:
        parts = urlsplit(options.broker)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Unusable(f"--broker: {error}; expected {form}") from None
    if parts.scheme not in ports or not host:
        shown = f"{parts.scheme}://{host or ''}" if "@" in options.broker else options.broker
        raise Unusable(f"--broker: expected {form}, not '{shown}'")
    return Broker(
        scheme=parts.scheme,
        host=host,
        port=port or ports[parts.scheme],
        path=parts.path.rstrip("/"),
        channel=options.channel or worker_id,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )
