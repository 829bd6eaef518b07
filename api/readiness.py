"""Whether a server can do its work: its store gives and takes, and there is a way to its workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.errors import Refused
from api.wiring import Wired
from dispatch._transport import BrokerState
from engine.errors import Draining

AGAIN = {"Retry-After": "5"}


async def readiness(server: Wired) -> dict[str, Any]:
    """What a server that is ready says of itself. Raises Refused, Draining or StoreUnavailable for one that is not.

    One broker of several that is away does not make a server unready: tasks wait for it, and all else goes on. Only
    where every registered worker is behind one that is away is there nobody to bring a task to.
    """
    if server.closing.is_set():
        raise Refused(503, "server.closing", "the server is closing", AGAIN)
    if server.engine.draining:
        raise Draining("the server is being drained")
    server.engine.loop.recovery.require_store()
    await server.store.ping()
    brokers = sorted(_brokers(server), key=lambda found: (found[0], found[1].address))
    if away := [broker for _, broker in brokers if not broker.here]:
        await _require_a_way(server, away)
    return {"status": "ready", "brokers": [_shape(protocol, broker) for protocol, broker in brokers]}


def _brokers(server: Wired) -> Iterator[tuple[str, BrokerState]]:
    for protocol, transport in server.transports.items():
        for broker in transport.brokers():
            yield protocol, broker


async def _require_a_way(server: Wired, away: list[BrokerState]) -> None:
    """Raises Refused."""
    registered = {row.id for row in await server.store.workers()}
    behind = {worker_id for broker in away for worker_id in broker.workers}
    if registered and registered <= behind:
        names = ", ".join(broker.address for broker in away)
        raise Refused(503, "brokers.away", f"every worker is behind a broker that cannot be reached: {names}", AGAIN)


def _shape(protocol: str, broker: BrokerState) -> dict[str, Any]:
    status = "up" if broker.here else "away"
    return {"protocol": protocol, "address": broker.address, "status": status, "workers": len(broker.workers)}
