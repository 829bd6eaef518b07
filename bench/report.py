"""Figures in tables, each with its target where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured value. `least` and `most` are targets; `note` says how it was measured or what it is made of."""

    name: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.least is None and self.most is None:
            return None
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def target(self) -> str:
        if self.least is not None:
            return f"≥ {number(self.least)}"
        return f"≤ {number(self.most)}" if self.most is not None else ""

    def as_json(self) -> dict[str, Any]:
        names = ("name", "value", "unit", "least", "most", "met", "note")
        return {name: found for name in names if (found := getattr(self, name)) not in (None, "")}


@dataclass
class Section:
    """A table of figures, or of rows as they are."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    columns: Sequence[str] = ()
    rows: list[Sequence[str]] = field(default_factory=list)

    def show(self, console: Console) -> None:
        table = Table(title=self.title, title_justify="left", title_style="bold")
        if self.rows:
            for place, column in enumerate(self.columns):
                numeric = all(row[place][:1] in "-0123456789" for row in self.rows)
                table.add_column(column, justify="right" if numeric else "left")
            for row in self.rows:
                table.add_row(*row)
        else:
            self._show_figures(table)
        console.print(table)
        console.print()

    def _show_figures(self, table: Table) -> None:
        for column in ("", "measured", "", "target", "", ""):
            table.add_column(column, justify="right" if column else "left")
        for figure in self.figures:
            style = None if figure.met is None else "green" if figure.met else "red"
            mark = "" if figure.met is None else "met" if figure.met else "missed"
            cells = (figure.name, number(figure.value), figure.unit, figure.target, mark, figure.note)
            table.add_row(*cells, style=style)

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"title": self.title}
        if self.figures:
            found["figures"] = [figure.as_json() for figure in self.figures]
        if self.rows:
            found["rows"] = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return found


def number(value: float) -> str:
    """A number with as many digits as are worth reading."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"
