"""Where a broker is, and how a worker that reads from it is registered."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from clew.worker.transports._options import Options, Unusable


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
    def url(self) -> str:
        """What the worker is registered with."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        safe = "/" if self.scheme.startswith("mqtt") else ""
        return f"{self.scheme}://{host}:{self.port}{self.path}/{quote(self.channel, safe=safe)}"

    @property
    def token(self) -> str | None:
        """How the server is to log in at the broker: as we do."""
        return self.password if not self.user else f"{self.user}:{self.password or ''}"

    @property
    def tls(self) -> bool:
        return self.scheme in ("rediss", "mqtts")


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
