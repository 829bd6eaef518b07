"""A terminal with a program on it, as a person would sit before it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_S = 30.0
CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\][^\x07]*\x07|\r")


class Terminal:
    """A pseudo-terminal of 100 columns; what the program writes is read until something stands there."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, start_new_session=True,
            env={"TERM": "xterm", "COLUMNS": "100", "LINES": "50", **env},
        )  # fmt: skip
        os.close(theirs)
        self.raw = b""
        self._from = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def type(self, keys: str) -> None:
        """Press keys; what is waited for next has to come after them."""
        self._from = len(self.raw)
        os.write(self._ours, keys.encode())

    @property
    def shown(self) -> str:
        """The text since the last keys, without colours and movements."""
        return CODES.sub("", self.raw[self._from :].decode(errors="replace"))

    def until(self, *words: str) -> str:
        """Everything since the last keys, once all of these words stand there."""
        end = time.monotonic() + PATIENCE_S
        while not all(word in self.shown for word in words):
            left = end - time.monotonic()
            ready, _, _ = select.select([self._ours], [], [], max(left, 0))
            assert ready, f"{words} did not come; what came: {self.shown!r}"
            self.raw += self._read(words)
        return self.shown

    def _read(self, words: Sequence[str]) -> bytes:
        try:
            part = os.read(self._ours, 65536)
        except OSError:  # the other side is closed
            part = b""
        assert part, f"it ended before {words}; what came: {self.shown!r}"
        return part

    def ended(self) -> int:
        """Reads the rest; the exit code."""
        while select.select([self._ours], [], [], PATIENCE_S)[0]:
            try:
                self.raw += os.read(self._ours, 65536)
            except OSError:
                break
        return self._process.wait(PATIENCE_S)
