"""The simulation finds wrong engines, and shows them with a small workflow."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, Mutant, never_wait
from tests.simulation.shrink import shrink
from tests.simulation.trial import Case, Failed, Trial, case_of

MOST_SEEDS = 500


def first_failure(mutant: Mutant) -> tuple[Case, Failed] | None:
    """The first case that a wrong engine does not play right."""
    for seed in range(MOST_SEEDS):
        case = case_of(seed)
        try:
            with mutant():
                Trial(case).check()
        except Failed as failed:
            return case, failed
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_wrong_engine_is_found(mutant: Mutant) -> None:
    assert first_failure(mutant) is not None


def test_a_failing_workflow_is_made_smaller() -> None:
    found = first_failure(never_wait)
    assert found is not None

    with never_wait():
        case, _ = shrink(*found, lambda text: None)

    assert len(case.document["nodes"]) <= 3
