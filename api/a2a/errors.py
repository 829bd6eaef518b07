"""The errors of Agent2Agent: what each is called, and which code each version gives it (specification 1.0.1, 5.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from engine.errors import EngineError
from engine.values import dataclass

DOMAIN = "a2a-protocol.org"


@dataclass(frozen=True, slots=True)
class Said:
    """A code, what it is called where reasons are told, and what is said where nothing better is known."""

    code: int
    reason: str
    message: str


class Code(Enum):
    """What can be wrong."""

    PARSE = Said(-32700, "PARSE_ERROR", "the body is no JSON")
    INVALID_REQUEST = Said(-32600, "INVALID_REQUEST", "the body is no JSON-RPC request")
    METHOD_NOT_FOUND = Said(-32601, "METHOD_NOT_FOUND", "there is no such method")
    INVALID_PARAMS = Said(-32602, "INVALID_PARAMS", "the parameters are not valid")
    INTERNAL = Said(-32603, "INTERNAL_ERROR", "the server failed")
    TASK_NOT_FOUND = Said(-32001, "TASK_NOT_FOUND", "there is no such task")
    NOT_CANCELABLE = Said(-32002, "TASK_NOT_CANCELABLE", "the task is over")
    PUSH_UNSUPPORTED = Said(-32003, "PUSH_NOTIFICATION_NOT_SUPPORTED", "this agent tells of nothing by push")
    UNSUPPORTED = Said(-32004, "UNSUPPORTED_OPERATION", "this cannot be done now, or not at all")
    CONTENT_TYPE = Said(-32005, "CONTENT_TYPE_NOT_SUPPORTED", "content of this type is not taken")
    INVALID_RESPONSE = Said(-32006, "INVALID_AGENT_RESPONSE", "the agent gave no valid answer")
    NO_EXTENDED_CARD = Said(-32007, "EXTENDED_AGENT_CARD_NOT_CONFIGURED", "there is no extended card")
    EXTENSION_REQUIRED = Said(-32008, "EXTENSION_SUPPORT_REQUIRED", "an extension has to be supported")
    VERSION = Said(-32009, "VERSION_NOT_SUPPORTED", "this version is not spoken")


_OF_1_0_ALONE = frozenset({Code.EXTENSION_REQUIRED, Code.VERSION})


class A2AError(EngineError):
    """Something that is told as a JSON-RPC error. `fields` name what of the parameters is wrong, and why."""

    code = "a2a.error"

    def __init__(self, code: Code, message: str = "", fields: Sequence[tuple[str, str]] = (), **metadata: str) -> None:
        super().__init__(message or code.value.message)
        self.said, self.fields, self.metadata = code, tuple(fields), metadata


def wrong(field: str, why: str) -> A2AError:
    """The error that tells what is wrong with one field of the parameters."""
    return A2AError(Code.INVALID_PARAMS, f"{field}: {why}", [(field, why)])


def error_object(error: A2AError, version: str) -> dict[str, Any]:
    """The error object of a JSON-RPC response in a version of the protocol."""
    if version == "0.3":
        code = Code.INTERNAL if error.said in _OF_1_0_ALONE else error.said
        found: dict[str, Any] = {"code": code.value.code, "message": error.message}
        if error.fields:
            found["data"] = {"fieldViolations": _violations(error.fields)}
        return found
    return {"code": error.said.value.code, "message": error.message, "data": _details(error)}


def _details(error: A2AError) -> list[Mapping[str, Any]]:
    """The details of an error in 1.0: an array of objects that say what they are (google.rpc)."""
    info: dict[str, Any] = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": error.said.value.reason,
        "domain": DOMAIN,
    }
    if error.metadata:
        info["metadata"] = dict(error.metadata)
    if not error.fields:
        return [info]
    violations = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": _violations(error.fields)}
    return [info, violations]


def _violations(fields: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"field": field, "description": why} for field, why in fields]
