"""Reads what any version of Agent2Agent writes, whatever was asked for: agents mix them.

States and roles come in either spelling, parts are told apart by `kind`, `type` or their members, and results come bare
or wrapped. What has not the shape of anything is Unreadable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dispatch._a2a.model import (
    Artifact,
    ArtifactUpdate,
    Event,
    Message,
    Part,
    Role,
    State,
    Status,
    StatusUpdate,
    Task,
)
from engine.errors import EngineError

_BY_KIND = {
    "task": "task",
    "message": "message",
    "status-update": "statusUpdate",
    "artifact-update": "artifactUpdate",
}
_WRAPPED = ("task", "message", "statusUpdate", "artifactUpdate")


class Unreadable(EngineError):
    """What came is not what the protocol has; `path` says where."""

    code = "a2a.unreadable"

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path, self.why = path, message


def read_event(given: Any, path: str = "result") -> Event:
    """A task, a message or a change, bare or wrapped. Raises Unreadable."""
    found = _object(given, path)
    for name in _WRAPPED:
        if isinstance(found.get(name), dict) and "id" not in found and "taskId" not in found:
            return _READERS[name](found[name], f"{path}.{name}")
    return _READERS[_kind(found)](found, path)


def read_task(given: Any, path: str = "result") -> Task:
    """A task, bare or wrapped. Raises Unreadable."""
    found = read_event(given, path)
    if not isinstance(found, Task):
        raise Unreadable(path, "a task is expected")
    return found


def _kind(found: Mapping[str, Any]) -> str:
    """Which of the four an object is."""
    by_kind = {
        "task": "task",
        "message": "message",
        "status-update": "statusUpdate",
        "artifact-update": "artifactUpdate",
    }
    kind = found.get("kind")
    if isinstance(kind, str) and kind in by_kind:
        return by_kind[kind]
    if "artifact" in found:
        return "artifactUpdate"
    if "role" in found and "parts" in found:
        return "message"
    if "status" in found:
        return "statusUpdate" if "taskId" in found or "final" in found else "task"
    raise Unreadable("result", "it is neither a task, a message nor a change of a task")


def read_message(given: Any, path: str = "message") -> Message:
    """A message. Raises Unreadable."""
    found = _object(given, path)
    return Message(
        message_id=_text(found, "messageId", path) or "",
        role=_role(found.get("role"), path),
        parts=_parts(found.get("parts"), path),
        context_id=_text(found, "contextId", path) or _text(found, "sessionId", path),
        task_id=_text(found, "taskId", path),
        reference_task_ids=_texts(found, "referenceTaskIds", path),
        extensions=_texts(found, "extensions", path),
        metadata=_metadata(found, path),
    )


def read_part(given: Any, path: str = "part") -> Part:
    """A part. Raises Unreadable."""
    found = _object(given, path)
    common: dict[str, Any] = {
        "metadata": _metadata(found, path),
        "filename": _text(found, "filename", path),
        "media_type": _text(found, "mediaType", path),
    }
    if isinstance(found.get("file"), dict):
        return _file(found["file"], common, f"{path}.file")
    given_members = [name for name in ("text", "raw", "url", "data") if name in found]
    if len(given_members) != 1:
        raise Unreadable(path, "exactly one of text, data, raw, url or file is expected")
    name = given_members[0]
    value = found[name] if name == "data" else _text(found, name, path)
    if value is None and name != "data":
        raise Unreadable(f"{path}.{name}", "a text is expected")
    return Part(**{**common, name: value})


def _file(file: Mapping[str, Any], common: dict[str, Any], path: str) -> Part:
    raw, url = _text(file, "bytes", path), _text(file, "uri", path)
    if (raw is None) is (url is None):
        raise Unreadable(path, "exactly one of bytes and uri is expected")
    named = {"filename": _text(file, "name", path), "media_type": _text(file, "mimeType", path)}
    return Part(raw=raw, url=url, **(common | {key: value for key, value in named.items() if value is not None}))


def read_artifact(given: Any, path: str = "artifact") -> Artifact:
    """An artifact; one of 0.1 has an index instead of an id. Raises Unreadable."""
    found = _object(given, path)
    index = found.get("index", 0)
    return Artifact(
        artifact_id=_text(found, "artifactId", path) or f"artifact-{index}",
        parts=_parts(found.get("parts"), path),
        name=_text(found, "name", path),
        description=_text(found, "description", path),
        extensions=_texts(found, "extensions", path),
        metadata=_metadata(found, path),
    )


def _task(given: Any, path: str) -> Task:
    found = _object(given, path)
    task_id = _text(found, "id", path)
    if not task_id:
        raise Unreadable(f"{path}.id", "a task has an id")
    return Task(
        id=task_id,
        context_id=_text(found, "contextId", path) or _text(found, "sessionId", path) or "",
        status=read_status(found.get("status"), f"{path}.status"),
        artifacts=tuple(
            read_artifact(each, f"{path}.artifacts[{n}]") for n, each in enumerate(_list(found, "artifacts", path))
        ),
        history=tuple(
            read_message(each, f"{path}.history[{n}]") for n, each in enumerate(_list(found, "history", path))
        ),
        metadata=_metadata(found, path),
    )


def read_status(given: Any, path: str = "status") -> Status:
    """A status. Raises Unreadable."""
    found = _object(given, path)
    message = found.get("message")
    return Status(
        state=_state(found.get("state"), path),
        message=None if message is None else read_message(message, f"{path}.message"),
        timestamp=_text(found, "timestamp", path),
    )


def _status_update(given: Any, path: str) -> StatusUpdate:
    found = _object(given, path)
    return StatusUpdate(
        task_id=_text(found, "taskId", path) or _text(found, "id", path) or "",
        context_id=_text(found, "contextId", path) or "",
        status=read_status(found.get("status"), f"{path}.status"),
        final=found.get("final") is True,
        metadata=_metadata(found, path),
    )


def _artifact_update(given: Any, path: str) -> ArtifactUpdate:
    found = _object(given, path)
    artifact = _object(found.get("artifact"), f"{path}.artifact")
    return ArtifactUpdate(
        task_id=_text(found, "taskId", path) or _text(found, "id", path) or "",
        context_id=_text(found, "contextId", path) or "",
        artifact=read_artifact(artifact, f"{path}.artifact"),
        append=(found.get("append", artifact.get("append"))) is True,
        last_chunk=(found.get("lastChunk", artifact.get("lastChunk"))) is True,
        metadata=_metadata(found, path),
    )


_READERS: dict[str, Callable[[Any, str], Event]] = {
    "task": _task,
    "message": read_message,
    "statusUpdate": _status_update,
    "artifactUpdate": _artifact_update,
}


def _state(given: Any, path: str) -> State:
    if not isinstance(given, str):
        raise Unreadable(f"{path}.state", "a task has a state")
    name = given.removeprefix("TASK_STATE_").lower().replace("_", "-")
    try:
        return State("canceled" if name == "cancelled" else name)
    except ValueError:
        return State.UNKNOWN


def _role(given: Any, path: str) -> Role:
    name = given.removeprefix("ROLE_").lower() if isinstance(given, str) else ""
    try:
        return Role(name)
    except ValueError:
        raise Unreadable(f"{path}.role", "a message is by the user or the agent") from None


def _parts(given: Any, path: str) -> tuple[Part, ...]:
    if not isinstance(given, list):
        raise Unreadable(f"{path}.parts", "a list of parts is expected")
    return tuple(read_part(each, f"{path}.parts[{place}]") for place, each in enumerate(given))


def _object(given: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise Unreadable(path, "an object is expected")
    return given


def _list(found: Mapping[str, Any], name: str, path: str) -> list[Any]:
    value = found.get(name)
    if value is not None and not isinstance(value, list):
        raise Unreadable(f"{path}.{name}", "a list is expected")
    return value or []


def _text(found: Mapping[str, Any], name: str, path: str) -> str | None:
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise Unreadable(f"{path}.{name}", "a text is expected")
    return value


def _texts(found: Mapping[str, Any], name: str, path: str) -> tuple[str, ...]:
    values = _list(found, name, path)
    if not all(isinstance(value, str) for value in values):
        raise Unreadable(f"{path}.{name}", "texts are expected")
    return tuple(values)


def _metadata(found: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    value = found.get("metadata")
    return {} if value is None else _object(value, f"{path}.metadata")
