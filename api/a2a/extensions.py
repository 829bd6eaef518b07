"""Extensions of the protocol: our own, those that a workflow declares, and which of them a client knows.

A workflow declares them in its `metadata`: {"a2a": {"extensions": [{"uri", "description", "required", "params"}]}}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from api.a2a.errors import A2AError, Code
from engine.values import dataclass

CHECKPOINTS = "urn:clew:a2a:checkpoints:v1"
"""The extension by which tasks tell checkpoints, and messages fork from them."""
INPUT = "urn:clew:a2a:input-schema:v1"
"""The extension that says what the data of a first message has to look like."""
OWN = frozenset({CHECKPOINTS, INPUT})
HEADER, OLD_HEADER = "a2a-extensions", "x-a2a-extensions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """Something that is more than the protocol has. Who does not know of a `required` one is not served."""

    uri: str
    description: str = ""
    required: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"uri": self.uri, "description": self.description, "required": self.required}
        return {**found, "params": dict(self.params)} if self.params else found


def declared(document: Mapping[str, Any]) -> tuple[Extension, ...]:
    """The extensions that a workflow declares; what is none is left out."""
    about = document.get("metadata")
    told = about.get("a2a") if isinstance(about, dict) else None
    listed = told.get("extensions") if isinstance(told, dict) else None
    return tuple(_read(listed)) if isinstance(listed, list) else ()


def _read(listed: list[Any]) -> Iterator[Extension]:
    for one in listed:
        if isinstance(one, dict) and isinstance(one.get("uri"), str):
            params, about = one.get("params"), one.get("description")
            yield Extension(
                uri=one["uri"],
                description=about if isinstance(about, str) else "",
                required=one.get("required") is True,
                params=params if isinstance(params, dict) else {},
            )


def known_to(headers: Mapping[str, str]) -> frozenset[str]:
    """The extensions that a client says it knows; 0.3 has another header for that."""
    told = f"{headers.get(HEADER, '')},{headers.get(OLD_HEADER, '')}"
    return frozenset(uri for part in told.split(",") if (uri := part.strip()))


def require(extensions: tuple[Extension, ...], known: frozenset[str]) -> None:
    """Raises A2AError where a client does not know of an extension that is required."""
    if missing := [one.uri for one in extensions if one.required and one.uri not in known]:
        why = f"this agent takes messages only from who knows of {', '.join(missing)}: name it in A2A-Extensions"
        raise A2AError(Code.EXTENSION_REQUIRED, why, extensions=", ".join(missing))
