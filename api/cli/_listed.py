"""How lists and single things are written: lines for people, or JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

import typer

from api.cli._reach import Where
from api.cli._shown import write_json

Line = Callable[[Any], str]


def path_to(*parts: str) -> str:
    """A path below `/v1` of these parts."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def show_page(page: Any, line: Line, nothing: str, where: Where) -> None:
    """A page of a list, a line for each item."""
    if where.as_json:
        return write_json(page)
    typer.echo("\n".join(map(line, page["items"])) or nothing)
    if page["next_cursor"]:
        typer.echo(f"more: --cursor {page['next_cursor']}", err=True)
    return None


def show_lines(shape: Any, lines: Iterable[str], where: Where) -> None:
    """One thing, in some lines."""
    if where.as_json:
        return write_json(shape)
    typer.echo("\n".join(lines))
    return None
