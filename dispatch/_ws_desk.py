"""What the server and one worker owe each other over its sockets: frames and times in, actions out.

Nothing here waits, reads a clock or writes to a socket: the transport does, and carries out what it is told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from typing import assert_never

from dispatch._beats import DRAINS
from dispatch._envelope import Envelope
from dispatch._inbox import Receipt
from dispatch._transport import refused
from dispatch._ws_frames import (
    DRAIN,
    REBIND,
    Acknowledge,
    Feedback,
    Heartbeat,
    Leave,
    Register,
    Result,
    acknowledged,
    cancelled,
    dispatched,
    drained,
    fault,
    rebound,
    registered,
)
from engine.outbox import Accepted, Reply
from engine.values import dataclass

MAX_SENDS = 3
"""So often a dispatch is sent on one connection before the worker is given up on."""
MISSED = 3
"""After so many heartbeats missed a connection is dropped."""
MAX_REMEMBERED = 1000
"""So many answers are remembered with what became of them, for workers that send them again."""

LEFT, REFUSED, SILENT, REPLACED, REMOVED, SENT_AWAY = 4400, 4403, 4408, 4409, 4410, 4411
"""Close codes: it did not register, it may not be registered, it does not do its part in time, another connection came
for the same worker, it was removed from the registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long things take, in milliseconds: between heartbeats, until a dispatch is acknowledged, until a frame has to
    have been read, until the worker has to have registered, until what it holds is given back because it is away, and
    until what it did not list when it came back is (an answer to that may be under way)."""

    heartbeat: int = 10_000
    ack: int = 10_000
    send: int = 20_000
    register: int = 10_000
    away: int = 60_000
    unlisted: int = 1_000


@dataclass(frozen=True, slots=True)
class Send:
    """Write a frame; it brings a task where it has the id of a dispatch."""

    text: str
    dispatch_id: str | None = None


@dataclass(frozen=True, slots=True)
class Settle:
    """A delivery is over."""

    dispatch_id: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Take:
    """Have what a worker sent written down."""

    frame: Result | Feedback


@dataclass(frozen=True, slots=True)
class Away:
    """The worker is to be left alone; `why` where it has said so itself."""

    why: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """These tasks, where the worker held them, have to be given back."""

    tasks: frozenset[str]
    why: str


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection."""

    code: int
    reason: str


Action = Send | Settle | Take | Away | Lost | Close


@dataclass(slots=True)
class Sent:
    """A dispatch that is not acknowledged. `due` is None until it is written; `end` is when it is given up without a
    connection."""

    corr: str
    task_id: str
    text: str
    end: int
    sends: int = 0
    due: int | None = None


@dataclass(slots=True)
class Desk:
    """One worker, over all its connections. Times are milliseconds of any clock that does not go back."""

    worker_id: str
    times: Times
    here: bool = False
    heard_at: int = 0
    gone_at: int | None = 0
    pending: dict[str, Sent] = field(default_factory=dict)
    corrs: dict[str, str] = field(default_factory=dict)
    taking: set[tuple[str, str]] = field(default_factory=set)
    taken: OrderedDict[str, tuple[str, Receipt]] = field(default_factory=OrderedDict)
    unlisted: tuple[int, frozenset[str]] | None = None
    name: str = "dispatch"
    features: frozenset[str] = frozenset()
    ending: bool = False

    # ---- what the server wants

    def dispatch(self, task: Envelope, dispatch_id: str, now: int) -> Sequence[Action]:
        """Bring a task to a worker that is here."""
        text = dispatched(task, dispatch_id, self.times.ack, self.name)
        end = now + MAX_SENDS * self.times.ack
        if self.unlisted is not None:
            self.unlisted = (self.unlisted[0], self.unlisted[1] - {task.task_id})
        self.pending[dispatch_id] = Sent(task.correlation_id, task.task_id, text, end)
        self.corrs[task.correlation_id] = dispatch_id
        self.taken.pop(task.correlation_id, None)  # an answer to this attempt is another one, even if it looks the same
        return (Send(text, dispatch_id),)

    def written(self, dispatch_id: str, now: int) -> None:
        """A dispatch went out: its acknowledgement is awaited from now on."""
        if (sent := self.pending.get(dispatch_id)) is not None:
            sent.sends, sent.due, sent.end = sent.sends + 1, now + self.times.ack, now + MAX_SENDS * self.times.ack

    def abandon(self, dispatch_id: str) -> None:
        """Nobody waits for an acknowledgement any more. Idempotent."""
        if (sent := self.pending.pop(dispatch_id, None)) is not None and self.corrs.get(sent.corr) == dispatch_id:
            del self.corrs[sent.corr]

    def cancel(self, task_id: str) -> Sequence[Action]:
        """Tell the worker that nobody wants the answer to a task, where it is here."""
        return (Send(cancelled(task_id)),) if self.here else ()

    def rebind(self, task_id: str) -> Sequence[Action]:
        """The same, since another worker gets the task: one that does not tell the two apart is told that."""
        return (Send(rebound(task_id)),) if self.here and REBIND in self.features else self.cancel(task_id)

    def drain(self, *, draining: bool) -> Sequence[Action]:
        """Tell a worker that it gets nothing more, or tasks again, where it is here and understands that."""
        return (Send(drained(draining=draining)),) if self.here and DRAIN in self.features else ()

    def receipt(self, frame: Result, receipt: Receipt) -> Sequence[Action]:
        """An answer is durable, or refused for good: the worker is told, on the connection that it has by now."""
        if frame.id is None:
            return ()
        self.taking.discard((frame.id, frame.corr))
        self.taken[frame.corr] = (frame.id, receipt)
        if len(self.taken) > MAX_REMEMBERED:
            self.taken.popitem(last=False)
        return (Send(acknowledged(frame.id, receipt)),) if self.here else ()

    # ---- connections

    def dialled(self, frame: Register, drop: Iterable[str], held: Iterable[str], now: int) -> Sequence[Action]:
        """The worker is here. `held` are the tasks that it has taken as far as the server knows; what is in the
        worker's list and was not acknowledged is acknowledged by that, what is not in it is sent again."""
        self.here, self.ending, self.heard_at, self.gone_at = True, False, now, None
        self.name, self.features = frame.dispatch_as, frozenset(frame.features)
        listed = {each.corr for each in frame.holding}
        missing = frozenset(held) - {each.task_id for each in frame.holding}
        self.unlisted = (now + self.times.unlisted, missing) if missing else None
        found: list[Action] = [Send(registered(self.worker_id, self.times.heartbeat, drop))]
        for dispatch_id, sent in tuple(self.pending.items()):
            sent.sends, sent.due = 0, None
            if sent.corr in listed:
                found += self._settle(dispatch_id, Accepted())
            else:
                found.append(Send(sent.text, dispatch_id))
        return found

    def gone(self, now: int) -> None:
        """The connection is over."""
        self.here, self.gone_at, self.unlisted = False, now, None

    # ---- what the worker says

    def receive(
        self, frame: Register | Heartbeat | Acknowledge | Feedback | Result | Leave, now: int
    ) -> Sequence[Action]:
        """A frame of a worker that has registered."""
        self.heard_at = now
        match frame:
            case Acknowledge():
                return self._settle(frame.corr, Accepted())
            case Result():
                return self._result(frame)
            case Feedback():
                return [*self._began(frame.corr), Take(frame)]
            case Heartbeat():
                return ()
            case Leave():
                return (Away(DRAINS),)
            case Register():
                return (Send(fault("frame.unexpected", "register comes once, as the first frame of a connection")),)
            case _ as never:
                assert_never(never)

    def _result(self, frame: Result) -> Sequence[Action]:
        """An answer; one that comes again while it is written down, or that was, is not given on again."""
        began = self._began(frame.corr)
        if frame.id is None:
            return [*began, Take(frame)]
        known_id, receipt = self.taken.get(frame.corr, (None, Receipt()))
        if known_id == frame.id:
            return [*began, Send(acknowledged(frame.id, receipt))]
        if (frame.id, frame.corr) in self.taking:
            return began
        self.taking.add((frame.id, frame.corr))
        return [*began, Take(frame)]

    def _began(self, corr: str) -> Sequence[Action]:
        """What a worker says of a task acknowledges it too."""
        dispatch_id = self.corrs.get(corr)
        return () if dispatch_id is None else self._settle(dispatch_id, Accepted())

    def _settle(self, dispatch_id: str, reply: Reply) -> Sequence[Action]:
        if dispatch_id not in self.pending:
            return ()
        self.abandon(dispatch_id)
        return (Settle(dispatch_id, reply),)

    # ---- time

    def due(self) -> int | None:
        """When to `tick`; None where nothing is awaited."""
        if not self.here:
            ends = [sent.end for sent in self.pending.values()]
            return min([*ends, *([] if self.gone_at is None else [self.gone_at + self.times.away])], default=None)
        if self.ending:
            return None
        dues = [sent.due for sent in self.pending.values() if sent.due is not None]
        back = [] if self.unlisted is None else [self.unlisted[0]]
        return min([self._silent_at(), *dues, *back])

    def _silent_at(self) -> int:
        return self.heard_at + MISSED * self.times.heartbeat

    def tick(self, now: int, held: Callable[[], Iterable[str]]) -> Sequence[Action]:
        """Some time has come; `held` gives what `dialled` is given."""
        return self._tick_here(now) if self.here else self._tick_away(now, held)

    def _tick_here(self, now: int) -> Sequence[Action]:
        if self.ending:
            return ()
        if now >= self._silent_at():
            return self._end(f"no heartbeat for {MISSED * self.times.heartbeat} ms")
        found: list[Action] = []
        if self.unlisted is not None and now >= self.unlisted[0]:
            found.append(Lost(self.unlisted[1] - self._answering(), "the worker came back without it"))
            self.unlisted = None
        for dispatch_id, sent in tuple(self.pending.items()):
            if sent.due is not None and now >= sent.due:
                found += self._overdue(dispatch_id, sent)
        return found

    def _overdue(self, dispatch_id: str, sent: Sent) -> Sequence[Action]:
        if sent.sends < MAX_SENDS:
            sent.due = None
            return (Send(sent.text, dispatch_id),)
        why = f"the worker did not acknowledge the task, which was sent {MAX_SENDS} times"
        reply = refused("worker.unacknowledged", why, retryable=True, transport=True)
        return [*self._settle(dispatch_id, reply), *self._end("a dispatch was not acknowledged")]

    def _end(self, reason: str) -> Sequence[Action]:
        """Leave the worker alone until it dials again."""
        self.ending = True
        return Away(), Close(SILENT, reason)

    def _tick_away(self, now: int, held: Callable[[], Iterable[str]]) -> Sequence[Action]:
        found: list[Action] = []
        for dispatch_id, sent in tuple(self.pending.items()):
            if now >= sent.end:
                why = "the connection of the worker broke, and it did not come back in time"
                found += self._settle(dispatch_id, refused("worker.lost", why, retryable=True, transport=True))
        if self.gone_at is not None and now >= self.gone_at + self.times.away:
            self.gone_at = None
            lost = frozenset(held()) - self._answering()
            found.append(Lost(lost, f"the worker has been away for {self.times.away} ms"))
        return found

    def _answering(self) -> frozenset[str]:
        """The tasks whose answers are being written down."""
        return frozenset(corr.partition(".")[0] for _, corr in self.taking)
