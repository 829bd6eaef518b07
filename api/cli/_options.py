"""Options that several commands share: a group of them is a dataclass, and one parameter of each command."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Annotated, Any

import typer

from api.cli._moments import HOW

PAGE = 1000
Limit = Annotated[int, typer.Option(min=1, max=PAGE, metavar="N", help="How many.")]
Cursor = Annotated[
    str | None, typer.Option(metavar="CURSOR", help="The next page, as the page before names it.", show_default=False)
]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help=f"Runs created after this moment: {HOW}")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Runs created before this moment.")]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of each dataclass among its parameters as options of its own."""
    signature = inspect.signature(command, eval_str=True)
    annotations = {name: found.annotation for name, found in signature.parameters.items()}
    groups = {name: kind for name, kind in annotations.items() if isinstance(kind, type) and is_dataclass(kind)}
    options = {name: inspect.signature(group, eval_str=True).parameters for name, group in groups.items()}
    plain = [found for name, found in signature.parameters.items() if name not in groups]
    fields = [field for shared in options.values() for field in shared.values()]

    @functools.wraps(command)
    def called(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field: given.pop(field) for field in options[name]})
        command(**given)

    parameters = [found.replace(kind=inspect.Parameter.KEYWORD_ONLY) for found in (*plain, *fields)]
    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # what typer reads
    called.__annotations__ = {found.name: found.annotation for found in parameters}
    return called
