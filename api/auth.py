"""Who may ask: with a token set, every path below `/v1` but health wants it as a bearer token."""

from __future__ import annotations

import hmac
import re

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Refused, of_engine

BASE = "/v1"
AGENTS = "/a2a"
OPEN = frozenset({f"{BASE}/health"})
_CALLBACK = re.compile(rf"{AGENTS}/callbacks/[^/]+")
_TASK = re.compile(rf"{BASE}/tasks/[^/]+/(result|progress|heartbeat)")
_ARTIFACT = re.compile(rf"POST {BASE}/artifacts(/[^/]+/touch)?|(GET|HEAD) {BASE}/artifacts/[^/]+")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="clew"'}


class BearerAuth:
    """Middleware that asks for the token, also of those that want a socket. Without one, everybody is let through.

    Where workers answer, report, and send and fetch artifacts, they are let through too: the handlers also take the
    token of a task. So are agents that say that a task has changed: for that there are tokens as well.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.token is not None and _wants_token(scope) and not _has_it(HTTPConnection(scope), self.token):
            await of_engine(refused(Headers(scope=scope)))(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _wants_token(scope: Scope) -> bool:
    return scope["type"] == "websocket" or (scope["type"] == "http" and _is_guarded(scope["method"], scope["path"]))


def _has_it(asking: HTTPConnection, token: str) -> bool:
    return bears(asking.headers, token) or _has_key(asking, token)


def _is_guarded(method: str, path: str) -> bool:
    """Whether a path wants the token. The cards of agents are for everybody, what is asked of them is not."""
    if path == AGENTS or path.startswith(f"{AGENTS}/"):
        return method == "POST" and not _CALLBACK.fullmatch(path)
    if path in OPEN or _TASK.fullmatch(path) or _ARTIFACT.fullmatch(f"{method} {path}"):
        return False
    return path == BASE or path.startswith(f"{BASE}/")


def _has_key(request: HTTPConnection, token: str) -> bool:
    """Whether a request to an agent carries the token as an API key, which is what its card offers beside the other."""
    given = request.headers.get("x-api-key", "")
    return request.url.path.startswith(AGENTS) and hmac.compare_digest(given.encode(errors="replace"), token.encode())


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
