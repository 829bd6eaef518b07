"""What a worker understands, what is installed where it runs, and how its process and machine are."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from clew.models import Json

PROTOCOL_VERSION = 1
"""Of the task, the answer, and the frames of the socket."""
FEATURES = ("progress", "interrupt", "cancel", "resources", "drain", "rebind")
"""What it understands, or says, beside tasks and answers."""
STATM, MEMINFO = Path("/proc/self/statm"), Path("/proc/meminfo")
KIBIBYTE = 1024


@cache
def packages() -> dict[str, str]:
    """The versions of the installed distributions, by name."""
    found = ((one.metadata["Name"], one.version) for one in distributions())
    return dict(sorted((name, version) for name, version in found if name))


class Machine:
    """Measures with what the standard library can say, from one look to the next."""

    def __init__(self) -> None:
        self._at, self._used = time.monotonic(), time.process_time()

    def metrics(self) -> Json:
        """The part of one CPU that the process has used since the last look, and bytes of memory and disk. What this
        system does not tell is left out."""
        found: Json = {"cpu": self._cpu(), "cpus": os.cpu_count()}
        with suppress(OSError, AttributeError):
            found["load"] = round(os.getloadavg()[0], 2)
        with suppress(OSError, ValueError, IndexError, AttributeError):
            found["memory_used"] = int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        with suppress(OSError, ValueError, KeyError):
            memory = _meminfo()
            found |= {"memory_free": memory["MemAvailable"], "memory_total": memory["MemTotal"]}
        with suppress(OSError):
            disk = shutil.disk_usage(".")
            found |= {"disk_free": disk.free, "disk_total": disk.total}
        return found

    def _cpu(self) -> float:
        at, used = time.monotonic(), time.process_time()
        passed, busy = at - self._at, used - self._used
        self._at, self._used = at, used
        return round(busy / passed, 3) if passed > 0 else 0.0


def _meminfo() -> dict[str, int]:
    lines = (line.split() for line in MEMINFO.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * KIBIBYTE for words in lines if len(words) > 1}
