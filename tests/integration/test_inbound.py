"""What workers send over brokers and sockets: what becomes of it is told, and nothing is taken that is not durable."""

from __future__ import annotations

from typing import Any

import pytest

from api.inbound import Inbound
from engine.errors import StoreUnavailable
from tests.integration.test_store_faults import FailingCommits, recovered
from tests.unit.api.serving import Server, working
from tests.unit.dispatch.builders import HttpWorker, answer

DOCUMENTS = [working()]


async def asked(server: Server, worker: HttpWorker) -> tuple[str, str, Inbound]:
    """A run whose task a worker has accepted, the correlation id of the task, and the inbox."""
    worker.script = [answer({}, status=202)]
    await server.post("/workers", {"id": "w", "protocol": "webhook", "url": worker.url, "tags": ["w"]}, 201)
    run = await server.post("/workflows/working/runs", {}, 201)
    await worker.until(lambda: bool(worker.seen))
    task: Any = worker.seen[0].body
    token = task["reply_to"].partition("token=")[2]
    inbound = Inbound()
    inbound.bind(server.wired.answers)
    return run["id"], f"{task['task_id']}.{token}", inbound


async def test_an_answer_is_applied_and_the_same_again_changes_nothing(server: Server, worker: HttpWorker) -> None:
    run_id, correlation_id, inbound = await asked(server, worker)
    first = await inbound.result(correlation_id, {"output": 1})
    again = await inbound.result(correlation_id, {"output": 2})

    assert (first.taken, again.code, again.wanted) == (True, "task.late", False)
    assert (await server.settled(run_id))["state"] == {"out": 1}


async def test_what_cannot_be_written_is_not_taken(server: Server, worker: HttpWorker) -> None:
    run_id, correlation_id, inbound = await asked(server, worker)
    FailingCommits(server, [1], late=False)
    with pytest.raises(StoreUnavailable):
        await inbound.result(correlation_id, {"output": 1})
    await recovered(server)

    assert (await inbound.result(correlation_id, {"output": 2})).taken
    assert (await server.settled(run_id))["state"] == {"out": 2}


async def test_who_may_not_answer_is_told_so(server: Server, worker: HttpWorker) -> None:
    _, correlation_id, inbound = await asked(server, worker)
    task_id = correlation_id.partition(".")[0]
    found = [await inbound.result(name, 1) for name in ("", "x", f"{task_id}.", f"{correlation_id}x")]

    assert {receipt.code for receipt in found} == {"task.token"}


async def test_reports_are_noted_and_those_of_no_shape_are_refused(server: Server, worker: HttpWorker) -> None:
    run_id, correlation_id, inbound = await asked(server, worker)
    noted = await inbound.report(correlation_id, [{"stage": "reading", "progress": 0.5}])
    wrong = await inbound.report(correlation_id, [{"stage": "done", "progress": 1.01}])
    beat = await inbound.heartbeat(correlation_id)

    assert (noted.taken, wrong.code, wrong.wanted, beat.taken) == (True, "report.invalid", True, True)
    (task,) = (await server.get(f"/runs/{run_id}"))["tasks"]
    assert task["progress"]["stage"] == "reading"
