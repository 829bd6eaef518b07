"""The `clew` command: `clew worker` is here, all else is the server's, where that is installed."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution

SERVER = "clew-engine"


def main() -> None:
    """Run what was asked for, and end with its exit status."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["worker"]:
        from clew.worker.command import work

        sys.exit(work(arguments[1:]))
    if not has_server():
        named = (
            f"'clew {arguments[0]}' is" if arguments[:1] and not arguments[0].startswith("-") else "The commands are"
        )
        sys.stderr.write(f"clew: {named} the server's: pip install {SERVER}. 'clew worker --help' works without it.\n")
        sys.exit(2)
    import_module("api.cli").main()


def has_server() -> bool:
    """Whether the server is installed. Its package is not asked for: others may be called `api` too."""
    try:
        distribution(SERVER)
    except PackageNotFoundError:
        return False
    return True
