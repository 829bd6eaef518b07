"""Whatever is logged about a delivery, or about what else a worker is told, names the run, the task and the node."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from dispatch import _deliveries
from dispatch._about import about
from dispatch._envelope import Envelope
from engine.model import RunId, TaskId
from engine.outbox import Accepted, Reply, Unanswered
from engine.ports import WorkerRow
from tests.unit.dispatch.builders import NOW, a_worker
from tests.unit.dispatch.desk import Desk, Scripted

NAMES = {"run_id": "run-1", "task_id": "t1", "node": "a"}


class Telling(Scripted):
    """Notes what each call is about."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, dict[str, str]]] = []

    def hear(self, what: str) -> None:
        self.heard.append((what, dict(about())))
        self.changed()

    async def deliver(self, worker: WorkerRow, task: Envelope, timeout_s: float) -> Reply:
        self.hear("deliver")
        return Accepted()

    async def resume(self, worker: WorkerRow, task: Envelope, timeout_s: float, ref: Any) -> Reply:
        self.hear("resume")
        return Accepted()

    async def cancel(self, worker: WorkerRow, task_id: TaskId, message_id: str) -> None:
        self.hear("cancel")
        raise TimeoutError

    async def rebind(self, worker: WorkerRow, task_id: TaskId, message_id: str) -> None:
        self.hear("rebind")

    async def dismiss(self, worker: WorkerRow, task_id: TaskId, said: Any) -> None:
        self.hear("dismiss")


@pytest.fixture
async def telling() -> Any:
    desk = Desk(Telling())
    desk.workers(a_worker())
    yield desk
    await desk.box.close(0)


async def heard(desk: Desk, *what: str) -> None:
    assert isinstance(desk.transport, Telling)
    found = desk.transport.heard
    await desk.transport.until(lambda: len(found) == len(what))
    assert found == [(each, NAMES) for each in what]


@pytest.mark.parametrize("how", ["cancel", "rebind"])
async def test_a_delivery_and_what_follows_it_know_what_they_are_about(telling: Desk, how: str) -> None:
    telling.submit("t1")
    await heard(telling, "deliver")
    getattr(telling.box, how)(TaskId("t1"))
    await heard(telling, "deliver", how)
    assert about() == {}


async def test_what_is_taken_up_after_a_restart_knows_what_it_is_about(telling: Desk) -> None:
    telling.submit("t1", accepted_by="w1", accepted_ref={"name": "t1"}, deadline=NOW + 5000)
    await heard(telling, "resume")


async def test_a_dismissal_knows_what_it_is_about(telling: Desk) -> None:
    left = Unanswered(run_id=RunId("run-1"), task_id=TaskId("t1"), node="a", worker="w1", said={})
    telling.box.dismiss(left)
    await heard(telling, "dismiss")


async def test_a_cancel_that_takes_too_long_is_logged_with_its_run_and_node(telling: Desk) -> None:
    telling.submit("t1")
    await heard(telling, "deliver")
    with capture_logs() as logs:
        telling.box.cancel(TaskId("t1"))
        await heard(telling, "deliver", "cancel")
        await telling.box.close(_deliveries.TELL_S)
    [log] = logs
    assert log == {
        "event": "cancel.untold",
        "log_level": "info",
        "worker_id": "w1",
        "error": "it took too long",
        **NAMES,
    }


async def test_a_task_that_is_lost_is_logged_with_its_run_and_node(telling: Desk) -> None:
    telling.submit("t1")
    await heard(telling, "deliver")
    with capture_logs() as logs:
        telling.box.lose("w1", TaskId("t1"), "the worker came back without it")
        telling.box.lose("w1", TaskId("t1"), "and once more")
    [log] = logs
    why = "the worker came back without it"
    assert log == {"event": "worker.lost", "log_level": "warning", "worker_id": "w1", "why": why, **NAMES}
