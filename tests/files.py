"""Files of runs, taken apart, changed, and made files again."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

Line = dict[str, Any]


def lines_of(text: bytes) -> list[Line]:
    """The lines of a file."""
    return [orjson.loads(line) for line in text.splitlines()]


def sealed(lines: list[Line]) -> bytes:
    """Lines as a file whose last line is right."""
    written = [orjson.dumps(line) + b"\n" for line in lines if "end" not in line]
    end = {"end": {"lines": len(written), "sha256": hashlib.sha256(b"".join(written)).hexdigest()}}
    return b"".join((*written, orjson.dumps(end), b"\n"))


def renamed(text: bytes, run_id: str, other: str) -> bytes:
    """The file of a run under another id."""
    return sealed(lines_of(text.replace(run_id.encode(), other.encode())))
