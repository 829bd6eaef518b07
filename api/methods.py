"""The methods that every path has without a handler: HEAD beside GET, and OPTIONS."""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.closing import before

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""Those that handlers are for."""


class Methods:
    """Middleware that answers HEAD like GET without the body, and OPTIONS with the methods of the path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"] if scope["type"] == "http" else None
        if method == "HEAD":
            await self._head({**scope, "method": "GET"}, receive, send)
        elif method == "OPTIONS" and (allowed := methods_of(scope)):
            await Response(status_code=204, headers={"Allow": allowed})(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = asyncio.Event()

        async def beginning(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                begun.set()

        async def asked() -> None:
            await self.app(scope, receive, beginning)

        await before(begun, asked())  # a stream would go on
        await send({"type": "http.response.body", "body": b""})


def methods_of(scope: Scope) -> str:
    """The methods of the path that is asked for, as `Allow` lists them; empty where there is nothing at it."""
    asked = ({**scope, "method": method} for method in METHODS)
    found = [one["method"] for one in asked if any(route.matches(one)[0] is Match.FULL for route in one["app"].routes)]
    return ", ".join([*(["HEAD"] if "GET" in found else []), *found, "OPTIONS"]) if found else ""
