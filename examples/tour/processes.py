"""The processes of a tour: started in order, ready when they say so, stopped by their ids whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

START_S, STOP_S = 60.0, 15.0


class TourFailed(Exception):
    """The tour cannot go on; the message is for whoever sits at the terminal."""


class Child:
    """A process of ours, in a session of its own so that Ctrl-C reaches the tour alone. Its output goes to a file."""

    def __init__(self, name: str, module: str, arguments: Sequence[str], folder: Path, log: Path) -> None:
        self.name, self.log, self.url = name, log, ""
        self._ready = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env={key: value for key, value in os.environ.items() if not key.startswith("CLEW_")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def _read(self, output: IO[bytes]) -> None:
        with output, self.log.open("wb") as log:
            for line in output:
                log.write(line)
                log.flush()
                said = line.decode(errors="replace").split()
                if not self.url and "ready" in said[:-1]:
                    self.url = said[said.index("ready") + 1].rstrip("/")
                    self._ready.set()
        self._ready.set()

    def wait_ready(self) -> str:
        """The URL that the process serves. Raises TourFailed when it ends, or says nothing in time."""
        self._ready.wait(START_S)
        if self.url:
            return self.url
        if self.running:
            raise TourFailed(f"the {self.name} did not get ready within {START_S:g} s; its log: {self.log}")
        self._reader.join(STOP_S)
        raise TourFailed(f"the {self.name} did not start; it said:\n\n{self._last_lines()}\n\n(log: {self.log})")

    def _last_lines(self, count: int = 12) -> str:
        lines = self.log.read_text("utf-8", errors="replace").splitlines()
        return "\n".join(lines[-count:]) or "nothing"

    def stop(self) -> None:
        """Ask it to end; after a while, end it. Idempotent."""
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(STOP_S)


class Children:
    """The processes of the tour; leaving the context stops them, the last one first."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def start(self, name: str, module: str, arguments: Sequence[str], folder: Path, log: Path) -> Child:
        """Start a Python module as a process and wait until it serves. Raises TourFailed."""
        child = Child(name, module, arguments, folder, log)
        self._children.append(child)
        child.wait_ready()
        return child

    def check(self) -> None:
        """Raises TourFailed when one of them has ended by itself."""
        for child in self._children:
            if not child.running:
                raise TourFailed(f"the {child.name} has stopped; its log: {child.log}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        while self._children:
            self._children.pop().stop()
