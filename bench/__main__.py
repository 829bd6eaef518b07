"""What Clew does on this machine: `python -m bench`, or `make bench`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import uvloop
from rich.console import Console

from bench import against, agents, batches, beside, budget, load, machine, rest, scale, transports, travel
from bench.report import Section

PARTS: Mapping[str, Callable[[bool], Awaitable[list[Section]]]] = {
    "budget": budget.measure,
    "batches": batches.shapes,
    "rates": rest.rates,
    "appended": rest.appended,
    "transports": transports.transports,
    "agents": agents.agents,
    "travel": travel.travel,
    "load": load.load,
    "scale": scale.scale,
    "against": against.against,
    "beside": beside.beside,
}


async def measure(names: list[str], quick: bool, console: Console) -> list[Section]:
    """Measure part by part; each is shown when it is done."""
    sections = [machine.describe()]
    sections[0].show(console)
    for name in names:
        for section in await PARTS[name](quick):
            section.show(console)
            sections.append(section)
    return sections


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a look, not a measurement")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="one part; may be given several times")
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    given = parser.parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 132)
    sections = uvloop.run(measure(given.only or list(PARTS), given.quick, console))
    if given.json:
        given.json.write_text(json.dumps([section.as_json() for section in sections], indent=2) + "\n")
    missed = [figure.name for section in sections for figure in section.figures if figure.met is False]
    if missed:
        console.print(f"missed: {', '.join(missed)}", style="red")
    return 1 if missed and given.strict else 0


if __name__ == "__main__":
    sys.exit(main())
