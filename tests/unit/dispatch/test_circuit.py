"""When a worker is left alone, and for how long."""

from __future__ import annotations

from dispatch._circuit import CLOSED, Stage, failed, probing, rested


def test_it_opens_at_the_third_failure_in_a_row():
    once = failed(CLOSED, connected=True, probe=False)
    twice = failed(once, connected=True, probe=False)
    thrice = failed(twice, connected=True, probe=False)
    assert [once.stage, twice.stage, thrice.stage] == [Stage.CLOSED, Stage.CLOSED, Stage.OPEN]
    assert thrice.delay_s == 5


def test_it_opens_at_once_when_no_connection_can_be_made():
    circuit = failed(CLOSED, connected=False, probe=False)
    assert (circuit.stage, circuit.delay_s) == (Stage.OPEN, 1)


def test_what_was_under_way_when_it_opened_changes_nothing():
    circuit = failed(CLOSED, connected=False, probe=False)
    assert failed(circuit, connected=False, probe=False) == circuit
    assert failed(rested(circuit), connected=True, probe=False).stage is Stage.HALF_OPEN


def test_a_failed_probe_doubles_the_delay_up_to_a_minute():
    circuit = failed(CLOSED, connected=False, probe=False)
    delays = []
    for _ in range(8):
        circuit = failed(probing(rested(circuit)), connected=False, probe=True)
        delays.append(circuit.delay_s)
    assert delays == [2, 4, 8, 16, 32, 60, 60, 60]
    assert circuit.stage is Stage.OPEN


def test_after_its_delay_it_lets_one_probe_through():
    circuit = rested(failed(CLOSED, connected=False, probe=False))
    assert circuit.stage is Stage.HALF_OPEN
    assert probing(circuit).stage is Stage.OPEN
