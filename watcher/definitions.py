"""Workflow documents in a folder: one JSON file each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.codec import CodecError, loads
from engine.errors import EngineError

MAX_BYTES = 8 * 1024 * 1024


class FolderUnreadable(EngineError):
    """The folder of definitions is none, or cannot be read."""

    code = "workflows.folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A file, and the document in it or why there is none."""

    path: Path
    document: Any = None
    fault: str | None = None

    @property
    def workflow_id(self) -> str:
        """The document's own id; the file's name where it has none."""
        given = self.document.get("id") if isinstance(self.document, dict) else None
        return given if isinstance(given, str) and given else self.path.stem


def read_folder(folder: Path, max_depth: int) -> list[Definition]:
    """All definitions below a folder, by path. Raises FolderUnreadable."""
    try:
        if not folder.is_dir():
            raise FolderUnreadable(f"{folder} is not a folder", path=str(folder))
        return list(_read(folder, max_depth))
    except OSError as error:
        raise FolderUnreadable(f"cannot read {folder}: {error.strerror}", path=str(folder)) from error


def _read(folder: Path, max_depth: int) -> Iterator[Definition]:
    for path in sorted(folder.rglob("*.json")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield read_file(path, max_depth)


def read_file(path: Path, max_depth: int) -> Definition:
    """One definition."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return Definition(path=path, fault=f"the file is larger than {MAX_BYTES} bytes")
        return Definition(path=path, document=loads(path.read_bytes(), max_depth=max_depth))
    except OSError as error:
        return Definition(path=path, fault=f"cannot be read: {error.strerror}")
    except CodecError as error:
        return Definition(path=path, fault=error.message)
