"""Dead letters driven again: by a retry of the run that failed with them, or from the checkpoint before they failed."""

from __future__ import annotations

from functools import partial

from engine import travel
from engine.dead_letters import DeadLetter, is_retry, is_success
from engine.driver.loop import Loop
from engine.driver.pages import Line
from engine.driver.travel import Travel
from engine.driver.turn import Live, Turn
from engine.errors import Conflict, NotFound
from engine.lines import line_to
from engine.model import Ref, RunHead, seq_of
from engine.record import decode
from engine.run import Run
from engine.travel import Wish

PAGE = 100
SUCCEEDED = "dead_letter.succeeded"


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
        while True:
            letter = await self.find(letter_id)
            head = await self.store.run(letter.run_id)
            if head is None:
                raise NotFound(f"there is no run '{letter.run_id}'")
            past, done = await self._read(letter, head)
            again = partial(self._drive, letter=letter, past=past, done=done, newest=head.head, actor=actor)
            if await self.loop.on_run(letter.run_id, again):
                return await self.find(letter_id)

    async def _read(self, letter: DeadLetter, head: RunHead) -> tuple[Run, int | None]:
        """The run as it was before the task failed, and the commit with which it has succeeded since on the current
        line."""
        (failed,) = await self.store.commits(letter.run_key, letter.seq, letter.seq)
        assert failed.parent is not None  # a run begins with another commit
        begun, before, done = seq_of(failed.parent), seq_of(head.head) + 1, None
        line = Line(self.store, head, line_to(await self.travel.loader.turns(head.key), seq_of(head.head)))
        while done is None and (rows := await line.page(before, PAGE, letter.node)):
            later = (row for row in rows if row.seq > begun)
            done = next((row.seq for row in later if is_success(decode(row), decode(failed))), None)
            before = rows[-1].seq if rows[-1].seq > begun else 0
        return await self.travel.loader.at(head, begun), done

    def _drive(
        self, turn: Turn, live: Live, *, letter: DeadLetter, past: Run, done: int | None, newest: Ref, actor: str
    ) -> bool:
        """Have it done again; False where the run has gone on since it was read."""
        retried = is_retry(live.run, letter)
        if live.run.head != newest:
            return False
        if done is not None:
            where = f"checkpoint {live.run.id}.{done}"
            raise Conflict(f"the task has succeeded since, at {where}; nothing is to be done again", SUCCEEDED)
        if retried:
            self.travel.again(turn, live, {}, actor)
        else:
            to = travel.moved(live.run, past, live.run.last_branch + 1)
            self.travel.move(turn, live, to, travel.replay(to, Wish(), turn.now, actor))
        turn.batch.redriven.append((letter.id, turn.now))
        return True
