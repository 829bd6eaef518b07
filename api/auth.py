"""Who may ask: with a token set, every path below `/v1` but health wants it as a bearer token."""

from __future__ import annotations

import hmac
import re

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Refused, of_engine

BASE = "/v1"
OPEN = frozenset({f"{BASE}/health"})
_TASK = re.compile(rf"{BASE}/tasks/[^/]+/(result|progress|heartbeat)")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="clew"'}


class BearerAuth:
    """Middleware that asks for the token. Without one, everybody is let through.

    The paths at which workers answer and report are let through too: their handlers also take the token of a task.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.token is not None and scope["type"] == "http" and _is_guarded(scope["path"]):
            request = Request(scope)
            if not bears(request.headers, self.token):
                await of_engine(refused(request.headers))(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _is_guarded(path: str) -> bool:
    return (path == BASE or path.startswith(f"{BASE}/")) and path not in OPEN and not _TASK.fullmatch(path)


def bears(headers: Headers, token: str | None) -> bool:
    """Whether a request carries the server's token, or needs none. Takes equally long for all wrong tokens."""
    if token is None:
        return True
    kind, _, given = headers.get("authorization", "").partition(" ")
    right = hmac.compare_digest(given.strip().encode(errors="replace"), token.encode())
    return right and kind.lower() == "bearer"


def refused(headers: Headers) -> Refused:
    """The refusal of a request without the right token."""
    if "authorization" in headers:
        return Refused(401, "auth.invalid", "the bearer token is not the one of this server", _CHALLENGE)
    return Refused(401, "auth.missing", "this server wants a bearer token in the Authorization header", _CHALLENGE)
