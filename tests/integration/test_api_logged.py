"""What a server logs of tasks, protocol by protocol: each line says whose run it is, which task and which node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.servers import Mosquitto
from tests.unit.api.serving import Server, a_server, working
from tests.unit.dispatch.builders import HttpWorker, answer, drop


async def named(server: Server, run_id: str) -> dict[str, str]:
    """What each line about the one task of a run says."""
    [task] = (await server.get(f"/runs/{run_id}"))["tasks"]
    return {"run_id": run_id, "task_id": task["id"], "node": "job"}


def names(log: Any) -> dict[str, str]:
    return {name: log[name] for name in ("run_id", "task_id", "node") if name in log}


async def started(server: Server, wait: int = 0, **worker: Any) -> str:
    await server.post("/workers", {"id": "w1", "tags": ["w"], **worker}, 201)
    await server.post("/workflows", working(), 201)
    return str((await server.post(f"/workflows/working/runs?wait={wait}", {}, 201))["id"])


@pytest.mark.parametrize(
    ("text", "event"),
    [("def f(task):\n    raise ValueError('no')\n", "local.failed"), ("def g(task):\n    return 1\n", "local.missing")],
    ids=["a function that fails", "a function that is missing"],
)
async def test_functions_that_fail_or_are_missing(tmp_path: Path, text: str, event: str) -> None:
    file = tmp_path / "work.py"
    file.write_text(text)
    async with a_server(tmp_path, local_workers=True) as server:
        with capture_logs() as logs:
            run_id = await started(server, wait=1, protocol="local", url=f"{file}:f")
        found = {str(names(log)) for log in logs if log["event"] == event}
        assert found == {str(await named(server, run_id))}


async def test_workers_that_cannot_be_told_of_a_cancel(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({}, 202), drop]
    run_id = await started(server, protocol="webhook", url=worker.url, metadata={"cancel": True})
    await worker.until(lambda: len(worker.seen) == 1)
    place = await named(server, run_id)
    with capture_logs() as logs:
        await server.post(f"/runs/{run_id}/cancel", {})
        await server.wired.outbox.close(5)
    assert [names(log) for log in logs if log["event"] == "cancel.untold"] == [place]


async def test_messages_that_nobody_has_subscribed_to(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with a_server(tmp_path) as server:
        with capture_logs() as logs:
            run_id = await started(server, wait=1, protocol="mqtt", url=f"{mosquitto.url}/nobody/{tmp_path.name}")
        found = {str(names(log)) for log in logs if log["event"] == "mqtt.undelivered"}
        assert found == {str(await named(server, run_id))}
