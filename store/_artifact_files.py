"""The files of large artifacts, beside the database: each whole under its name, or not there."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp

from engine.errors import StoreFull, StoreUnavailable

COMING = "coming"
"""The folder of what is not whole yet."""
_LETTERS = 2
"""So many letters of a name are that of its folder."""


def folder_of(path: Path) -> Path:
    """Where the large artifacts of a database are."""
    return path.with_name(f"{path.name}.artifacts")


class ArtifactFiles:
    """Files by the SHA-256 of what they hold. Every call may wait for the disk, and raises StoreUnavailable."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self) -> tuple[int, Path]:
        """A new file that is not whole yet: its descriptor, and where it is."""
        with on_disk(self.folder):
            coming = self.folder / COMING
            coming.mkdir(parents=True, exist_ok=True)
            number, name = mkstemp(dir=coming)
            return number, Path(name)

    def place_of(self, sha256: str) -> Path:
        """Where the file of an artifact is, if it has one."""
        return self.folder / sha256[:_LETTERS] / sha256[_LETTERS:]

    def adopt(self, coming: Path, sha256: str) -> None:
        """Give a file that is whole, and on the disk, its name; durable on return."""
        with on_disk(self.folder):
            place = self.place_of(sha256)
            if not place.parent.is_dir():
                place.parent.mkdir(parents=True, exist_ok=True)
                _sync_folder(self.folder)
            coming.replace(place)
            _sync_folder(place.parent)

    def remove(self, names: Iterable[str]) -> None:
        """Remove the files of artifacts that have some."""
        with on_disk(self.folder):
            for name in names:
                self.place_of(name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """The SHA-256 of everything that is whole."""
        for inner in sorted(self.folder.glob("[0-9a-f]" * _LETTERS)):
            yield from (inner.name + found.name for found in sorted(inner.iterdir()))

    def forget_coming(self) -> None:
        """Remove what an earlier process had begun and not finished."""
        with on_disk(self.folder):
            shutil.rmtree(self.folder / COMING, ignore_errors=True)

    def copy_from(self, other: ArtifactFiles, names: Iterable[str]) -> None:
        """Take over files of artifacts that are not here yet; those that `other` lacks are left out."""
        with on_disk(self.folder):
            for name in names:
                source, place = other.place_of(name), self.place_of(name)
                if source.is_file() and not place.is_file():
                    number, coming = self.begin()
                    with os.fdopen(number, "wb") as target, source.open("rb") as given:
                        shutil.copyfileobj(given, target, 1 << 20)
                        target.flush()
                        os.fsync(target.fileno())
                    self.adopt(coming, name)


@contextmanager
def on_disk(place: Path) -> Iterator[None]:
    """Tell what the disk refuses as StoreFull or StoreUnavailable."""
    try:
        yield
    except OSError as error:
        kind = StoreFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StoreUnavailable
        raise kind(f"{place}: {error.strerror or error}", path=str(place)) from error


def _sync_folder(folder: Path) -> None:
    with suppress(PermissionError):  # folders cannot be opened everywhere
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
