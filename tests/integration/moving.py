"""Runs of every kind, to be moved: each is played at a server until it stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from engine.model import RunId
from engine.verify import verify_run
from tests.unit.api.serving import PATIENCE_S, Server, straight
from tests.unit.dispatch.builders import HttpWorker, answer, hang

Play = Callable[[Server, HttpWorker], Awaitable[str]]
"""Plays a run; its id."""

ADD = {"$expr": "state.n + 1"}
WORK = {"type": "task", "worker_tags": ["w"], "prompt_template": "do {{ item | default(state.n) }}"}

ASKS: dict[str, Any] = {
    "id": "asks",
    "state_schema": {"n": {"type": "integer", "default": 0}, "said": {"type": "string"}, "last": {"type": "integer"}},
    "nodes": {
        "one": {"type": "transform", "updates": {"n": ADD}},
        "ask": {"type": "interrupt", "message": "what?", "output_key": "said"},
        "two": {"type": "transform", "updates": {"last": {"$expr": "state.n * 10"}}},
    },
    "edges": [["__start__", "one"], ["one", "ask"], ["ask", "two"], ["two", "__end__"]],
}
ROUNDS: dict[str, Any] = {
    "id": "rounds",
    "state_schema": {
        "n": {"type": "integer", "default": 0},
        "items": {"type": "array", "default": [1, 2, 3]},
        "got": {"type": "array"},
        "log": {"type": "array", "reducer": "append"},
        "o": {"type": "object", "reducer": "merge"},
    },
    "nodes": {
        "begin": {"type": "transform", "updates": {}},
        "each": {"type": "send", "items_key": "state.items", "target_node": "work", "output_key": "got"},
        "work": WORK,
        "beside": {"type": "transform", "updates": {"log": "beside {{ state.n }}"}},
        "count": {"type": "transform", "updates": {"n": ADD, "o": {"k": ADD}}},
        "again": {"type": "route", "rules": [{"when": "state.n < 3", "to": "more"}], "default": "enough"},
    },
    "edges": [
        ["__start__", "begin"], ["begin", "each"], ["begin", "beside"], ["each", "count"], ["beside", "count"],
        ["count", "again"], ["again:more", "begin"], ["again:enough", "__end__"],
    ],
}  # fmt: skip
LONG: dict[str, Any] = {
    "id": "long",
    "state_schema": {"n": {"type": "integer", "default": 0}, "log": {"type": "array", "reducer": "append"}},
    "nodes": {
        "write": {"type": "transform", "updates": {"n": ADD, "log": "x" * 1000}},
        "again": {"type": "route", "rules": [{"when": "state.n < 30", "to": "more"}], "default": "enough"},
    },
    "edges": [["__start__", "write"], ["write", "again"], ["again:more", "write"], ["again:enough", "__end__"]],
}
WORKS: dict[str, Any] = {
    "id": "works",
    "state_schema": {"n": {"type": "integer", "default": 0}, "out": {}},
    "nodes": {
        "job": {**WORK, "output_key": "out", "retry": {"max_attempts": 2, "initial_interval_ms": 1, "jitter": 0}},
        "then": {"type": "transform", "updates": {"n": ADD}},
    },
    "edges": [["__start__", "job"], ["job", "then"], ["then", "__end__"]],
}
SLEEPS: dict[str, Any] = {
    "id": "sleeps",
    "state_schema": {"n": {"type": "integer", "default": 0}},
    "nodes": {"nap": {"type": "wait", "seconds": 3600}, "then": {"type": "transform", "updates": {"n": ADD}}},
    "edges": [["__start__", "nap"], ["nap", "then"], ["then", "__end__"]],
}
NESTS: dict[str, Any] = {
    "id": "nests",
    "state_schema": {"n": {"type": "integer", "reducer": "add"}, "last": {}},
    "subgraphs": {
        "part": {
            "state_schema": {"m": {"type": "integer", "default": 1}, "said": {"type": "string"}},
            "nodes": {
                "in": {"type": "transform", "updates": {"m": 2}},
                "beside": {"type": "transform", "updates": {}},
                "ask": {"type": "interrupt", "message": "what?", "output_key": "said"},
            },
            "edges": [
                ["__start__", "in"], ["__start__", "beside"], ["in", "ask"], ["beside", "ask"], ["ask", "__end__"],
            ],
        }
    },
    "nodes": {
        "sub": {
            "type": "subgraph", "subgraph": "part", "output_mapping": {"n": "m"}, "output_key": "last",
            "loop": {"until": "state.n >= 4", "max_iterations": 3},
        },
        "then": {"type": "transform", "updates": {"n": 1}},
    },
    "edges": [["__start__", "sub"], ["sub", "then"], ["then", "__end__"]],
}  # fmt: skip
DOCUMENTS = (ASKS, ROUNDS, LONG, WORKS, SLEEPS, NESTS, straight())

USED = {"input_tokens": 1, "output_tokens": 2, "cost": 0.5}
BREAKS = answer({"error": {"code": "boom", "message": "it broke", "retryable": True}, "usage": USED})
ENDS = answer({"error": {"code": "boom", "message": "it broke", "retryable": False}, "usage": USED})
GIVES = answer({"output": "done", "usage": {"input_tokens": 3, "output_tokens": 4, "cost": 0.25}})
LATER = answer({}, status=202)


async def begun(server: Server, workflow: str, wait: float = 10, **body: Any) -> str:
    run = await server.post(f"/workflows/{workflow}/runs?wait={wait}", body, 201)
    return str(run["id"])


async def employed(server: Server, worker: HttpWorker, *script: Any) -> None:
    """Have a worker answer like this."""
    worker.script = [*script]
    await server.post("/workers", {"id": "w1", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)


async def answered(server: Server, run_id: str, value: Any = "yes") -> str:
    await server.post(f"/runs/{run_id}/resume", {"resume": value})
    return str((await server.settled(run_id))["id"])


# ---- runs that have ended


async def with_loops_and_sends(server: Server, worker: HttpWorker) -> str:
    await employed(server, worker, GIVES)
    return await begun(server, "rounds", metadata={"team": "docs"}, tags=["a", "b"])


async def with_snapshots(server: Server, worker: HttpWorker) -> str:
    run = await begun(server, "long")
    head = await server.wired.store.run(RunId(run))
    assert head is not None
    rows = await server.wired.store.commits(head.key, 1, 1000)
    assert any(row.snapshot is not None for row in rows)
    return run


async def that_failed_and_was_retried(server: Server, worker: HttpWorker) -> str:
    await employed(server, worker, BREAKS, ENDS, GIVES)
    run = await begun(server, "works")
    await server.post(f"/runs/{run}/retry", {"config": {"max_steps": 90}})
    return str((await server.settled(run))["id"])


async def that_failed(server: Server, worker: HttpWorker) -> str:
    await employed(server, worker, BREAKS, ENDS)
    return await begun(server, "works")


async def that_was_driven_again(server: Server, worker: HttpWorker) -> str:
    run = await that_failed(server, worker)
    worker.script = [GIVES]
    (letter,) = (await server.get("/dead-letters"))["items"]
    await server.post(f"/dead-letters/{letter['id']}/redrive")
    return str((await server.settled(run))["id"])


async def that_was_cancelled(server: Server, worker: HttpWorker) -> str:
    run = await begun(server, "asks")
    await server.post(f"/runs/{run}/cancel")
    return run


async def with_state_that_was_injected(server: Server, worker: HttpWorker) -> str:
    run = await begun(server, "asks")
    await server.post(f"/runs/{run}/state", {"updates": {"n": 4}}, 202)
    await server.post(f"/runs/{run}/state", {"updates": {"n": 9}, "after_node": "ask"}, 202)
    return await answered(server, run)


async def with_branches(server: Server, worker: HttpWorker) -> str:
    run = await answered(server, await begun(server, "asks"))
    await server.post(f"/runs/{run}/replay", {"checkpoint_id": f"{run}.2", "updates": {"n": 7}})
    await answered(server, run, "no")
    await server.post(f"/runs/{run}/replay", {"checkpoint_id": f"{run}.1", "goto": "two"})
    await server.settled(run)
    await server.post(f"/runs/{run}/branches/main/checkout")
    return run


async def with_answers_that_were_reused(server: Server, worker: HttpWorker) -> str:
    run = await with_loops_and_sends(server, worker)
    body = {"checkpoint_id": f"{run}.1", "reuse": "unchanged", "updates": {"log": ["other"]}}
    await server.post(f"/runs/{run}/replay", body)
    return str((await server.settled(run))["id"])


async def with_graphs_in_it(server: Server, worker: HttpWorker) -> str:
    return await answered(server, await answered(server, await in_a_graph(server, worker)))


# ---- forks


async def forked(server: Server, checkpoint: str, **body: Any) -> str:
    fork = await server.post("/runs/fork", {"checkpoint_id": checkpoint, **body}, 201)
    return str((await server.settled(fork["id"]))["id"])


async def forked_from_a_fork(server: Server, worker: HttpWorker) -> str:
    run = await answered(server, await begun(server, "asks"))
    fork = await answered(server, await forked(server, f"{run}.2", updates={"n": 5}), "well")
    return await answered(server, await forked(server, f"{fork}.2"), "so")


async def forked_with_reuse(server: Server, worker: HttpWorker) -> str:
    run = await with_loops_and_sends(server, worker)
    return await forked(server, f"{run}.4", reuse="unchanged")


async def forked_behind_a_snapshot(server: Server, worker: HttpWorker) -> str:
    run = await with_snapshots(server, worker)
    return await forked(server, f"{run}.45", updates={"n": 2})


async def forked_to_another_version(server: Server, worker: HttpWorker) -> str:
    run = await begun(server, "asks")
    nodes = {**ASKS["nodes"], "two": {"type": "transform", "updates": {"last": 1}}}
    await server.call("PUT", "/workflows/asks", json={**ASKS, "nodes": nodes})
    await server.call("PUT", "/workflows/asks", json=ASKS)
    fork = await forked(server, f"{run}.3", workflow_version=2)
    await server.post(f"/runs/{fork}/replay", {"checkpoint_id": f"{fork}.1", "workflow_version": 3})
    return await answered(server, fork)


async def forked_in_a_graph(server: Server, worker: HttpWorker) -> str:
    run = await with_graphs_in_it(server, worker)
    return await answered(server, await answered(server, await forked(server, f"{run}.5")))


# ---- runs that go on


async def that_waits_for_somebody(server: Server, worker: HttpWorker) -> str:
    run = await begun(server, "asks")
    (asked,) = (await server.get(f"/interrupts?run_id={run}"))["items"]
    await server.post(f"/interrupts/{asked['id']}/claim", {"assignee": "ann"})
    await server.post(f"/runs/{run}/state", {"updates": {"n": 9}, "after_node": "ask"}, 202)
    return run


async def at_a_breakpoint(server: Server, worker: HttpWorker) -> str:
    return await begun(server, "asks", interrupt_before=["one"], interrupt_after=[])


async def in_a_graph(server: Server, worker: HttpWorker) -> str:
    return await begun(server, "nests")


async def that_nobody_serves(server: Server, worker: HttpWorker) -> str:
    run = await begun(server, "works", 0, config={"timeout_ms": 3_600_000})
    await told(server, run, "waiting")
    return run


async def that_a_worker_has_accepted(server: Server, worker: HttpWorker) -> str:
    await employed(server, worker, LATER)
    run = await begun(server, "works", 0)
    await told(server, run, "accepted")
    return run


async def that_a_worker_holds(server: Server, worker: HttpWorker) -> str:
    await employed(server, worker, hang)
    run = await begun(server, "works", 0)
    await told(server, run, "dispatch")
    return run


async def that_sleeps(server: Server, worker: HttpWorker) -> str:
    run = await begun(server, "sleeps", 0)
    await told(server, run, "waiting")
    return run


async def told(server: Server, run_id: str, kind: str) -> None:
    """Wait until an event of this kind is durable."""
    head = await server.wired.store.run(RunId(run_id))
    assert head is not None
    loop = server.wired.engine.loop
    async with asyncio.timeout(PATIENCE_S):
        while True:
            changes = loop.changes(head.key)
            if any(event.kind == kind for event in await server.wired.store.events(head.key, 0, 100)):
                return
            await loop.next_change(head.key, changes, PATIENCE_S)


ENDED: tuple[Play, ...] = (
    with_loops_and_sends, with_snapshots, that_failed_and_was_retried, that_failed, that_was_driven_again,
    that_was_cancelled, with_state_that_was_injected, with_branches, with_answers_that_were_reused, with_graphs_in_it,
)  # fmt: skip
FORKS: tuple[Play, ...] = (
    forked_from_a_fork, forked_with_reuse, forked_behind_a_snapshot, forked_to_another_version, forked_in_a_graph,
)  # fmt: skip
OPEN: tuple[Play, ...] = (
    that_waits_for_somebody, at_a_breakpoint, in_a_graph, that_nobody_serves, that_a_worker_has_accepted,
    that_a_worker_holds, that_sleeps,
)  # fmt: skip
PLAYS = (*ENDED, *FORKS, *OPEN)


def name(play: Play) -> str:
    return play.__name__


# ---- moving, and what must be the same then


async def documents_at(server: Server) -> None:
    for document in DOCUMENTS:
        await server.post("/workflows", document, 201)


async def exported(server: Server, run_id: str) -> bytes:
    response = await server.http.get(f"/runs/{run_id}/export")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return response.content


async def imported(server: Server, text: bytes, status: int = 201, query: str = "") -> Any:
    return await server.call("POST", f"/runs/import{query}", status, content=text)


async def shown(server: Server, run_id: str) -> dict[str, Any]:
    """All that a server shows of a run, read from its store."""
    head = await server.wired.store.run(RunId(run_id))
    assert head is not None
    server.wired.engine.loop.drop(head.key)
    run = await server.get(f"/runs/{run_id}")
    found: dict[str, Any] = {"run": {key: value for key, value in run.items() if key != "hold"}}
    for branch in run["branches"]:
        path = f"/runs/{run_id}/checkpoints?limit=1000&state=true&branch={branch['id']}"
        found[branch["id"]] = await server.get(path)
    found["tasks"] = await server.get(f"/runs/{run_id}/tasks?limit=1000")
    for task in found["tasks"]["items"]:
        found[task["id"]] = await server.get(f"/runs/{run_id}/tasks/{task['id']}")
    found["trace"] = await server.get(f"/runs/{run_id}/trace?limit=1000")
    found["interrupts"] = (await server.get(f"/interrupts?run_id={run_id}"))["items"]
    for interrupt in found["interrupts"]:
        if interrupt["status"] == "open":
            assert interrupt.pop("age_ms") >= 0  # it grows
    letters = (await server.get("/dead-letters?limit=1000"))["items"]
    found["letters"] = [letter for letter in letters if letter["run_id"] == run_id]
    for key in run["state"]:
        found[f"blame {key}"] = await server.get(f"/runs/{run_id}/blame?path={key}&limit=1000")
    found["diff"] = await server.get(f"/diff?from={run_id}.1&to={run['latest_checkpoint_id']}")
    if run["status"] in ("completed", "failed", "cancelled"):
        found["stream"] = (await server.http.get(f"/runs/{run_id}/stream?mode=debug")).text
    return found


async def problems(server: Server, run_id: str) -> list[str]:
    """What is wrong with a run."""
    return (await verify_run(server.wired.store, RunId(run_id), server.wired.workflows.graph)).problems
