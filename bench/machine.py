"""What the measurements were taken on."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.report import Section

WRITES = 200


def describe() -> Section:
    """Processor, versions, and how long the disk takes to keep a page."""
    rows = [
        ("processor", _processor()),
        ("cores", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())),
        ("system", f"{platform.system()} {platform.release()}"),
        ("Python", f"{platform.python_version()}, {sys.base_prefix}"),
        ("SQLite", sqlite3.sqlite_version),
        ("fdatasync of 4 KiB", f"{1000 * synced_s():.3f} ms"),
        ("load before", f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""),
        ("folder of the databases", tempfile.gettempdir()),
    ]
    return Section("machine", columns=("", ""), rows=list(rows))


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def synced_s() -> float:
    """The median time that one appended page takes to be durable, in the folder for temporary files."""
    sync = getattr(os, "fdatasync", os.fsync)
    with tempfile.TemporaryFile(buffering=0) as file:
        took = []
        for _ in range(WRITES):
            file.write(b"x" * 4096)
            begun = time.perf_counter()
            sync(file.fileno())
            took.append(time.perf_counter() - begun)
    return median(took)
