"""The socket that workers dial."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from api.errors import Refused, of_engine
from api.sockets import AsgiChannel, Dialled
from api.wiring import Wired

router = APIRouter()

NO_QUERY = "no query parameters are read here; the token goes into the Authorization header"
NOBODY = "this server takes no workers over sockets"


@router.websocket("/ws/worker")
async def talk_to_worker(socket: WebSocket) -> None:
    """Serve a worker that dials in, until it goes."""
    server: Wired = socket.app.state.wired
    refusal = None
    if socket.scope["query_string"]:
        refusal = Refused(422, "request.unsupported", NO_QUERY)
    elif server.sockets is None:
        refusal = Refused(503, "server.no_workers", NOBODY)
    elif server.closing.is_set():
        refusal = Refused(503, "server.closing", "the server ends; dial again in a moment")
    if refusal is not None:
        return await of_engine(refusal)(socket.scope, socket.receive, socket.send)
    assert server.sockets is not None
    channel = AsgiChannel(socket.scope, socket.receive, socket.send)
    await channel.open()
    await server.sockets.talk(channel, Dialled(server.workers), server.closing, server.settings.max_depth)
