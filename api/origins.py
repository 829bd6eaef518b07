"""Web pages of other origins: a browser sends what they post, and opens their sockets, without asking, so the server
looks who wrote the page."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Refused, of_engine

REFUSAL = "web pages of this origin may not post here; the server names those that may in CLEW_CORS_ORIGINS"


class OwnPages:
    """Middleware that refuses what a page of another origin posts, and sockets that it opens, unless it is one of
    `allowed`.

    Browsers say whose page asks; programs say nothing and are let through. For other methods a browser asks first.
    `own` is the address that the server is reached at, which may be that of a proxy.
    """

    def __init__(self, app: ASGIApp, allowed: Sequence[str], own: str) -> None:
        self.app = app
        self.allowed = frozenset((*allowed, "{0.scheme}://{0.netloc}".format(urlsplit(own))))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asks = scope["type"] == "websocket" or (scope["type"] == "http" and scope["method"] == "POST")
        if asks and not self._may_post(Headers(scope=scope)):
            await of_engine(Refused(403, "origin.refused", REFUSAL))(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _may_post(self, headers: Headers) -> bool:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin is None:
            return site in ("none", "same-origin")
        known = origin in self.allowed or "*" in self.allowed or site == "same-origin"
        return known or urlsplit(origin).netloc == headers.get("host")
