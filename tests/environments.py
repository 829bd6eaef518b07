"""Python environments for programs that must not share ours: made once from a file of versions, and kept."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache"
INSTALL_S = 600.0


class Missing(Exception):
    """An environment cannot be had here; the message says why."""


def environment(pinned: Path, cache: Path) -> Path:
    """The Python of the environment with what a file names, made below `cache` where it is not there yet; processes
    that want the same one wait for each other. Raises Missing."""
    key = hashlib.sha256(pinned.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache / f"{pinned.stem}-{key}"
    python, done = folder / "bin" / "python", folder / "complete"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            _make(folder, python, pinned)
            done.touch()
    return python


def _make(folder: Path, python: Path, pinned: Path) -> None:
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet", "--no-deps"]
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [*pip, "--only-binary", ":all:", "-r", str(pinned)],
    ]
    for command in commands:
        try:
            made = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Missing(str(error)) from error
        if made.returncode:
            raise Missing((made.stderr.strip() or made.stdout.strip() or "it cannot be installed").splitlines()[-1])
