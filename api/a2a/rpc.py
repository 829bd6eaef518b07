"""JSON-RPC 2.0 as Agent2Agent speaks it: one request in, one response or error out, shaped by version.

`jsonrpcserver` finds and calls the method. It is old, shows the texts of exceptions and answers what it cannot read
with a null id, so requests are read here before it sees them, and methods raise nothing that it would have to tell.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from jsonrpcserver import Error, Result, Success, async_dispatch_to_serializable

from api.a2a.errors import A2AError, Code, error_object
from dispatch._a2a.read import Unreadable
from engine.codec import CodecError, loads, write
from engine.errors import Conflict, EngineError, Invalid
from engine.values import dataclass

V03, V1 = "0.3", "1.0"
log = structlog.get_logger(__name__)

Id = str | int | None
Method = Callable[["Call"], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request: its id, its method, the version of the protocol that it is in, and its parameters."""

    id: Id
    method: str
    version: str
    params: Mapping[str, Any]


class Failed(Exception):
    """A request that cannot be carried out, with the id and the version that its response has."""

    def __init__(self, error: A2AError, request_id: Id, version: str) -> None:
        super().__init__(error.message)
        self.error, self.id, self.version = error, request_id, version


def read_call(body: bytes, header: str | None, spoken: frozenset[str]) -> Call:
    """The request in a body; `header` is the version that the client says it speaks, `spoken` those that are spoken
    here. Raises Failed."""
    version = V1 if _is_1_0(header) and V1 in spoken else V03 if V03 in spoken else V1
    try:
        found = loads(body)
    except CodecError as error:
        raise Failed(A2AError(Code.PARSE, f"the body is no JSON: {error.message}"), None, version) from error
    if not isinstance(found, dict):
        many = isinstance(found, list)
        why = "batches are not taken: send one request at a time" if many else "a request is an object"
        raise Failed(A2AError(Code.INVALID_REQUEST, why), None, version)
    request_id, method = found.get("id"), found.get("method")
    if isinstance(request_id, bool) or not isinstance(request_id, str | int):
        raise Failed(A2AError(Code.INVALID_REQUEST, "a request has an id, a text or a whole number"), None, version)
    if found.get("jsonrpc") != "2.0" or not isinstance(method, str):
        why = 'a request has a method, and "jsonrpc": "2.0"'
        raise Failed(A2AError(Code.INVALID_REQUEST, why), request_id, version)
    version = V03 if "/" in method else V1 if method[:1].isupper() else version
    params = found.get("params", {})
    if params is None or not isinstance(params, dict):
        raise Failed(A2AError(Code.INVALID_PARAMS, "parameters are an object"), request_id, version)
    _check_version(version, header, spoken, request_id)
    return Call(id=request_id, method=method, version=version, params=params)


def _is_1_0(header: str | None) -> bool:
    return header is not None and (header == V1 or header.startswith(f"{V1}."))


def _check_version(version: str, header: str | None, spoken: frozenset[str], request_id: Id) -> None:
    """Raises Failed where a method of a version is asked for under another, or where it is not spoken here."""
    if version not in spoken:
        known = ", ".join(sorted(spoken))
        raise Failed(A2AError(Code.METHOD_NOT_FOUND, f"this address speaks {known}"), request_id, version)
    given = (header or V03).strip()
    if version == V1 and not _is_1_0(given):
        why = f"a method of 1.0 wants the header A2A-Version: 1.0; it is {given!r}"
        raise Failed(A2AError(Code.VERSION, why, supported=V1), request_id, version)
    if version == V03 and not (given == V03 or given.startswith(f"{V03}.")):
        why = f"a method of 0.3 does not go with A2A-Version: {given}"
        raise Failed(A2AError(Code.VERSION, why), request_id, version)


async def respond(call: Call, methods: Mapping[str, Method]) -> dict[str, Any]:
    """The response to a request."""

    def adapted(method: Method) -> Callable[..., Awaitable[Result]]:
        async def called(context: Call, **_: Any) -> Result:
            return await _carried_out(context, method)

        return called

    text = write({"jsonrpc": "2.0", "id": call.id, "method": call.method, "params": {}}).decode()
    named = {name: adapted(method) for name, method in methods.items()}
    found = await async_dispatch_to_serializable(text, named, context=call)
    assert isinstance(found, dict)  # a request with an id has one response
    if "error" not in found:
        return found
    if isinstance(found["error"].get("data"), A2AError):
        error = found["error"]["data"]
    else:
        error = A2AError(Code.METHOD_NOT_FOUND, f"there is no method {call.method[:80]!r} here")
    return failure(Failed(error, call.id, call.version))


async def _carried_out(call: Call, method: Method) -> Result:
    try:
        return Success(await method(call))
    except Exception as error:  # noqa: BLE001 - the root of a call, where nothing but what is specified is told
        told = told_of(error)
        return Error(told.said.value.code, told.message, told)


def told_of(error: Exception) -> A2AError:
    """What is told of something that went wrong."""
    match error:
        case A2AError():
            return error
        case Unreadable():
            return A2AError(Code.INVALID_PARAMS, error.message, [(error.path, error.why)])
        case EngineError(code="not_found"):
            return A2AError(Code.TASK_NOT_FOUND, error.message)
        case Invalid():
            return A2AError(Code.INVALID_PARAMS, error.message)
        case Conflict():
            return A2AError(Code.UNSUPPORTED, error.message)
        case EngineError():
            log.error("a2a.failed", code=error.code, error=error.message)
            return A2AError(Code.INTERNAL, "the server cannot do this now; try again later")
        case _:
            log.error("a2a.broken", exc_info=error)
            return A2AError(Code.INTERNAL)


def failure(failed: Failed) -> dict[str, Any]:
    """The response to what failed."""
    return {"jsonrpc": "2.0", "id": failed.id, "error": error_object(failed.error, failed.version)}
