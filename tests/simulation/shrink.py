"""Makes a failing case smaller while it keeps failing: fewer nodes, edges, keys, fields and items of input."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tests.simulation.documents import is_valid
from tests.simulation.trial import Case, Failed, Trial
from tests.simulation.variants import smaller_documents

MOST_TRIALS = 1500
NAMED = re.compile(r"'[^']*'|[0-9]+|[\[{(].*")

Document = Mapping[str, Any]


def failure_of(case: Case) -> Failed | None:
    """How a case fails, if it does."""
    try:
        Trial(case).check()
    except Failed as failed:
        return failed
    return None


def kind_of(failed: Failed) -> str:
    """What failures of one sort share: their words, without names, numbers and values."""
    last = failed.message.strip().splitlines()[-1]
    if last.startswith("verify: "):
        last = last.split(": ")[2].split(";")[0]
    return NAMED.sub("", last)[:24]


def shrink(case: Case, failed: Failed, told: Callable[[str], None]) -> tuple[Case, Failed]:
    """The smallest case found that fails in the same way."""
    kind, trials = kind_of(failed), 0
    smaller = True
    while smaller and trials < MOST_TRIALS:
        smaller = False
        for candidate in _smaller(case):
            trials += 1
            found = failure_of(candidate) if is_valid(dict(candidate.document)) else None
            if found is not None and kind_of(found) == kind:
                case, failed, smaller = candidate, found, True
                told(f"{len(case.document['nodes'])} nodes, {len(case.document['edges'])} edges")
                break
            if trials >= MOST_TRIALS:
                break
    return case, failed


def _smaller(case: Case) -> Iterator[Case]:
    for document in smaller_documents(case.document):
        yield Case(case.seed, document, {key: v for key, v in case.given.items() if key in document["state_schema"]})
    for key in case.given:
        yield replace(case, given={name: value for name, value in case.given.items() if name != key})
