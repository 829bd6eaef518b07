"""What is made ready of an attempt before it may be sent: it is what would have been made then, or is made again."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from dispatch import webhook
from dispatch._ready import FRESH_MS, MUCH
from dispatch.webhook import Webhook
from engine.limits import Limits
from engine.model import TaskId
from engine.outbox import Work
from tests.unit.dispatch.builders import NOW, a_work, a_worker, an_envelope, some_tools
from tests.unit.dispatch.desk import Desk

LONG = (b"[", b'"x",' * MUCH, b'"y"]')


def much(task_id: str = "t1") -> Work:
    """An attempt that carries a long list."""
    work = a_work(task_id)
    return replace(work, request=replace(work.request, state={"log": []}), encoded={"log": LONG})


class Ready(Desk):
    """A desk whose transport notes what is made ready, and whose clock goes."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.made, self.bodies = NOW, [], []
        self.box._clock = lambda: self.now
        self.transport.prepare = lambda worker, task: self.made.append((worker.id, task.pieces))
        deliver = self.transport.deliver

        async def seen(worker, task, timeout_s):
            self.bodies.append(task.pieces)
            return await deliver(worker, task, timeout_s)

        self.transport.deliver = seen
        self.workers(a_worker("w1"), a_worker("w2"))


async def test_what_was_made_ready_is_sent_by_the_worker_whose_turn_it_was():
    desk, work = Ready(), much()
    desk.box.prepare(work)
    ((likely, body),) = desk.made
    desk.box.submit(work)
    await desk.sent("t1")

    assert desk.bodies == [body]
    assert desk.transport.workers["t1"] == likely
    assert desk.bodies[0] is body


async def test_it_is_made_again_for_another_worker_who_may_be_answered_elsewhere():
    desk, work = Ready(), much()
    desk.transport.reply_to = lambda worker, correlation_id, url: f"{worker.id}/replies"
    desk.box.prepare(work)
    ((likely, _),) = desk.made
    other = {"w1": "w2", "w2": "w1"}[likely]
    desk.workers(a_worker(other))
    desk.box.submit(work)
    await desk.sent("t1")

    assert desk.transport.workers["t1"] == other
    assert orjson.loads(b"".join(desk.bodies[0]))["reply_to"] == f"{other}/replies"


@pytest.mark.parametrize("case", ["another attempt", "too late", "released", "little", "held", "nobody"])
async def test_it_is_made_again_where_it_may_be_another_one(case: str):
    desk, work = Ready(), much()
    if case == "little":
        work = a_work("t1")
    if case == "nobody":
        desk.workers()
    desk.box.hold(case == "held")
    desk.box.prepare(work)
    desk.box.hold(False)
    desk.now += FRESH_MS + 1 if case == "too late" else 0
    if case == "released":
        desk.box.release(TaskId("t1"))
    if case == "another attempt":
        work = replace(work, attempt=2)
    desk.workers(a_worker("w1"))
    desk.box.submit(work)
    await desk.sent("t1")

    told = orjson.loads(b"".join(desk.bodies[0]))
    assert told["attempt"] == work.attempt
    assert len(desk.made) == (case in ("another attempt", "too late", "released"))
    assert all(body is not desk.bodies[0] for _, body in desk.made)
    assert desk.box._ready._made == {}


def a_webhook() -> Webhook:
    return Webhook(some_tools())


def test_a_body_is_signed_once_for_the_worker_that_gets_it():
    transport, worker, headers = a_webhook(), a_worker("w1", secret="s"), {"Idempotency-Key": "k"}
    transport.prepare(worker, an_envelope(LONG, "k"))
    transport._clock = lambda: NOW + 60_000
    first, again = transport._headers(worker, LONG, headers), transport._headers(worker, LONG, headers)
    other = transport._headers(replace(worker, secret="t"), LONG, headers)

    assert first["webhook-timestamp"] == str(NOW // 1000)
    assert again["webhook-timestamp"] == str(NOW // 1000 + 60)
    transport._clock = lambda: NOW
    assert transport._headers(worker, LONG, headers) == first
    assert other["webhook-signature"] != again["webhook-signature"]


def test_what_was_signed_for_another_worker_or_never_sent_is_not_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(webhook, "MAX_SIGNED", 2)
    transport, worker, headers = a_webhook(), a_worker("w1", secret="s"), {"Idempotency-Key": "k"}
    transport.prepare(replace(worker, secret="t"), an_envelope(LONG, "k"))
    signed = transport._headers(worker, LONG, headers)
    assert signed == a_webhook()._headers(worker, LONG, headers)
    bodies = [(bytes([number]),) for number in range(5)]
    for body in bodies:
        transport.prepare(worker, an_envelope(body, "k"))
    assert [known[0] for known in transport._signed.values()] == bodies[-2:]


async def test_what_has_to_wait_for_its_turn_is_not_made_ready():
    desk, keyed = Ready(), Limits(node="flow:a", key="k")
    desk.box.prepare(replace(much("t1"), limits=keyed))
    assert desk.made == []
    desk.box.open()
    desk.box.submit(replace(much("t1"), limits=keyed))
    desk.box.prepare(replace(much("t2"), limits=keyed))
    assert desk.made == []
    desk.box.release("t1")
    desk.box.prepare(replace(much("t2"), limits=keyed))
    assert len(desk.made) == 1
