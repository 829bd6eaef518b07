"""What is still said of an attempt that was given up, while another one is at a worker."""

from __future__ import annotations

from typing import Any

from tests.integration.test_api_workers import W
from tests.unit.api.serving import Server, working
from tests.unit.dispatch.builders import HttpWorker, answer

LATER = answer({}, 202)


async def tried_twice(server: Server, worker: HttpWorker, **row: Any) -> tuple[str, list[str]]:
    """A run whose task a worker has accepted a second time, since it had failed, and where each attempt is answered."""
    document = working("twice")
    document["nodes"]["job"]["retry"] = {"max_attempts": 2, "initial_interval_ms": 1}
    await server.post("/workflows", document, 201)
    await server.post("/workers", {**W, "id": "one", "url": f"{worker.url}/one", **row}, 201)
    worker.script = [LATER]
    run = await server.post("/workflows/twice/runs", {}, 201)
    await worker.until(lambda: len(worker.seen) == 1)
    await server.post(_answers(worker)[0], {"error": {"code": "no", "message": "no", "retryable": True}})
    await worker.until(lambda: len(worker.seen) == 2)
    return run["id"], _answers(worker)


def _answers(worker: HttpWorker) -> list[str]:
    return [seen.body["reply_to"].partition("/v1")[2] for seen in worker.seen]


async def test_its_reports_are_its_own(server: Server, worker: HttpWorker) -> None:
    run_id, (old, new) = await tried_twice(server, worker)
    for path, message in ((new, "new"), (old, "old")):
        await server.post(path.replace("/result", "/progress"), {"message": message})
    (task,) = (await server.get(f"/runs/{run_id}"))["tasks"]
    shown = await server.get(f"/runs/{run_id}/tasks/{task['id']}")
    assert task["progress"]["message"] == "new"
    assert [(line["message"], line["attempt"], line["worker"]) for line in shown["log"]] == [
        ("new", 2, "one"), ("old", 1, None),
    ]  # fmt: skip


async def test_whoever_is_at_the_newer_one_is_told_that_its_answer_counts(server: Server, worker: HttpWorker) -> None:
    run_id, (old, _) = await tried_twice(server, worker, metadata={"cancel": True})
    worker.script = [answer({}, 200)]
    await server.post(old, {"output": "late, and good"})
    assert (await server.settled(run_id))["state"] == {"out": "late, and good"}
    await worker.until(lambda: len(worker.seen) == 3)
    assert (worker.seen[2].method, worker.seen[2].path.startswith("/one/")) == ("DELETE", True)
