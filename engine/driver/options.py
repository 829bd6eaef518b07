"""How the engine works on the event loop."""

from __future__ import annotations

from engine.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Times in milliseconds. `turn_ms` is how long it plans before it lets others have the loop, `guest_ms` how long
    while a call is being answered, `answer_ms` how long it goes on once it has done what somebody asked. `max_rows`
    bounds a transaction, `note_ms` is how long a note that nobody waits for may wait for company, `keep_idle` is how
    many idle runs stay in memory, `retry_store_ms` the pause after a failed commit. As long as `max_runs` runs are
    running, no other one begins. An output of more than `max_inline_bytes` bytes becomes an artifact."""

    turn_ms: float = 5.0
    guest_ms: float = 2.0
    answer_ms: float = 1.0
    max_rows: int = 2000
    note_ms: float = 25.0
    keep_idle: int = 256
    retry_store_ms: int = 1000
    max_runs: int | None = None
    max_inline_bytes: int = 256 * 1024
