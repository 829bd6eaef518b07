"""The command line: each public module here holds a group of commands, and is found by its name."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from api.cli._app import PARTS, app

__all__ = ["app", "main"]

import_module(f"{__name__}._runs")  # in the help, runs stand before what comes of them
for _name in sorted(found.name for found in iter_modules(__path__) if not found.name.startswith("_")):
    import_module(f"{__name__}.{_name}")
app.registered_commands.sort(key=lambda found: [*PARTS, found.rich_help_panel].index(found.rich_help_panel))


def main() -> None:
    """The `clew` command."""
    app()
