"""Batches of commits beside a busy planner, as the store writes them and as it might: see `bench.commit_shapes`."""

from __future__ import annotations

import argparse

from bench.commit_shapes import SHAPES, measure
from bench.report import Section

COLUMNS = ("shape", "rows a batch", "rows/s", "batch p50, ms", "batch p99, ms", "others p99, ms")


async def shapes(quick: bool) -> list[Section]:
    """Every shape with batches of 8 and 64 rows, the first one (the store's own) also with 1 and 256."""
    given = argparse.Namespace(seconds=0.5 if quick else 2.0, plan_us=50.0, slow_ms=0.0)
    section = Section("batches beside a busy planner, 50 µs of planning a row", columns=COLUMNS)
    for place, name in enumerate(SHAPES):
        for size in (1, 8, 64, 256) if place == 0 else (8, 64):
            line = await measure(name, size, given)
            section.rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return [section]
