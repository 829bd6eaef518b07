"""`python -m tests.simulation --seeds N`: plays N seeds, then every order of every small graph, and says what occurred.

A seed that fails is shown with how to play it alone, then made smaller and shown as a document and a trace.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field

import structlog

from tests.simulation import exhaustive
from tests.simulation.shrink import shrink
from tests.simulation.trace import trace
from tests.simulation.trial import Case, Failed, Trial, case_of

CHUNK = 50
NEEDED = ("parallel", "loops", "send", "retries", "error edges", "crashes")
ALSO = (
    "each",
    "goto",
    "generations",
    "defer",
    "joins",
    "forks",
    "edits",
    "interrupts",
    "failures",
    "snapshots",
    "breakpoints",
    "questions",
    "expiry",
    "moves",
    "turns",
    "rooms",
    "turns for rooms",
    "rings",
    "strangers",
    "sessions",
    "sessions over versions",
    "forks of sessions",
    "stops",
)
TRAVELS = ("goto of forks", "replays", "checkouts", "reuse", "versions", "run retries", "raised limits")
FLOOR = 0.10


@dataclass
class Tally:
    """What a number of seeds gave."""

    seeds: int = 0
    runs: int = 0
    features: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.seeds += other.seeds
        self.runs += other.runs
        self.features.update(other.features)
        self.failed += other.failed

    def share(self, feature: str) -> float:
        return self.features[feature] / self.seeds if self.seeds else 0.0


def play(seeds: range) -> Tally:
    """Play some seeds."""
    tally = Tally()
    for seed in seeds:
        trial = Trial(case_of(seed))
        try:
            trial.check()
        except Failed as failed:
            tally.failed.append((seed, failed.message))
        tally.seeds += 1
        tally.runs += trial.runs
        tally.features.update(trial.features)
    return tally


def main(arguments: list[str] | None = None) -> int:
    """The command; 0 when everything held and occurred often enough."""
    options = _options().parse_args(arguments)
    if options.seed is not None:
        return _one(options.seed)
    began = time.perf_counter()
    tally = _play_all(options)
    seconds = time.perf_counter() - began
    small = exhaustive.check_all(options.jobs, options.graphs, _said(options.json)) if options.graphs else None
    missing = [name for name in NEEDED if tally.share(name) < FLOOR]
    if options.json:
        found = {"seeds": tally.seeds, "runs": tally.runs, "seconds": round(seconds, 1), "failed": tally.failed}
        shares = {name: round(tally.share(name), 3) for name in (*NEEDED, *ALSO, *TRAVELS)}
        print(json.dumps({**found, "shares": shares, "small_graphs": small and small.as_json()}))
    else:
        _tell(tally, seconds, missing)
        _tell_small(small)
    for seed, _ in tally.failed[:3]:
        print(f"\nalone: python -m tests.simulation --seed {seed}")
        _one(seed)
    return 1 if tally.failed or missing or (small is not None and small.failed) else 0


def _hush() -> None:
    """Have nothing logged: runs fail here on purpose."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20_000, help="how many seeds to play (default 20000)")
    parser.add_argument("--start", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    parser.add_argument("--seed", type=int, help="play this seed alone; where it fails, make it smaller")
    parser.add_argument("--graphs", type=int, default=4, help="nodes of the small graphs to exhaust (0: none)")
    parser.add_argument("--json", action="store_true", help="print one object at the end, and no progress")
    return parser


def _said(quiet: bool) -> exhaustive.Told:
    return (lambda text: None) if quiet else _progress


def _progress(text: str) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    print(text.ljust(70), end=end, file=sys.stderr, flush=True)


def _chunks(options: argparse.Namespace) -> Iterator[range]:
    last = options.start + options.seeds
    for first in range(options.start, last, CHUNK):
        yield range(first, min(first + CHUNK, last))


def _play_all(options: argparse.Namespace) -> Tally:
    tally, said, shown = Tally(), _said(options.json), time.perf_counter()
    with ProcessPoolExecutor(options.jobs, initializer=_hush) as pool:
        for done in as_completed([pool.submit(play, chunk) for chunk in _chunks(options)]):
            tally.add(done.result())
            if time.perf_counter() - shown > 5 or tally.failed:
                said(f"{tally.seeds} of {options.seeds} seeds, {tally.runs} runs, {len(tally.failed)} failed")
                shown = time.perf_counter()
            if tally.failed:
                pool.shutdown(cancel_futures=True)
                break
    return tally


def _tell(tally: Tally, seconds: float, missing: list[str]) -> None:
    print(f"{tally.seeds} seeds, {tally.runs} runs in {seconds:.0f} s: {tally.runs / seconds:.0f} runs/s")
    print(
        "share of the seeds with " + ", ".join(f"{name} {tally.share(name):.0%}" for name in (*NEEDED, *ALSO, *TRAVELS))
    )
    for name in missing:
        print(f"too few seeds with {name}: {tally.share(name):.1%}, at least {FLOOR:.0%} are needed")
    print(f"{len(tally.failed)} seeds failed" if tally.failed else "no violation")


def _tell_small(small: exhaustive.Count | None) -> None:
    if small is not None:
        print(f"{small.graphs} small graphs in every order of their answers: {small.runs} runs")
        for shape, message in small.failed[:3]:
            print(f"{shape}: {message}")


def _one(seed: int) -> int:
    """Play one seed, and where it fails make it smaller."""
    _hush()
    case = case_of(seed)
    try:
        Trial(case).check()
    except Failed as failed:
        print(f"seed {seed}: {failed.message}\n\nmaking it smaller:")
        smaller, how = shrink(case, failed, lambda text: print(f"  {text}"))
        _show(smaller, how)
        return 1
    print(f"seed {seed}: no violation")
    return 0


def _show(case: Case, failed: Failed) -> None:
    print(f"\nthe smallest case found, input {json.dumps(case.given)}:")
    for name in ("config", "edges"):
        print(f"{name}: {json.dumps(case.document[name])}")
    for part in ("state_schema", "nodes"):
        print("\n".join(f"{part}/{name}: {json.dumps(found)}" for name, found in case.document[part].items()))
    print(failed.message)
    if failed.world is not None:
        print("\n".join(trace(failed.world)))


if __name__ == "__main__":
    sys.exit(main())
