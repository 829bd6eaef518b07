"""Workers that ask somebody first, over HTTP: the question, the second request, and interrupts that expire."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tests.unit.api.serving import Server, working
from tests.unit.dispatch.builders import HttpWorker, answer

QUESTION = {"interrupt": {"message": "Which size?", "schema": {"enum": ["S", "M"]}}}


DOCUMENTS = (working(),)


async def asked(server: Server, worker: HttpWorker) -> Any:
    """A run whose worker has asked; it answers what comes next."""
    worker.script = [answer(QUESTION), answer({"output": "done"})]
    await server.post("/workers", {"id": "w1", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
    return await server.post("/workflows/working/runs?wait=10", {}, 201)


async def test_a_worker_asks_and_is_called_again_with_the_value(server: Server, worker: HttpWorker) -> None:
    run = await asked(server, worker)
    (found,) = (await server.get("/interrupts", params={"status": "open"}))["items"]

    await server.post(f"/interrupts/{found['id']}/resume", {"resume": "M"})
    after = await server.settled(run["id"])

    assert (run["status"], run["tasks"][0]["status"]) == ("interrupted", "interrupted")
    assert (found["kind"], found["message"], found["schema"]) == ("worker", "Which size?", {"enum": ["S", "M"]})
    assert (after["status"], after["state"]) == ("completed", {"out": "done"})
    first, second = (seen.body for seen in worker.seen)
    assert (first["resume"], second["resume"], second["turn"]) == (None, "M", 1)
    same = ("task_id", "run_id", "prompt", "input", "state", "parameters", "config")
    assert {name: first[name] for name in same} == {name: second[name] for name in same}


async def test_each_request_has_an_idempotency_key_of_its_own(server: Server, worker: HttpWorker) -> None:
    run = await asked(server, worker)
    await server.post(f"/runs/{run['id']}/resume", {"resume": "S"})
    await server.settled(run["id"])

    task_id = worker.seen[0].body["task_id"]
    assert [seen.headers["Idempotency-Key"] for seen in worker.seen] == [task_id, f"{task_id}.1.1"]


async def test_a_value_that_the_question_does_not_allow_is_refused(server: Server, worker: HttpWorker) -> None:
    run = await asked(server, worker)

    problem = await server.refused("POST", f"/runs/{run['id']}/resume", 422, json={"resume": "XXL"})

    assert problem["code"] == "resume.invalid"
    assert (await server.get(f"/runs/{run['id']}"))["status"] == "interrupted"


async def test_the_address_of_an_earlier_request_answers_nothing_any_more(server: Server, worker: HttpWorker) -> None:
    run = await asked(server, worker)
    worker.script = [answer({}, 202)]
    await server.post(f"/runs/{run['id']}/resume", {"resume": "S"})
    await worker.until(lambda: len(worker.seen) == 2)
    first, second = (urlsplit(seen.body["reply_to"]) for seen in worker.seen)

    late = await server.refused("POST", f"{first.path.removeprefix('/v1')}?{first.query}", 409, json={"output": "old"})
    await server.post(f"{second.path.removeprefix('/v1')}?{second.query}", {"output": "new"})

    assert late["code"] == "task.late"
    assert (await server.settled(run["id"]))["state"] == {"out": "new"}


async def test_an_interrupt_that_nobody_answers_expires(server: Server) -> None:
    ask = {"type": "interrupt", "message": "?", "expires_in_ms": 1, "on_expire": "late", "output_key": "out"}
    document = {**working("expiring"), "nodes": {"job": ask}}
    await server.post("/workflows", document, 201)

    run = await server.post("/workflows/expiring/runs?wait=10", {}, 201)
    await server.http.get(f"/runs/{run['id']}/stream")  # until it has ended

    after = await server.get(f"/runs/{run['id']}")
    found = (await server.get("/interrupts", params={"status": "expired"}))["items"]
    assert (after["status"], after["state"]) == ("completed", {"out": "late"})
    assert [one["run_id"] for one in found] == [run["id"]]
