"""Who is told of a run in all that it comes to: they come and go while it is there."""

from __future__ import annotations

from engine.driver.loop import Loop
from engine.driver.turn import Live, Turn
from engine.errors import Conflict
from engine.model import Push, RunId
from engine.values import replace

MOST = 20
"""A run has so many at most."""


class Pushes:
    """Adds them and takes them away, each in a transaction."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop

    async def add(self, run_id: RunId, push: Push) -> None:
        """Have somebody told of a run from now on, in the place of whoever has the same id; what the one before was not
        told yet, this one is. Durable on return. Raises NotFound, or Conflict where there are too many or the run is
        held."""

        def act(turn: Turn, live: Live) -> None:
            self.require_room(live, push)
            self.put(turn, live, push)

        await self.loop.on_run(run_id, act)

    async def remove(self, run_id: RunId, push_id: str) -> None:
        """Have somebody told nothing any more. Idempotent; durable on return. Raises NotFound, or Conflict where the
        run is held."""

        def act(turn: Turn, live: Live) -> None:
            kept = tuple(one for one in live.head.pushes if one.id != push_id)
            if len(kept) < len(live.head.pushes):
                _write(turn, live, kept)

        await self.loop.on_run(run_id, act)

    def require_room(self, live: Live, push: Push | None) -> None:
        """Raises Conflict where a run cannot have one more."""
        known = {one.id for one in live.head.pushes}
        if push is not None and push.id not in known and len(known) >= MOST:
            raise Conflict(f"the run has {MOST} pushes, and can have no more: delete one", "push.too_many")

    def put(self, turn: Turn, live: Live, push: Push) -> None:
        """Add somebody in a turn, as what is planned in it after that is told them too."""
        others = tuple(one for one in live.head.pushes if one.id != push.id)
        _write(turn, live, (*others, push))


def _write(turn: Turn, live: Live, pushes: tuple[Push, ...]) -> None:
    turn.touch(live)
    live.head = replace(live.head, pushes=pushes)
    turn.batch.pushes[live.run.key] = (pushes, turn.now)
    places = {push.id: push.url for push in pushes}
    known = [one for one in turn.batch.notices if one.run_key != live.run.key or not one.push or one.push in places]
    turn.batch.notices = [
        replace(one, url=places[one.push]) if one.run_key == live.run.key and one.push else one for one in known
    ]
