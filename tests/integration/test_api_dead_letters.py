"""Dead letters over HTTP: listed over all runs, and driven again."""

from __future__ import annotations

from typing import Any

from tests.integration.test_api_workers import W
from tests.unit.api.serving import Server, asking, working
from tests.unit.dispatch.builders import HttpWorker, answer

BROKEN = answer({"error": {"code": "boom", "message": "it broke", "retryable": False}})
MENDED = answer({"output": "well"})


DOCUMENTS = (working(),)


async def failed(server: Server, worker: HttpWorker, workflow: str = "working") -> tuple[Any, Any]:
    """A run in which a task has failed, and the dead letter."""
    worker.script = [BROKEN, MENDED]
    await server.post("/workers", {**W, "url": worker.url}, 201)
    run = await server.post(f"/workflows/{workflow}/runs?wait=10", {}, 201)
    (letter,) = (await server.get("/dead-letters?status=open"))["items"]
    return run, letter


async def test_a_task_that_fails_for_good_is_a_dead_letter(server: Server, worker: HttpWorker) -> None:
    run, letter = await failed(server, worker)
    assert run["status"] == "failed"
    assert (letter["run_id"], letter["node"], letter["worker_id"]) == (run["id"], "job", "w1")
    assert (letter["error"]["code"], letter["workflow_id"], letter["status"]) == ("boom", "working", "open")


async def test_letters_are_found_by_id_and_by_run(server: Server, worker: HttpWorker) -> None:
    run, letter = await failed(server, worker)
    assert await server.get(f"/dead-letters/{letter['id']}") == letter
    assert (await server.get(f"/dead-letters?run_id={run['id']}"))["items"] == [letter]
    await server.refused("GET", "/dead-letters?run_id=ghost", 404)
    await server.refused("GET", "/dead-letters/ghost", 404)


async def test_a_run_that_failed_with_it_is_retried(server: Server, worker: HttpWorker) -> None:
    run, letter = await failed(server, worker)
    driven = await server.post(f"/dead-letters/{letter['id']}/redrive")
    assert driven["status"] == "redriven"
    after = await server.settled(run["id"])
    assert (after["status"], after["state"], len(after["branches"])) == ("completed", {"out": "well"}, 1)
    assert (await server.get("/dead-letters?status=open"))["items"] == []
    problem = await server.refused("POST", f"/dead-letters/{letter['id']}/redrive", 409)
    assert problem["code"] == "dead_letter.closed"


async def test_a_run_that_ended_otherwise_is_replayed(server: Server, worker: HttpWorker) -> None:
    document = working("lenient")
    document["nodes"]["job"]["on_error"] = "continue"
    await server.post("/workflows", document, 201)
    run, letter = await failed(server, worker, "lenient")
    assert (run["status"], run["state"]) == ("completed", {})
    await server.post(f"/dead-letters/{letter['id']}/redrive")
    after = await server.settled(run["id"])
    assert (after["status"], after["state"], len(after["branches"])) == ("completed", {"out": "well"}, 2)


async def test_a_retry_settles_the_letter_of_what_it_retries(server: Server, worker: HttpWorker) -> None:
    run, letter = await failed(server, worker)
    await server.post(f"/runs/{run['id']}/retry")
    assert (await server.settled(run["id"]))["status"] == "completed"
    (after,) = (await server.get("/dead-letters"))["items"]
    assert (after["id"], after["status"], bool(after["redriven_at"])) == (letter["id"], "redriven", True)
    problem = await server.refused("POST", f"/dead-letters/{letter['id']}/redrive", 409)
    assert (problem["code"], len(worker.seen)) == ("dead_letter.closed", 2)


async def test_what_has_succeeded_since_is_not_done_again(server: Server, worker: HttpWorker) -> None:
    run, letter = await failed(server, worker)
    before = (await server.get(f"/runs/{run['id']}/checkpoints/{letter['id']}"))["parent_id"]
    await server.post(f"/runs/{run['id']}/replay", {"checkpoint_id": before})
    assert (await server.settled(run["id"]))["status"] == "completed"
    problem = await server.refused("POST", f"/dead-letters/{letter['id']}/redrive", 409)
    done = next(one for one in (await server.get(f"/runs/{run['id']}/checkpoints"))["items"] if one["node"] == "job")
    assert (problem["code"], len(worker.seen)) == ("dead_letter.succeeded", 2)
    assert done["id"] in problem["detail"]
    await server.post(f"/runs/{run['id']}/branches/main/checkout")
    await server.post(f"/dead-letters/{letter['id']}/redrive")  # on the line that failed it has not


async def test_a_run_that_goes_on_is_left_alone(server: Server, worker: HttpWorker) -> None:
    document = asking("both")
    document["state_schema"]["out"] = {}
    document["nodes"]["job"] = {**working()["nodes"]["job"], "on_error": "continue"}
    document["edges"] += [["__start__", "job"], ["job", "__end__"]]
    await server.post("/workflows", document, 201)
    run, letter = await failed(server, worker, "both")
    problem = await server.refused("POST", f"/dead-letters/{letter['id']}/redrive", 409)
    assert (run["status"], problem["code"]) == ("interrupted", "run.active")
    await server.post(f"/runs/{run['id']}/cancel")
    assert (await server.refused("POST", f"/dead-letters/{letter['id']}/redrive", 409))["code"] == "run.cancelled"


async def test_an_unknown_letter_is_not_found(server: Server) -> None:
    await server.refused("POST", "/dead-letters/nothing/redrive", 404)
    await server.refused("GET", "/dead-letters?status=lost", 422)
