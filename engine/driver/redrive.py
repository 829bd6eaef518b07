"""Dead letters driven again: by a retry of the run that failed with them, or from the checkpoint before they failed."""

from __future__ import annotations

from engine import travel
from engine.dead_letters import DeadLetter, is_retry
from engine.driver.loop import Loop
from engine.driver.travel import Travel
from engine.driver.turn import Live, Turn
from engine.errors import NotFound
from engine.model import seq_of
from engine.travel import Wish


class Redrive:
    """Has failed tasks done again. What is written down says so in the same transaction."""

    def __init__(self, loop: Loop, travel: Travel) -> None:
        self.loop, self.travel = loop, travel
        self.store = travel.store

    async def find(self, letter_id: str) -> DeadLetter:
        """Raises NotFound."""
        letter = await self.store.dead_letter(letter_id)
        if letter is None:
            raise NotFound(f"there is no dead letter '{letter_id[:80]}'")
        return letter

    async def redrive(self, letter_id: str, actor: str = "api") -> DeadLetter:
        """Have a failed task done again, with what else failed with it. Raises NotFound or Conflict."""
        letter = await self.find(letter_id)
        head = await self.store.run(letter.run_id)
        if head is None:
            raise NotFound(f"there is no run '{letter.run_id}'")
        (failed,) = await self.store.commits(letter.run_key, letter.seq, letter.seq)
        assert failed.parent is not None  # a run begins with another commit
        past = await self.travel.loader.at(head, seq_of(failed.parent))

        def act(turn: Turn, live: Live) -> None:
            if is_retry(live.run, letter):
                self.travel.delivery.take(turn, live, travel.retry(live.run, {}, turn.now, actor))
                self.travel.delivery.go_on(turn, live)
            else:
                to = travel.moved(live.run, past, live.run.last_branch + 1)
                self.travel.move(turn, live, to, travel.replay(to, Wish(), turn.now, actor))
            turn.batch.redriven.append((letter.id, turn.now))

        await self.loop.on_run(letter.run_id, act)
        return await self.find(letter_id)
