"""Workflows as Agent2Agent agents: their addresses, and their cards."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from sse_starlette import ServerSentEvent
from starlette.responses import Response

from api.a2a.agents import agent_of, workflow_of
from api.a2a.cards import CARDS, card_for_both
from api.a2a.errors import A2AError, Code
from api.a2a.extensions import OWN, declared, known_to
from api.a2a.following import Told, follow, here
from api.a2a.methods import DIALECTS, Methods, task_id_of
from api.a2a.rpc import V03, V1, Call, Failed, failure, read_call, respond, told_of
from api.a2a.sending import read_asked
from api.a2a.tasks import STATES
from api.deps import Serving
from api.errors import Refused
from api.render import answer
from api.requests import read_body
from api.sse import Stream
from api.wiring import Wired
from dispatch._a2a.dialect import Operation
from dispatch._a2a.model import TERMINAL
from engine.codec import digest, write
from engine.errors import EngineError
from engine.model import RunId

router = APIRouter(tags=["a2a"], include_in_schema=False)

BOTH = frozenset({V1, V03})
TOKEN = "x-a2a-notification-token"
CACHED = "public, max-age=60"
STREAMED = {names.methods[one]: one for names in DIALECTS.values() for one in (Operation.STREAM, Operation.SUBSCRIBE)}


# ---- cards


async def _card(server: Wired, request: Request, name: str | None, version: str | None) -> Response:
    agent = await agent_of(server, name)
    card = card_for_both(agent) if version is None else CARDS[version](agent)
    etag = f'"{digest(card)[:32]}"'
    headers = {"ETag": etag, "Cache-Control": CACHED, "Vary": "Authorization"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return answer(card, headers=headers)


@router.get("/a2a/v1/{name}/.well-known/agent-card.json")
async def card_of_1_0(server: Serving, request: Request, name: str) -> Response:
    """The card of an agent that speaks 1.0 alone."""
    return await _card(server, request, name, V1)


@router.get("/a2a/v0.3/{name}/.well-known/agent-card.json")
@router.get("/a2a/v0.3/{name}/.well-known/agent.json")
@router.get("/a2a/{name}/.well-known/agent.json")
async def card_of_0_3(server: Serving, request: Request, name: str) -> Response:
    """The card of an agent for clients of 0.3 and before."""
    strict = "/a2a/v0.3/" in request.url.path
    return await _card(server, request, name, V03 if strict else None)


@router.get("/a2a/{name}/.well-known/agent-card.json")
async def card(server: Serving, request: Request, name: str) -> Response:
    """The card of an agent."""
    return await _card(server, request, name, None)


@router.get("/a2a/.well-known/agent-card.json")
@router.get("/a2a/.well-known/agent.json")
@router.get("/.well-known/agent-card.json")
@router.get("/.well-known/agent.json")
async def card_of_all(server: Serving, request: Request) -> Response:
    """The card of the agent whose skills are all workflows."""
    return await _card(server, request, None, None)


# ---- what is asked


@router.post("/a2a")
async def ask_all(server: Serving, request: Request) -> Response:
    """Ask the agent of all workflows."""
    return await _asked(server, request, None, BOTH)


@router.post("/a2a/v1/{name}")
async def ask_1_0(server: Serving, request: Request, name: str) -> Response:
    """Ask an agent in 1.0."""
    return await _asked(server, request, name, frozenset({V1}))


@router.post("/a2a/v0.3/{name}")
async def ask_0_3(server: Serving, request: Request, name: str) -> Response:
    """Ask an agent in 0.3."""
    return await _asked(server, request, name, frozenset({V03}))


@router.post("/a2a/callbacks/{name}")
async def told(server: Serving, request: Request, name: str) -> Response:
    """Be told by an agent that a task has changed which it has from here; what it says of it is not taken on trust: the
    agent is asked."""
    headers = request.headers
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    token = headers.get(TOKEN) or (bearer.strip() if kind.lower() == "bearer" else "")
    if not server.callbacks.call(name, token):
        raise Refused(403, "callback.token", "nobody waits for this task, or the token is not the one of it")
    return Response(status_code=204)


@router.post("/a2a/{name}")
async def ask(server: Serving, request: Request, name: str) -> Response:
    """Ask an agent in either version."""
    return await _asked(server, request, name, BOTH)


async def _asked(server: Wired, request: Request, name: str | None, spoken: frozenset[str]) -> Response:
    row = None if name is None else await workflow_of(server, name)
    declares, known = () if row is None else declared(row.document), known_to(request.headers)
    active = known & {*OWN, *(one.uri for one in declares)}
    headers = {"A2A-Extensions": ", ".join(sorted(active))} if active else {}
    body = await read_body(request, server.settings.max_body)
    header = request.headers.get("a2a-version") or request.query_params.get("A2A-Version")
    try:
        call = read_call(body, header, spoken)
    except Failed as failed:
        return answer(failure(failed))
    methods = Methods(server, row, known, strict=spoken != BOTH)
    if (operation := STREAMED.get(call.method)) is None:
        return answer(await respond(call, methods.of(call.version)), headers=headers)
    try:
        told = await _followed(server, methods, call, operation, request.headers.get("last-event-id"))
    except Exception as error:  # noqa: BLE001 - the root of a call, where nothing but what is specified is told
        return answer(failure(Failed(told_of(error), call.id, call.version)))
    return _stream(server, call, told, headers)


async def _followed(
    server: Wired, methods: Methods, call: Call, operation: Operation, last: str | None
) -> AsyncIterator[Told]:
    """What is told to who asks for a stream. Raises what `told_of` makes an error of."""
    if operation is Operation.STREAM:
        asked = read_asked(call.params, blocks=True)
        known = asked.message.task_id
        after = None if known is None else await here(server, (await methods.run(known))["id"])
        run_id = await methods.begin(asked, call.version)
        return follow(server, run_id, after, snapshot=True, history=asked.history)
    run = await methods.run(task_id_of(call))
    if last is not None:
        await server.streams.check(run["id"], last)
        return follow(server, RunId(run["id"]), last, snapshot=False)
    if STATES[run["status"]] in TERMINAL:
        raise A2AError(Code.UNSUPPORTED, "the task is over: nothing more will happen in it")
    return follow(server, RunId(run["id"]), await here(server, run["id"]), snapshot=True, waits=True)


def _stream(server: Wired, call: Call, told: AsyncIterator[Told], headers: Mapping[str, str]) -> Response:
    return Stream(
        _frames(server, call, told),
        headers=headers,
        ping=server.settings.ping_s,
        sep="\n",
        ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
        send_timeout=server.settings.send_timeout_s,
    )


async def _frames(server: Wired, call: Call, told: AsyncIterator[Told]) -> AsyncGenerator[bytes, None]:
    dialect = DIALECTS[call.version]
    try:
        while (one := await server.closing.cut(anext(told, None))) is not None:
            place = b"" if one.place is None else b"id: %b\n" % one.place.encode()
            yield place + _framed({"jsonrpc": "2.0", "id": call.id, "result": dialect.event(one.event)})
    except EngineError as error:
        yield _framed(failure(Failed(told_of(error), call.id, call.version)))
    finally:
        if isinstance(told, AsyncGenerator):
            await told.aclose()


def _framed(response: Any) -> bytes:
    return b"data: %b\n\n" % write(response)
