"""Workflow documents in a folder, one JSON file each: read, and followed as they change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import structlog

from engine.codec import CodecError, loads
from engine.errors import EngineError, Invalid
from engine.values import dataclass
from watcher._beside import beside

MAX_BYTES = 8 * 1024 * 1024
TICK_MS = 5_000
"""How often a folder is looked at without a sign of change: some file systems give none."""

log = structlog.get_logger(__name__)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a file; `problems` are those of its document."""

    file: str
    workflow_id: str | None
    message: str
    problems: tuple[Mapping[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "workflow_id": self.workflow_id,
            "message": self.message,
            "problems": list(self.problems),
        }


class Owner(Protocol):
    """Who keeps the workflows that files define."""

    async def take(self, workflow_id: str, document: Any) -> int:
        """Have this document as the newest version; returns its number. Raises Invalid."""

    async def archive(self, workflow_id: str) -> None:
        """The workflow's file is gone."""

    async def from_files(self) -> Iterable[str]:
        """The ids of the workflows that came from files and are not archived."""


@dataclass(slots=True)
class Definitions:
    """Keeps an owner's workflows like the files of a folder.

    A file owns the id that it names, also while it is not valid: the last good version stays then. `owned` holds the
    file of each id, relative to the folder; of two files with one id the one that had it first counts. Equal bytes
    are the same version, whatever a file system says of their time.
    """

    folder: Path
    max_depth: int
    owner: Owner
    owned: dict[str, str] = field(default_factory=dict)
    _faults: dict[str, Fault] = field(default_factory=dict)
    _seen: dict[str, bytes] = field(default_factory=dict)
    _begun: bool = False

    @property
    def faults(self) -> list[Fault]:
        """What is wrong with which files, by their names."""
        return [self._faults[name] for name in sorted(self._faults)]

    def fault_of(self, workflow_id: str) -> Fault | None:
        """What is wrong with the file of a workflow."""
        return self._faults.get(self.owned.get(workflow_id, ""))

    def broken(self, workflow_id: str) -> str | None:
        """The file that would be this workflow, if it were valid."""
        names = ((fault.file, fault.workflow_id or Path(fault.file).stem) for fault in self.faults if fault.file)
        return next((file for file, name in names if name == workflow_id), None)

    async def sync(self) -> None:
        """Look at the folder, and have the owner follow what has changed. Raises FolderUnreadable."""
        paths = {str(path.relative_to(self.folder)): path for path in paths_in(self.folder)}
        self._faults.pop("", None)
        freed = self._forget(paths)
        for name, path in paths.items():
            content = _content(path)
            digest = blake2b(content).digest() if isinstance(content, bytes) else content.encode()
            if self._seen.get(name) != digest:
                freed |= await self._look_at(name, _definition(path, content, self.max_depth))
                self._seen[name] = digest
            await asyncio.sleep(0)
        if not self._begun:
            freed |= await self._left_over()
        for workflow_id in sorted(freed - self.owned.keys()):
            await self.owner.archive(workflow_id)
            log.info("workflow.file_removed", workflow_id=workflow_id)
        self._begun = True

    def _forget(self, paths: Mapping[str, Path]) -> set[str]:
        """Forget files that are gone; the ids that they had. Who waited for such an id is looked at again."""
        freed = {workflow_id for workflow_id, name in self.owned.items() if name not in paths}
        for workflow_id in freed:
            del self.owned[workflow_id]
        for name in self._seen.keys() - paths.keys():
            del self._seen[name]
            self._faults.pop(name, None)
        for name, fault in self._faults.items():
            if fault.workflow_id in freed:
                self._seen.pop(name, None)
        return freed

    async def _look_at(self, name: str, found: Definition) -> set[str]:
        """Take what a file says; the ids that it had before, and has no more."""
        workflow_id = found.workflow_id
        before = {known for known, file in self.owned.items() if file == name}
        try:
            if found.fault is not None:
                raise Invalid(found.fault)
            holder = self.owned.setdefault(workflow_id, name)
            if holder != name:
                raise Invalid(f"another file has this id: {holder}")
            version = await self.owner.take(workflow_id, found.document)
        except Invalid as error:
            known = workflow_id if found.fault is None else next(iter(before), None)
            self._faults[name] = Fault(
                file=name, workflow_id=known, message=error.message, problems=tuple(error.problems)
            )
            log.error("workflow.file_skipped", **self._faults[name].as_json())
            return set()
        self._faults.pop(name, None)
        log.info("workflow.file_loaded", file=name, workflow_id=workflow_id, version=version)
        freed = before - {workflow_id}
        for old in freed:
            del self.owned[old]
        return freed

    async def _left_over(self) -> set[str]:
        """Workflows whose files went while nobody looked. A file that cannot be read may be one of theirs."""
        if any(fault.workflow_id is None for fault in self._faults.values()):
            return set()
        return set(await self.owner.from_files())

    # ---- following

    async def follow(self, changes: AsyncIterator[object]) -> None:
        """Look at the folder at each sign of change. What goes wrong is reported, and looked at again with the next."""
        async for _ in changes:
            try:
                await self.sync()
            except FolderUnreadable as error:
                if "" not in self._faults:
                    log.error("workflows.folder_unreadable", folder=str(self.folder), error=error.message)
                self._faults[""] = Fault(file="", workflow_id=None, message=error.message)
            except Exception:  # the root of the watching: whatever it is, the next change may be better
                log.exception("workflows.sync_failed", folder=str(self.folder))


@asynccontextmanager
async def followed(definitions: Definitions) -> AsyncIterator[None]:
    """While this lasts, the folder is followed."""
    async with beside(definitions.follow(changes_in(definitions.folder))):
        yield


async def changes_in(folder: Path, tick_ms: int = TICK_MS) -> AsyncIterator[object]:
    """Signs of change in a folder, those of one moment together: an editor's writes, renames and deletions are one.
    There is one at every tick too."""
    from watchfiles import awatch

    while True:
        try:
            async for found in awatch(
                folder,
                step=50,
                debounce=1_000,
                rust_timeout=tick_ms,
                yield_on_timeout=True,
                ignore_permission_denied=True,
            ):
                yield found
        except OSError:
            await asyncio.sleep(tick_ms / 1000)
            yield None


def read_folder(folder: Path, max_depth: int) -> list[Definition]:
    """All definitions below a folder, by path. Raises FolderUnreadable."""
    return [read_file(path, max_depth) for path in paths_in(folder)]


def paths_in(folder: Path) -> list[Path]:
    """The files of definitions below a folder, sorted; hidden ones are left out. Raises FolderUnreadable."""
    try:
        if not folder.is_dir():
            raise FolderUnreadable(f"{folder} is not a folder", path=str(folder))
        return list(_paths(folder))
    except OSError as error:
        raise FolderUnreadable(f"cannot read {folder}: {error.strerror}", path=str(folder)) from error


def _paths(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.json")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def read_file(path: Path, max_depth: int) -> Definition:
    """One definition."""
    return _definition(path, _content(path), max_depth)


def _content(path: Path) -> bytes | str:
    """What is in a file, or why it cannot be had."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return f"the file is larger than {MAX_BYTES} bytes"
        return path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _definition(path: Path, content: bytes | str, max_depth: int) -> Definition:
    if isinstance(content, str):
        return Definition(path=path, fault=content)
    try:
        return Definition(path=path, document=loads(content, max_depth=max_depth, unique=True))
    except CodecError as error:
        return Definition(path=path, fault=error.message)
