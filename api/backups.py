"""Backups that are asked for over HTTP: in one folder, which the operator names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import Conflict, StoreUnavailable
from engine.ports import Store


class Backups:
    """Writes copies of a store into a folder. `clock` gives milliseconds since the epoch."""

    def __init__(self, store: Store, folder: Path | None, clock: Callable[[], int]) -> None:
        self.store, self.folder, self.clock = store, folder, clock

    async def write(self, name: str | None) -> dict[str, Any]:
        """Write one. Raises Conflict without a folder or when the file is there, Invalid, StoreUnavailable."""
        if self.folder is None:
            raise Conflict("this server has no folder of backups: set CLEW_BACKUPS", "backup.no_folder")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"cannot make the folder {self.folder}: {error.strerror}") from error
        target = self.folder.absolute() / (name or self._name())
        return {"file": str(target), "bytes": await self.store.backup(str(target))}

    def _name(self) -> str:
        at = datetime.fromtimestamp(self.clock() / 1000, UTC)
        return f"clew-{at:%Y%m%dT%H%M%S}-{at.microsecond // 1000:03}.db"
