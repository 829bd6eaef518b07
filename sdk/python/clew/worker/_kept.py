"""Successful answers, kept so that a request which comes again is not worked at again."""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from pathlib import Path

from clew._json import encode
from clew.models import Json

MOST = 1000
MOST_BYTES = 64 * 1024 * 1024


class Kept:
    """The last answers by message id: so many, and so many bytes, at most. With a file they outlive the process."""

    def __init__(self, file: Path | None = None, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._file = None if file is None else _File(file, most)

    def get(self, message_id: str) -> Json | None:
        """The answer that was given to this request."""
        body = self._bodies.get(message_id)
        if body is None and self._file is not None:
            body = self._file.get(message_id)
        return None if body is None else dict(json.loads(body))

    def put(self, message_id: str, answer: Json) -> None:
        """Keep an answer. It is in the file on return."""
        body = encode(answer)
        if self._file is not None:
            self._file.put(message_id, body)
        self._bytes += len(body) - len(self._bodies.pop(message_id, b""))
        self._bodies[message_id] = body
        while len(self._bodies) > self._most or (self._bytes > self._most_bytes and self._bodies):
            self._bytes -= len(self._bodies.popitem(last=False)[1])

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class _File:
    """Answers in an SQLite file, which several processes may share."""

    def __init__(self, path: Path, most: int) -> None:
        self._most = most
        self._rows = sqlite3.connect(path, isolation_level=None, timeout=10.0)
        self._rows.execute("PRAGMA journal_mode = WAL")
        self._rows.execute(
            "CREATE TABLE IF NOT EXISTS answers"
            " (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, body BLOB NOT NULL)"
        )

    def get(self, message_id: str) -> bytes | None:
        row = self._rows.execute("SELECT body FROM answers WHERE id = ?", (message_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, message_id: str, body: bytes) -> None:
        made = self._rows.execute("INSERT OR REPLACE INTO answers (id, body) VALUES (?, ?)", (message_id, body))
        self._rows.execute("DELETE FROM answers WHERE n <= ?", ((made.lastrowid or 0) - self._most,))

    def close(self) -> None:
        self._rows.close()
