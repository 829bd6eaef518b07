"""Options that say what a run is begun with, beside its input: labels, who is told of it, where it stops."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli._runs import settings_of
from engine.values import dataclass

Webhook = Annotated[
    str | None, typer.Option(metavar="URL", help="Is told, by a signed POST, when the run ends or waits.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Options of a command that starts a run."""

    tags: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag. Repeatable.")] = None
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", metavar="KEY=VALUE", help="JSON, or else text. Repeatable.")
    ] = None
    webhook: Webhook = None
    break_before: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE", help="Stop before this node (or part/draft). Repeatable."),
    ] = None
    break_after: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE", help="Stop after this node (or part/draft). Repeatable."),
    ] = None
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Idempotency-Key: asked again with it, the same run is answered.")
    ] = None

    def body(self) -> dict[str, Any]:
        """What these options say in the body of a request."""
        said = {
            "tags": self.tags,
            "metadata": settings_of(self.metadata or [], None, "--metadata"),
            "webhook": self.webhook,
            "interrupt_before": self.break_before,
            "interrupt_after": self.break_after,
        }
        return {name: value for name, value in said.items() if value}

    def headers(self) -> dict[str, str]:
        """What they say in its headers."""
        return {} if self.key is None else {"Idempotency-Key": self.key}
