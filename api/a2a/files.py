"""Files in messages: their bytes become artifacts, their addresses stay as they are, and an input refers to both.

What is kept of a message has no bytes: an artifact stands in their place, as an address of the form
`artifact:sha256:…`. A run refers to it in its input or in an answer, so that it stays as long as the run. Only when the
message is told again, that becomes the address at which the artifact is fetched, for a server may move.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from api.a2a.errors import A2AError, Code, wrong
from api.artifacts import UNSAID, Artifacts, media_type_of
from api.auth import BASE
from api.errors import Refused
from dispatch._a2a.model import Message, Part
from engine.artifacts import SCHEME, reference
from engine.checks.reading import input_keys
from engine.values import dataclass, replace

FILES = "files"
"""The input key that files go to."""
MOST_FILES = 100
"""So many files may be in a message."""
NO_PLACE = "the workflow takes no files: it would declare `files` in its input_schema, or as a state key of type array"
_ARTIFACT = re.compile(f"{SCHEME}([0-9a-f]{{64}})")
_STANDARD = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that came with a message. `value` stands for it in an input; `content` are its bytes, None where there is
    only an address; `path` is its place in the parameters."""

    value: Mapping[str, Any]
    path: str
    content: bytes | None = None


def takes_files(document: Mapping[str, Any]) -> bool:
    """Whether a workflow has a place for files: its input schema says so, and where there is none its state schema."""
    if declared := input_keys(document.get("input_schema")):
        return FILES in declared
    found = document.get("state_schema", {}).get(FILES)
    kind = found.get("type") if isinstance(found, dict) else None
    return kind == "array" or (isinstance(kind, list) and "array" in kind)


def read_files(parts: Sequence[Part]) -> tuple[tuple[Part, ...], tuple[File, ...]]:
    """Parts as they are kept, and the files among them. Raises A2AError."""
    kept, files = list[Part](), list[File]()
    for place, part in enumerate(parts):
        if part.is_file:
            file = _read_file(part, f"message.parts[{place}]")
            files.append(file)
            part = part if file.content is None else replace(part, raw=None, url=file.value["ref"])
        kept.append(part)
    if len(files) > MOST_FILES:
        raise wrong("message.parts", f"at most {MOST_FILES} files may be in a message; these are {len(files)}")
    return tuple(kept), tuple(files)


def _read_file(part: Part, path: str) -> File:
    named = {} if part.filename is None else {"name": part.filename}
    if part.raw is None:
        if not part.url:
            raise wrong(path, "a file has bytes or an address")
        typed = {} if part.media_type is None else {"media_type": part.media_type}
        return File(value={"url": part.url, **typed, **named}, path=path)
    content = _decoded(part.raw, path)
    try:
        kind = media_type_of(part.media_type or UNSAID)
    except Refused as refused:
        raise A2AError(Code.CONTENT_TYPE, f"{path}: {refused.message}", [(path, refused.message)]) from refused
    found = reference(sha256(content).hexdigest(), len(content), kind)
    return File(value={**found, **named}, path=path, content=content)


def _decoded(raw: str, path: str) -> bytes:
    """The bytes of a base64 text, of either alphabet and with or without padding, as ProtoJSON has it."""
    text = raw.translate(_STANDARD)
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise wrong(path, "bytes as base64 are expected") from None


def require_place(files: Sequence[File], *, is_there: bool) -> None:
    """Raises A2AError where files came and there is no place for them."""
    if files and not is_there:
        path = files[0].path
        raise A2AError(Code.CONTENT_TYPE, f"{path}: {NO_PLACE}", [(path, NO_PLACE)])


def with_files(given: Mapping[str, Any], files: Sequence[File]) -> dict[str, Any]:
    """An object with files beside what is in it. Raises A2AError where it has some already."""
    if not files:
        return dict(given)
    if FILES in given:
        raise wrong(FILES, "it is in the data, and there are file parts as well: send either")
    return {**given, FILES: [dict(file.value) for file in files]}


def answer_with(value: Any, files: Sequence[File]) -> Any:
    """An answer with the files that came along: a text is the `text` of an object then. Raises A2AError."""
    if not files:
        return value
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, dict | None):
        raise wrong("message.parts", "files go with a text, or with data that are an object")
    return with_files(value or {}, files)


async def keep_files(artifacts: Artifacts, files: Sequence[File], most: int) -> None:
    """Have the bytes of files in the store, durably, before a run refers to them; `most` is how many one may have.
    Raises A2AError or StoreUnavailable."""
    contents = dict[str, tuple[bytes, str]]()
    for file in files:
        if file.content is not None:
            if len(file.content) > most:
                raise wrong(file.path, f"the file is too large: it has {len(file.content)} bytes, {most} are accepted")
            contents.setdefault(file.value["sha256"], (file.content, file.value["media_type"]))
    for content, media_type in contents.values():
        await artifacts.keep(content, media_type)


def told_here(message: Message, base_url: str) -> Message:
    """A message that was kept, with the addresses at which the files are that came with it."""
    return replace(message, parts=tuple(_told_here(part, base_url) for part in message.parts))


def _told_here(part: Part, base_url: str) -> Part:
    named = _ARTIFACT.fullmatch(part.url or "")
    return replace(part, url=f"{base_url}{BASE}/artifacts/{named[1]}") if named else part
