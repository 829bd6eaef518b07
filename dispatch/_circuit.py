"""The circuit breaker of one worker, as values: when it is asked, when it is left alone, and for how long.

Closed, it lets everything through. The third failure of the transport in a row opens it, whether a connection could not
be made or broke. Open, nothing passes until its delay is over; then it is half-open and lets one task
through. Such a probe starts the delay again, so that a worker that takes long gets one task per delay until one of them
tells how it is. A failed probe doubles the delay, an answer to any task closes the circuit. Time is the caller's: it
says `rested` when the delay is over.
"""

from __future__ import annotations

from enum import StrEnum

from engine.values import dataclass, replace

THRESHOLD = 3
"""Failures of the transport in a row that open the circuit."""
FIRST_S, LONGEST_S = 5.0, 60.0
"""The first delay, and the longest: seconds."""


class Stage(StrEnum):
    """What a circuit lets through: all, nothing, or one task."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """`failures` counts those in a row; while the stage is OPEN, the circuit rests for `delay_s` seconds."""

    stage: Stage = Stage.CLOSED
    failures: int = 0
    delay_s: float = 0.0


CLOSED = Circuit()


def failed(circuit: Circuit, *, probe: bool) -> Circuit:
    """A delivery failed in transport.

    Only the `probe` says anything new about an open circuit: what was under way before tells what is known.
    """
    if circuit.stage is not Stage.CLOSED:
        return replace(circuit, stage=Stage.OPEN, delay_s=min(circuit.delay_s * 2, LONGEST_S)) if probe else circuit
    failures = circuit.failures + 1
    if failures < THRESHOLD:
        return replace(circuit, failures=failures)
    return Circuit(stage=Stage.OPEN, failures=failures, delay_s=FIRST_S)


def rested(circuit: Circuit) -> Circuit:
    """The delay of an open circuit is over."""
    return replace(circuit, stage=Stage.HALF_OPEN)


def probing(circuit: Circuit) -> Circuit:
    """A half-open circuit lets a task through."""
    return replace(circuit, stage=Stage.OPEN)
