"""Requests, read strictly: bodies within limits and by our own JSON codec, query parameters by their names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from email.message import Message
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.responses import Response

from api.errors import Refused
from api.keys import BY_CONTENT, HEADER, takes_keys
from api.settings import Settings
from engine.codec import dumps, loads

OPEN_ENDED = "<k>"
"""A query parameter whose name ends with this stands for all names that begin like it."""

UNSAID = ("application/octet-stream", "application/x-www-form-urlencoded")
"""What programs such as curl call a body when nobody has told them what it is: it is read as JSON."""

TEXT = "text/plain"

NO_KEYS = "this operation takes no Idempotency-Key"


class JsonRequest(Request):
    """A request whose body was read and parsed; from here on it counts as JSON."""

    def __init__(self, request: Request, text: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._text, self._value = text, value

    @property
    def headers(self) -> Headers:
        given = {name: value for name, value in super().headers.items() if name != "content-type"}
        return Headers({**given, "content-type": "application/json"})

    async def body(self) -> bytes:
        return self._text

    async def json(self) -> Any:
        return self._value


class StrictRoute(APIRoute):
    """A route that refuses query parameters that it does not know or that come twice, and reads its body by our codec.

    Its summary is the first sentence of the handler's docstring.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        options["summary"] = options.get("summary") or summary_of(endpoint)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known, has_body, creates = query_names(self.dependant), self.body_field is not None, self.status_code == 201
        keyed = takes_keys(self.dependant.dependencies)
        creates = creates and not self.path.endswith(BY_CONTENT)

        async def strict(request: Request) -> Response:
            if creates and not keyed and HEADER in request.headers:
                raise Refused(422, "request.unsupported", NO_KEYS)
            if request.scope["query_string"]:
                _refuse_unknown(request, known)
                _refuse_repeated(request)
            async with self.received(request, has_body) as (given, body):
                if keyed and HEADER in request.headers:
                    answered: Response = await request.app.state.wired.keys.answer(given, body, handle)
                    return answered
                return await handle(given)

        return strict

    @asynccontextmanager
    async def received(self, request: Request, has_body: bool) -> AsyncIterator[tuple[Request, Any]]:
        """The request with its body as the handler wants it, and what stands for the body where it comes again."""
        if not has_body:
            yield request, None
            return
        found = await self.read(request)
        yield found, await found.json()

    async def read(self, request: Request) -> JsonRequest:
        """The request with its body, read and parsed. Raises Refused, or CodecError."""
        return await with_json(request, request.app.state.settings)


def summary_of(endpoint: Callable[..., Any]) -> str | None:
    """The first sentence of a docstring, without its full stop."""
    return (endpoint.__doc__ or "").strip().partition(".")[0] or None


def query_names(dependant: Dependant) -> frozenset[str]:
    """The names of the query parameters of a handler, those of its query model and of what it depends on included."""
    names: set[str] = {name for inner in dependant.dependencies for name in query_names(inner)}
    for field in dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            names |= {inner.alias or name for name, inner in model.model_fields.items()}
        else:
            names.add(field.alias)
    return frozenset(names)


def _refuse_unknown(request: Request, known: frozenset[str]) -> None:
    beginnings = tuple(name.removesuffix(OPEN_ENDED) for name in known if name.endswith(OPEN_ENDED))
    unknown = [
        name for name in request.query_params if name not in known and not (beginnings and name.startswith(beginnings))
    ]
    if unknown:
        listed = ", ".join(sorted(known)) or "none"
        said = {name: f"'{name}' is not known here; known: {listed}" for name in unknown}
        raise RequestValidationError(
            [{"type": "extra_forbidden", "loc": ("query", name), "msg": message} for name, message in said.items()]
        )


def _refuse_repeated(request: Request) -> None:
    given = [name for name, _ in request.query_params.multi_items()]
    if len(set(given)) < len(given):
        said = {name: f"'{name}' is given {given.count(name)} times" for name in given if given.count(name) > 1}
        raise RequestValidationError(
            [{"type": "repeated", "loc": ("query", name), "msg": message} for name, message in said.items()]
        )


async def with_json(request: Request, settings: Settings) -> JsonRequest:
    """A request with its body, read and parsed. Raises Refused, or CodecError."""
    text = await read_body(request, settings.max_body)
    if text:
        _refuse_type(request.headers.get("content-type", UNSAID[0]))
    value = loads(text, max_depth=settings.max_depth, unique=True) if text else None
    return JsonRequest(request, text, value)


async def with_text(request: Request, settings: Settings) -> JsonRequest:
    """The same where the body may be plain text too, as what workers respond may: then it is a text, and null where it
    is empty."""
    given = request.headers.get("content-type", "")
    if _kind_of(given) != TEXT:
        return await with_json(request, settings)
    value = _text(await read_body(request, settings.max_body), given) or None
    return JsonRequest(request, dumps(value), value)


def _text(body: bytes, given: str) -> str:
    kind = Message()
    kind["content-type"] = given
    charset = kind.get_content_charset("utf-8")
    try:
        return body.decode(charset)
    except LookupError:
        why = f"there is no character set '{charset[:80]}' here; send UTF-8"
        raise Refused(415, "request.media_type", why) from None
    except UnicodeDecodeError:
        raise Refused(400, "request.malformed", f"the body is no text in {charset[:80]}") from None


def _refuse_type(given: str) -> None:
    kind = _kind_of(given)
    if kind not in UNSAID and not kind.endswith(("/json", "+json")):
        raise Refused(415, "request.media_type", f"a body of type '{kind[:80]}' is not read; send application/json")


def _kind_of(given: str) -> str:
    return given.partition(";")[0].strip().lower()


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request. Raises Refused (413) as soon as it is known to be longer than `limit` bytes."""
    return b"".join([part async for part in read_parts(request, limit)])


async def read_parts(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body of a request as it comes. Raises Refused (413) as soon as it is known to be longer than `limit`."""
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said[:20]) > limit:
        raise too_large(limit)
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large(limit)
        yield part


def too_large(limit: int) -> Refused:
    """The refusal of a body of more than `limit` bytes."""
    return Refused(413, "request.too_large", f"the body is too large: at most {limit} bytes are accepted")
