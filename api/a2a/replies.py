"""Replies: how a workflow says more to agents than that its output is something.

An output with the key `a2a_reply` says it all. It is either a message instead of a task, or what is told of the task:

    {"message": PARTS}
    {"status": PARTS, "artifacts": [{"artifactId", "name", "description", "parts": PARTS, "metadata"}]}

PARTS is a text, or a list of texts and of parts as Agent2Agent 1.0 writes them: {"text"}, {"data"}, {"raw"} (base64) or
{"url"}, with "filename", "mediaType" and "metadata". A worker tells an artifact while it works, in pieces if it likes,
by a report whose `data` has the key `a2a_artifact`: an artifact, and "append" and "lastChunk".
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from dispatch._a2a.model import Artifact, Part
from dispatch._a2a.read import Unreadable, read_part
from engine.values import dataclass

REPLY = "a2a_reply"
PIECE = "a2a_artifact"
_TOLD = ("message", "status", "artifacts")
_PART = ("text", "data", "raw", "url", "filename", "mediaType", "metadata")
_ARTIFACT = ("artifactId", "name", "description", "parts", "metadata")
_FLAGS = ("append", "lastChunk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a workflow says to agents. `message`: it answers with that instead of a task; empty: it does not. `flaw`
    says why what it said cannot be told."""

    message: tuple[Part, ...] = ()
    status: tuple[Part, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    flaw: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """An artifact that is told while a run goes on, or more of one."""

    artifact: Artifact
    append: bool
    last: bool


def reply_in(output: Any) -> Reply | None:
    """What an output says to agents; None where it says nothing of its own to them."""
    if not isinstance(output, dict) or output.get(REPLY) is None:
        return None
    try:
        return _reply(_known(output[REPLY], _TOLD, REPLY))
    except Unreadable as flaw:
        return Reply(flaw=flaw.message)


def piece_in(data: Any) -> Piece | None:
    """The artifact, or the piece of one, in the data of a report; None where there is none."""
    if not isinstance(data, dict) or data.get(PIECE) is None:
        return None
    try:
        found = _known(data[PIECE], (*_ARTIFACT, *_FLAGS), PIECE)
        artifact = _artifact({name: value for name, value in found.items() if name not in _FLAGS}, PIECE, "artifact")
    except Unreadable:
        return None
    return Piece(artifact=artifact, append=found.get("append") is True, last=found.get("lastChunk") is True)


def _reply(found: Mapping[str, Any]) -> Reply:
    if "message" in found:
        if len(found) > 1:
            raise Unreadable(REPLY, "a message goes alone: without status and artifacts")
        return Reply(message=_parts(found["message"], f"{REPLY}.message"))
    artifacts = found.get("artifacts", [])
    if not isinstance(artifacts, list):
        raise Unreadable(f"{REPLY}.artifacts", "a list is expected")
    made = tuple(
        _artifact(one, f"{REPLY}.artifacts[{place}]", f"artifact-{place + 1}") for place, one in enumerate(artifacts)
    )
    if len({one.artifact_id for one in made}) < len(made):
        raise Unreadable(f"{REPLY}.artifacts", "two artifacts have one artifactId")
    status = _parts(found["status"], f"{REPLY}.status") if "status" in found else ()
    return Reply(status=status, artifacts=made)


def _artifact(given: Any, path: str, default_id: str) -> Artifact:
    found = _known(given, _ARTIFACT, path)
    metadata = found.get("metadata", {})
    if not isinstance(metadata, dict):
        raise Unreadable(f"{path}.metadata", "an object is expected")
    return Artifact(
        artifact_id=_text(found, "artifactId", path) or default_id,
        name=_text(found, "name", path),
        description=_text(found, "description", path),
        parts=_parts(found.get("parts"), f"{path}.parts"),
        metadata=metadata,
    )


def _parts(given: Any, path: str) -> tuple[Part, ...]:
    if isinstance(given, str):
        return (Part(text=given),)
    if not isinstance(given, list) or not given:
        raise Unreadable(path, "a text or a list of parts is expected")
    return tuple(_part(one, f"{path}[{place}]") for place, one in enumerate(given))


def _part(given: Any, path: str) -> Part:
    if isinstance(given, str):
        return Part(text=given)
    part = read_part(_known(given, _PART, path), path)
    if part.raw is not None:
        try:
            b64decode(part.raw, validate=True)
        except (binascii.Error, ValueError):
            raise Unreadable(f"{path}.raw", "bytes as base64 are expected") from None
    return part


def _known(given: Any, names: tuple[str, ...], path: str) -> Mapping[str, Any]:
    """An object with no other members than these."""
    if not isinstance(given, dict):
        raise Unreadable(path, "an object is expected")
    if unknown := sorted(set(given) - set(names)):
        raise Unreadable(f"{path}.{unknown[0]}"[:200], f"this is not known; {', '.join(names)} are")
    return given


def _text(found: Mapping[str, Any], name: str, path: str) -> str | None:
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise Unreadable(f"{path}.{name}", "a text is expected")
    return value
