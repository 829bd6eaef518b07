"""When a worker is left alone, and for how long."""

from __future__ import annotations

from dispatch._circuit import CLOSED, Circuit, Stage, failed, probing, rested


def opened() -> Circuit:
    """A circuit that three failures have opened."""
    return failed(failed(failed(CLOSED, probe=False), probe=False), probe=False)


def test_it_opens_at_the_third_failure_in_a_row():
    once = failed(CLOSED, probe=False)
    twice = failed(once, probe=False)
    thrice = failed(twice, probe=False)
    assert [once.stage, twice.stage, thrice.stage] == [Stage.CLOSED, Stage.CLOSED, Stage.OPEN]
    assert thrice.delay_s == 5


def test_what_was_under_way_when_it_opened_changes_nothing():
    circuit = opened()
    assert failed(circuit, probe=False) == circuit
    assert failed(rested(circuit), probe=False).stage is Stage.HALF_OPEN


def test_a_failed_probe_doubles_the_delay_up_to_a_minute():
    circuit = opened()
    delays = []
    for _ in range(6):
        circuit = failed(probing(rested(circuit)), probe=True)
        delays.append(circuit.delay_s)
    assert delays == [10, 20, 40, 60, 60, 60]
    assert circuit.stage is Stage.OPEN


def test_after_its_delay_it_lets_one_probe_through():
    circuit = rested(opened())
    assert circuit.stage is Stage.HALF_OPEN
    assert probing(circuit).stage is Stage.OPEN
