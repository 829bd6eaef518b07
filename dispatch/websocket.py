"""The `websocket` protocol: workers dial in, register, and get tasks as frames over the connection that they opened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

import structlog

from dispatch._beats import DRAINING
from dispatch._envelope import Envelope
from dispatch._inbox import Receipt
from dispatch._transport import Tools, Transport, refused
from dispatch._ws_desk import (
    MAX_SENDS,
    REMOVED,
    REPLACED,
    SENT_AWAY,
    Action,
    Away,
    Close,
    Desk,
    Lost,
    Send,
    Settle,
    Take,
    Times,
)
from dispatch._ws_frames import Acknowledge, Feedback, Heartbeat, Held, Leave, Register, Result
from dispatch._ws_line import Channel, Line
from dispatch._ws_taking import Taking
from dispatch._ws_talk import ENDING, Registry, Terms, talk
from engine.codec import MAX_DEPTH
from engine.errors import StoreUnavailable
from engine.model import TaskId
from engine.outbox import Reply, Unreachable
from engine.ports import WorkerRow

ADDRESSED = False
"""Workers have no address: they come to the server."""
AT_A_TIME = 256
"""So many of the tasks that a worker holds are looked up at a time."""

log = structlog.get_logger(__name__)


def open_transport(tools: Tools) -> Websocket:
    return Websocket(tools)


def check_address(address: str) -> str | None:
    """What is wrong with an address: that there is one."""
    return "a websocket worker dials in and has no address: leave `url` out"


class Seat:
    """A desk with what belongs to it in this process: the connection, who waits for a delivery, and the next tick."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.line: Line | None = None
        self.replies: dict[str, asyncio.Future[Reply]] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.tick_at = 0
        self.leaving = False


class Websocket(Transport):
    """Delivers to workers that are connected. What they send is acknowledged when the inbox has it."""

    correlates = True

    def __init__(self, tools: Tools, times: Times | None = None) -> None:
        self._presence, self._inbox = tools.presence, tools.inbox
        self._times = times or Times()
        self.ack_ms = MAX_SENDS * self._times.ack
        self._taking = Taking(tools.inbox)
        self._seats: dict[str, Seat] = {}
        self._lines: dict[Line, Seat] = {}
        self._drained: set[str] = set()
        self._closed = False

    # ---- what the outbox asks

    async def deliver(self, worker: WorkerRow, task: Envelope, timeout_s: float) -> Reply:
        """Accepted when the worker has acknowledged the task. A connection that breaks before is waited for: over the
        next one it is sent again, under the same id."""
        seat = self._seats.get(worker.id)
        line = None if seat is None else seat.line
        if seat is None or line is None:
            return Unreachable(message="the worker has no connection")
        await line.room()
        if seat.line is not line or line.farewell is not None or seat.leaving:
            return Unreachable(message="the connection of the worker was ended")
        dispatch_id = f"{task.task_id}.{task.attempt}"
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        seat.replies[dispatch_id] = waiting
        self._do(seat, seat.desk.dispatch(task, dispatch_id, _now()))
        try:
            return await waiting
        finally:
            if seat.replies.get(dispatch_id) is waiting:
                del seat.replies[dispatch_id]
                seat.desk.abandon(dispatch_id)

    async def cancel(self, worker: WorkerRow, task_id: TaskId, message_id: str) -> None:
        """Send it `cancel`; one that is away is told when it dials again and still holds the task."""
        if (seat := self._seats.get(worker.id)) is not None:
            self._do(seat, seat.desk.cancel(task_id))

    async def rebind(self, worker: WorkerRow, task_id: TaskId, message_id: str) -> None:
        """Send it `rebind`, or `cancel` where it does not know that."""
        if (seat := self._seats.get(worker.id)) is not None:
            self._do(seat, seat.desk.rebind(task_id))

    def serve(self, workers: Sequence[WorkerRow]) -> None:
        """Workers without a connection are away; the connection of one that was removed is ended, for good where it was
        drained before. One that is drained, or gets tasks again, is told."""
        known = {worker.id for worker in workers}
        drained, self._drained = self._drained, {worker.id for worker in workers if worker.status == DRAINING}
        for worker_id in (drained ^ self._drained) & known & self._seats.keys():
            seat = self._seats[worker_id]
            self._do(seat, seat.desk.drain(draining=worker_id in self._drained))
        for worker_id in known - self._seats.keys():
            self._seat(worker_id)
            self._presence.set(worker_id, False)
        for worker_id in self._seats.keys() - known:
            self._forget(worker_id, SENT_AWAY if worker_id in drained else REMOVED)

    async def close(self) -> None:
        """End all connections and give up what is under way; idempotent."""
        self._closed = True
        for seat in self._seats.values():
            self._quiet(seat)
            if seat.line is not None:
                seat.line.close(ENDING, "the server ends")
        await self._taking.close()

    # ---- connections

    async def talk(
        self, channel: Channel, registry: Registry, ending: asyncio.Event, max_depth: int = MAX_DEPTH
    ) -> None:
        """Serve a connection until it is over, or the server is to end."""
        terms = Terms(registry=registry, ending=ending, times=self._times, max_depth=max_depth)
        await talk(channel, self, terms)

    async def unwanted(self, holding: Sequence[Held]) -> list[str]:
        """What of the tasks that a worker holds nobody wants any more. A store that is away wants all of them."""
        found: list[str] = []
        for place in range(0, len(holding), AT_A_TIME):
            part = holding[place : place + AT_A_TIME]
            wanted = await asyncio.gather(*(self._wanted(each.corr) for each in part))
            found += [each.task_id for each, is_wanted in zip(part, wanted, strict=True) if not is_wanted]
        return found

    async def _wanted(self, corr: str) -> bool:
        try:
            return (await self._inbox.heartbeat(corr)).wanted
        except StoreUnavailable:
            return True

    def join(self, line: Line, frame: Register, drop: Iterable[str]) -> bool:
        """Have a worker that is registered here; a connection that it had is ended."""
        if line.farewell is not None or self._closed:
            return False
        seat = self._seat(frame.id)
        if seat.line is not None:
            log.info("websocket.replaced", worker_id=frame.id)
            self._lines.pop(seat.line, None)
            seat.line.close(REPLACED, "another connection came for this worker")
        seat.line, seat.leaving, line.written = line, False, partial(self._written, seat)
        self._lines[line] = seat
        self._do(seat, seat.desk.dialled(frame, drop, self._held(frame.id), _now()))
        if frame.id in self._drained:
            self._do(seat, seat.desk.drain(draining=True))
        self._wake(seat, seat.desk.due())
        log.info("websocket.here", worker_id=frame.id, holding=len(frame.holding))
        self._presence.set(frame.id, True)
        return True

    def leave(self, line: Line) -> None:
        """A connection is over. Where it was replaced, or its worker removed, nobody misses it."""
        if (seat := self._lines.pop(line, None)) is None:
            return
        seat.line = None
        seat.desk.gone(_now())
        self._wake(seat, seat.desk.due())
        code, reason = line.farewell or (0, "")
        log.info("websocket.away", worker_id=seat.desk.worker_id, code=code, reason=reason)
        self._presence.set(seat.desk.worker_id, False)

    async def heard(self, line: Line, frame: Heartbeat | Acknowledge | Feedback | Result | Leave | Register) -> None:
        """Take a frame, once there is room for what it asks. What comes on a connection that was replaced does not
        count: it is not acknowledged, and comes again on the other one."""
        await self._taking.room()
        if (seat := self._lines.get(line)) is not None and not self._closed:
            self._do(seat, seat.desk.receive(frame, _now()))

    # ---- carrying out

    def _do(self, seat: Seat, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Send | Close):
                if seat.line is not None:
                    _send(seat.line, action)
            elif isinstance(action, Settle):
                self._settle(seat, action)
            elif isinstance(action, Take):
                self._take(seat, action.frame)
            elif isinstance(action, Lost):
                self._lose(seat.desk.worker_id, action)
            else:
                self._send_away(seat, action)

    def _settle(self, seat: Seat, settle: Settle) -> None:
        if (waiting := seat.replies.pop(settle.dispatch_id, None)) is not None and not waiting.done():
            waiting.set_result(settle.reply)

    def _take(self, seat: Seat, frame: Result | Feedback) -> None:
        def done(receipt: Receipt) -> None:
            if isinstance(frame, Result):
                self._do(seat, seat.desk.receipt(frame, receipt))
            elif not receipt.wanted:
                self._do(seat, seat.desk.cancel(frame.corr.partition(".")[0]))

        self._taking.take(seat.desk.worker_id, frame, done)

    def _lose(self, worker_id: str, lost: Lost) -> None:
        for task_id in lost.tasks:
            self._presence.holdings.lose(worker_id, TaskId(task_id), lost.why)

    def _send_away(self, seat: Seat, away: Away) -> None:
        seat.leaving = True
        self._presence.set(seat.desk.worker_id, False, away.why)

    # ---- time

    def _written(self, seat: Seat, dispatch_id: str) -> None:
        now = _now()
        seat.desk.written(dispatch_id, now)
        self._wake(seat, now + self._times.ack)

    def _wake(self, seat: Seat, at: int | None) -> None:
        """Have a desk looked at again at a time, or earlier."""
        if at is None or self._closed or (seat.timer is not None and seat.tick_at <= at):
            return
        self._quiet(seat)
        seat.tick_at = at
        seat.timer = asyncio.get_running_loop().call_later(max(at - _now(), 0) / 1000, self._tick, seat)

    def _tick(self, seat: Seat) -> None:
        seat.timer = None
        self._do(seat, seat.desk.tick(_now(), lambda: self._held(seat.desk.worker_id)))
        self._wake(seat, seat.desk.due())

    def _quiet(self, seat: Seat) -> None:
        if seat.timer is not None:
            seat.timer.cancel()
            seat.timer = None

    def _held(self, worker_id: str) -> Iterable[str]:
        return self._presence.holdings.accepted_by(worker_id)

    # ---- who there is

    def _seat(self, worker_id: str) -> Seat:
        """The seat of a worker; one that is new is away."""
        if (seat := self._seats.get(worker_id)) is None:
            seat = self._seats[worker_id] = Seat(Desk(worker_id, self._times, gone_at=_now()))
            self._wake(seat, seat.desk.due())
        return seat

    def _forget(self, worker_id: str, code: int) -> None:
        """Let go of a worker that was removed; what it holds may still be answered when it dials again."""
        seat = self._seats.pop(worker_id)
        self._quiet(seat)
        if seat.line is not None:
            self._lines.pop(seat.line, None)
            seat.line.close(code, "the worker was removed" if code == REMOVED else "the worker was drained and removed")
        why = "the worker was removed before it acknowledged the task"
        for dispatch_id in tuple(seat.replies):
            self._settle(seat, Settle(dispatch_id, refused("worker.lost", why, retryable=True, transport=True)))
        self._presence.set(worker_id, True)


def _send(line: Line, action: Send | Close) -> None:
    if isinstance(action, Send):
        line.put(action.text, action.dispatch_id)
    else:
        line.close(action.code, action.reason)


def _now() -> int:
    """Milliseconds of a clock that does not go back."""
    return int(asyncio.get_running_loop().time() * 1000)
