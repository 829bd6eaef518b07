"""How runs of sessions begin: after which one, in which place, and with what nobody else may change meanwhile."""

from __future__ import annotations

from engine import control, stopping
from engine.commits import Step
from engine.driver.loading import Loader, new_run
from engine.driver.loop import Loop
from engine.driver.turn import Live, Turn
from engine.errors import EngineError
from engine.model import RunHead, RunStatus, seq_of
from engine.ports import Expected
from engine.run import Run
from engine.served import Served
from engine.session import Last, OnBusy, Seat, Way, way_on
from engine.succession import start_after
from engine.values import dataclass, replace


def session_of(head: RunHead) -> str:
    """The session of a run that has one."""
    assert head.seat is not None
    return head.seat.session


class Moved(EngineError):
    """A run that was looked at has gone on since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """A run that is to begin: the one that began last, the last one of its workflow as it is stored, the place, and who
    has served the session."""

    last: RunHead | None
    before: RunHead | None
    stored: Run | None
    seat: Seat
    served: Served


class Beginnings:
    """Looks at sessions, and makes what begins in them."""

    def __init__(self, loop: Loop, loader: Loader) -> None:
        self.loop, self.loader, self.store = loop, loader, loader.store

    async def new(self, head: RunHead) -> Live:
        graph = await self.loader.graph(head.workflow_id, head.workflow_version)
        return Live(run=new_run(head, graph), head=head)

    async def joining(self, head: RunHead, session: str, last: RunHead | None) -> Joining:
        before = None if last is None else await self.store.last_run(session, head.workflow_id)
        known = before is None or self.loop.live(before.id) is not None
        stored = None if before is None or known else await self.loader.at(before, seq_of(before.head))
        seat = Seat(session=session, place=await self.store.next_place(session))
        return Joining(last=last, before=before, stored=stored, seat=seat, served=await self._served(session, last))

    async def _served(self, session: str, last: RunHead | None) -> Served:
        """Who has served a session: as the run knows that began last, where it is in memory."""
        if last is None:
            return Served()
        known = self.loop.live(last.id)
        return await self.loader.served_in(session) if known is None or known.served is None else known.served

    def standing(self, head: RunHead | None) -> Last | None:
        """How a run stands, as it is in memory where it is held there."""
        if head is None:
            return None
        live = self.loop.live(head.id)
        return Last(status=head.status if live is None else live.run.status, held=head.hold is not None)

    def shares(self, head: RunHead, last: RunHead | None) -> bool:
        """Whether a run has its concurrency key together with the one that was set aside for it."""
        if last is None or last.concurrency_key is None or last.concurrency_key != head.concurrency_key:
            return False
        return self.standing(last) == Last(status=RunStatus.INTERRUPTED)

    def way_on(self, head: RunHead | None, last: RunHead | None) -> Way:
        """What is done for the first of those that wait."""
        waits = None if head is None or head.seat is None else head.seat.waits
        return Way.WAIT if waits is None else way_on(waits, self.standing(last))

    def require_unmoved(self, joining: Joining, on_busy: OnBusy | None) -> None:
        """Raise Moved where the run that began last does not let another one begin any more."""
        if way_on(on_busy, self.standing(joining.last)) is not Way.BEGIN:
            raise Moved("the session is busy again")

    def first(self, joining: Joining, live: Live, now: int, actor: str) -> Step:
        """The first commit of a run. Raises Invalid, or Moved."""
        if joining.before is None:
            return control.start(live.run, now, actor)
        known = self.loop.live(joining.before.id)
        before = joining.stored if known is None else known.run
        if before is None:
            raise Moved("the run before is not in memory any more")
        return start_after(live.run, before, now, actor)

    def sit_down(self, turn: Turn, live: Live, joining: Joining, first: Step) -> None:
        """Give a run its place, and have nothing written unless the others stand as they do now. One that has stopped
        for its sake is free to go on, on a line of its own."""
        before, parent = joining.before, first.commit.parent
        parent_id = None if before is None else before.id
        live.head = replace(live.head, seat=joining.seat, parent=parent, parent_id=parent_id)
        live.served = joining.served
        turn.batch.sessions[joining.seat.session] = turn.now
        for head in filter(None, (joining.last, joining.before)):
            known = self.loop.live(head.id)
            version, epoch = (seq_of(head.head), head.epoch) if known is None else (known.run.seq, known.run.epoch)
            turn.batch.expected.setdefault(head.key, Expected(version=version, epoch=epoch))
            if known is not None and stopping.is_stopping(known.run):
                stopping.go_on(known.run)

    async def require_live(self, head: RunHead) -> Live:
        live = self.loop.live(head.id) or await self.loop.load(head)
        if live is None:
            raise Moved("the run is gone")
        return live
