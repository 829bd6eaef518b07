"""The schema of a database file brought to the one that this version reads: what is to be done, and doing it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from engine.values import dataclass
from store import _schema
from store._backup import open_to_read, write_backup
from store._lock import FileLock
from store._sqlite import told
from store._tables import REVISION


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step from a revision of the schema to the next one."""

    revision: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """The revision that a database has, the newest one, and the steps from one to the other."""

    found: str
    newest: str
    pending: tuple[Migration, ...]

    def as_json(self) -> dict[str, Any]:
        steps = [{"revision": step.revision, "about": step.about} for step in self.pending]
        return {"schema": self.found, "newest": self.newest, "pending": steps}


def state_of(path: Path) -> SchemaState:
    """What a database file has and lacks, read beside a server too. Raises StoreUnavailable for a file that is not
    there, none of ours, or of a newer version."""
    with told(path), closing(open_to_read(path)) as connection:
        _schema.require_known(connection, path)
        found = _schema.read_stamp(connection, path)
    assert found is not None
    pending = tuple(step for step in migrations() if step.revision > found)
    return SchemaState(found=found, newest=REVISION, pending=pending)


def migrations() -> list[Migration]:
    """All steps, the first one first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(_schema.MIGRATIONS)).walk_revisions()
    return [Migration(revision=script.revision, about=script.doc) for script in reversed(list(scripts))]


def migrate(path: Path, backup: Path | None) -> None:
    """Bring a database to the newest revision, in one transaction, after a backup where a file for it is named.
    Raises StoreLocked while a server has it, Conflict when the file of the backup exists."""
    lock = FileLock(path)
    lock.take()
    try:
        if backup is not None:
            write_backup(path, backup)
        _schema.upgrade(path)
    finally:
        lock.release()
