"""A few seeds of the simulation; `python -m tests.simulation` plays as many as one likes."""

from __future__ import annotations

import pytest

from tests.simulation.__main__ import FLOOR, NEEDED, Tally, play

CHUNK, CHUNKS = 10, 16
FOUND = (
    5001213, 5003759, 5007970, 5009756, 5009820, 5011485, 5014655, 5015555, 5018644, 5026398, 5028474, 5033623, 5043173,
    5061942, 5081761, 5502351, 5520745, 5522222, 5643269, 5649763, 5662747, 5728212, 5776397,
)  # fmt: skip
"""Seeds that have found mistakes, as long as they lead to the same workflows."""
TALLIES: dict[int, Tally] = {}


def played(number: int) -> Tally:
    """The seeds of a chunk, played once."""
    if number not in TALLIES:
        TALLIES[number] = play(range(number * CHUNK, (number + 1) * CHUNK))
    return TALLIES[number]


@pytest.mark.xdist_group("simulation")
@pytest.mark.parametrize("number", range(CHUNKS))
def test_every_way_to_play_a_workflow_agrees(number: int) -> None:
    failed = played(number).failed

    assert not failed, "\n".join(f"python -m tests.simulation --seed {seed}: {message}" for seed, message in failed)


@pytest.mark.xdist_group("simulation")
def test_the_random_workflows_have_what_makes_runs_hard() -> None:
    tally = Tally()
    for number in range(CHUNKS):
        tally.add(played(number))

    shares = {name: tally.share(name) for name in NEEDED}

    assert all(share >= FLOOR for share in shares.values()), shares


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_once_stays_cured(seed: int) -> None:
    assert play(range(seed, seed + 1)).failed == []
