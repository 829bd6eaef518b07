"""Answers that are kept: the same question is not asked again, in whatever run, until they expire."""

from __future__ import annotations

from typing import Any

from tests.unit.api.serving import Server
from tests.unit.dispatch.builders import HttpWorker, answer


def remembering(name: str, **cache: Any) -> dict[str, Any]:
    return {
        "id": name,
        "state_schema": {"q": {"type": "string"}, "user": {"type": "string"}, "out": {}},
        "nodes": {
            "a": {
                "worker_tags": ["w"],
                "prompt_template": "{{ state.q }}",
                "output_key": "out",
                "cache": {"ttl_ms": 60_000, **cache},
            }
        },
        "edges": [["__start__", "a"], ["a", "__end__"]],
    }


DOCUMENTS = (
    remembering("by-input"),
    remembering("by-key", key="{{ state.user }}"),
    remembering("short", ttl_ms=1),
    {
        **remembering("inside"),
        "nodes": {
            "s": {
                "type": "subgraph",
                "definition": remembering("child"),
                "input_mapping": {"q": "state.q"},
                "output_mapping": {"out": "out"},
            }
        },
        "edges": [["__start__", "s"], ["s", "__end__"]],
    },
)


async def ready(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({"output": number, "usage": {"cost": 1}}) for number in (1, 2, 3)]
    await server.post("/workers", {"id": "w1", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)


async def run(server: Server, workflow: str, **given: Any) -> Any:
    found = await server.post(f"/workflows/{workflow}/runs?wait=10", {"input": given}, 201)
    assert found["status"] == "completed", found
    return found


async def test_the_same_input_is_asked_once(server: Server, worker: HttpWorker) -> None:
    await ready(server, worker)

    runs = [await run(server, "by-input", q=q) for q in ("same", "same", "other")]

    assert [found["state"]["out"] for found in runs] == [1, 1, 2]
    assert [found["tasks"][0]["cached"] for found in runs] == [False, True, False]
    assert [found["usage"]["cost"] for found in runs] == [1, 0, 1]
    assert len(worker.seen) == 2


async def test_a_key_of_its_own_decides_whatever_the_input(server: Server, worker: HttpWorker) -> None:
    await ready(server, worker)

    runs = [await run(server, "by-key", q=q, user=user) for q, user in (("a", "ann"), ("b", "ann"), ("a", "bob"))]

    assert [found["state"]["out"] for found in runs] == [1, 1, 2]


async def test_an_answer_that_has_expired_is_asked_anew(server: Server, worker: HttpWorker) -> None:
    await ready(server, worker)

    runs = [await run(server, "short", q="same") for _ in range(2)]

    assert [found["state"]["out"] for found in runs] == [1, 2]


async def test_another_workflow_has_answers_of_its_own(server: Server, worker: HttpWorker) -> None:
    await ready(server, worker)

    runs = [await run(server, workflow, q="same") for workflow in ("by-input", "inside", "inside")]

    assert [found["state"]["out"] for found in runs] == [1, 2, 2]
    assert [task["ns"] for task in runs[2]["tasks"] if task["cached"]] == [["s"]]


async def test_a_node_that_is_written_otherwise_is_asked_anew(server: Server, worker: HttpWorker) -> None:
    await ready(server, worker)
    await run(server, "by-input", q="same")
    changed = remembering("by-input", ttl_ms=70_000)
    await server.call("PUT", "/workflows/by-input", json=changed)

    assert (await run(server, "by-input", q="same"))["state"]["out"] == 2


async def test_a_failure_is_not_kept(server: Server, worker: HttpWorker) -> None:
    await ready(server, worker)
    worker.script = [answer({"error": {"code": "no", "message": "no", "retryable": False}}), answer({"output": 2})]
    failed = await server.post("/workflows/by-input/runs?wait=10", {"input": {"q": "same"}}, 201)

    assert failed["status"] == "failed"
    assert (await run(server, "by-input", q="same"))["state"]["out"] == 2
