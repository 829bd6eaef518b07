"""The command line: each public module here holds a group of commands, and is found by its name."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from pkgutil import iter_modules

from api.cli._app import app

__all__ = ["app", "main"]

for _name in sorted(found.name for found in iter_modules(__path__) if not found.name.startswith("_")):
    import_module(f"{__name__}.{_name}")


def main() -> None:
    """The `clew` command. What is logged goes to standard error, and only errors do; `clew serve` sets up its own."""
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    app()
