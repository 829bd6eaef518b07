"""Runs that ask models: what they are told, and what becomes of them when a model fails, is slow, or is not wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_api_streams import streamed
from tests.unit.api.serving import Server, a_server
from tests.unit.dispatch.builders import HttpWorker, answer, free_port, hang
from tests.unit.dispatch.models import says, streams, words


def asking(workflow_id: str, **node: Any) -> dict[str, Any]:
    """A workflow that asks a model."""
    fields = {"type": "task", "worker_tags": ["m"], "prompt_template": "hi", "output_key": "out", **node}
    return {
        "id": workflow_id,
        "state_schema": {"out": {}, "talk": {"type": "array", "reducer": "add_messages"}},
        "nodes": {"ask": fields},
        "edges": [["__start__", "ask"], ["ask", "__end__"]],
    }


RETRY = {"max_attempts": 2, "initial_interval_ms": 1}
DOCUMENTS = (
    asking("once"),
    asking("again", retry=RETRY),
    asking("hasty", timeout_ms=200),
    asking("talking", prompt_template="and?", reads=["talk"], parameters={"messages_from": "talk", "system": "S"}),
    asking("agent", type="agent", max_turns=2, continuation_prompt="go on", retry=RETRY),
)


async def registered(server: Server, url: str, **fields: Any) -> None:
    row = {"id": "m1", "protocol": "openai_chat", "url": url, "tags": ["m"], "model": "m", "token": "sk-hush", **fields}
    await server.post("/workers", row, 201)


async def begun(server: Server, workflow_id: str, **fields: Any) -> str:
    run = await server.post(f"/workflows/{workflow_id}/runs", fields, 201)
    return str(run["id"])


async def the_task(server: Server, run_id: str) -> Any:
    [task] = (await server.get(f"/runs/{run_id}/tasks"))["items"]
    return await server.get(f"/runs/{run_id}/tasks/{task['id']}")


async def test_what_a_model_says_is_told_before_the_answer(server: Server, worker: HttpWorker) -> None:
    await registered(server, worker.url)
    worker.script = [says("Hel", "lo")]
    run = await server.settled(await begun(server, "once"))
    assert (run["status"], run["state"]["out"]) == ("completed", "Hello")
    assert (run["usage"]["input_tokens"], run["usage"]["output_tokens"]) == (3, 2)
    events = await streamed(server, f"/runs/{run['id']}/stream?mode=custom,updates")
    kinds = [event["event"] for event in events]
    assert kinds.index("updates") > max(place for place, kind in enumerate(kinds) if kind == "custom")
    parts = [part for event in events if event["event"] == "custom" for part in event["data"]["chunks"]]
    assert {part["channel"] for part in parts} == {"llm"}
    assert "".join(part["text"] for part in parts) == "Hello"


async def test_a_stream_that_was_cut_is_asked_for_again(server: Server, worker: HttpWorker) -> None:
    await registered(server, worker.url)
    worker.script = [streams(words("Hel", "lo")[:2], cut=True), says("Hello")]
    run = await server.settled(await begun(server, "again"))
    assert (run["status"], run["state"]["out"], len(worker.seen)) == ("completed", "Hello", 2)
    log = (await the_task(server, run["id"]))["log"]
    assert [line["attempt"] for line in log] == [1, 2]


async def test_a_model_that_is_gone_is_waited_for(server: Server, worker: HttpWorker) -> None:
    await registered(server, f"http://127.0.0.1:{free_port()}/v1")
    run_id = await begun(server, "once")
    await server.call("PATCH", "/workers/m1", json={"url": worker.url})
    worker.script = [says("here")]
    assert (await server.settled(run_id))["state"]["out"] == "here"


async def test_a_model_that_says_nothing_has_its_time(server: Server, worker: HttpWorker) -> None:
    await registered(server, worker.url)
    worker.script = [hang]
    run = await server.settled(await begun(server, "hasty"))
    assert (run["status"], run["error"]["code"]) == ("failed", "timeout")
    await worker.hung_up.wait()


async def test_a_cancelled_run_closes_the_connection_in_the_middle(server: Server, worker: HttpWorker) -> None:
    await registered(server, worker.url)

    async def half(seen: Any, request: Any) -> Any:
        await streams(words("Hel")[:2])(seen, request)
        return await hang(seen, request)

    worker.script = [half]
    run_id = await begun(server, "once")
    await worker.until(lambda: bool(worker.seen))
    await server.post(f"/runs/{run_id}/cancel")
    await worker.hung_up.wait()
    assert (await server.settled(run_id))["status"] == "cancelled"


async def test_a_conversation_of_the_state_goes_along(server: Server, worker: HttpWorker) -> None:
    await registered(server, worker.url)
    worker.script = [says("yes")]
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    await server.settled(await begun(server, "talking", input={"talk": talk}))
    assert worker.seen[0].body["messages"] == [
        {"role": "system", "content": "S"},
        *talk,
        {"role": "user", "content": "and?"},
    ]


async def test_the_turns_of_an_agent_are_one_conversation_over_a_restart(tmp_path: Path, worker: HttpWorker) -> None:
    worker.script = [says("one"), hang, says("two")]
    async with a_server(tmp_path) as server:
        await server.post("/workflows", DOCUMENTS[-1], 201)
        await registered(server, worker.url)
        run_id = await begun(server, "agent")
        await worker.until(lambda: len(worker.seen) == 2)
    async with a_server(tmp_path) as server:
        run = await server.settled(run_id)
    assert (run["status"], run["state"]["out"]) == ("completed", "two")
    assert (
        worker.seen[2].body["messages"]
        == worker.seen[1].body["messages"]
        == [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "one"},
            {"role": "user", "content": "go on"},
        ]
    )


async def test_a_model_that_has_nothing_left_is_left_alone(server: Server, worker: HttpWorker) -> None:
    await registered(server, worker.url)
    limits = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1h0m0s"}
    worker.script = [streams(words("a"), **limits)]
    await server.settled(await begun(server, "once"))
    [rate] = (await server.get("/rate-limits"))["items"]
    assert (rate["worker_id"], rate["remaining"]) == ("m1", 0)


@pytest.mark.parametrize("status", [401, 500])
async def test_the_key_is_nowhere_to_be_seen(server: Server, worker: HttpWorker, status: int) -> None:
    await registered(server, worker.url)
    worker.script = [answer({"error": {"message": "wrong key sk-hush", "code": "key"}}, status=status)]
    run_id = await begun(server, "once")
    run = await server.settled(run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "key")
    for path in (f"/runs/{run_id}", f"/runs/{run_id}/tasks", "/workers", "/dead-letters"):
        assert "sk-hush" not in str(await server.get(path))


async def test_an_address_with_a_password_is_refused(server: Server) -> None:
    row = {"id": "m", "protocol": "openai_chat", "url": "http://user:key@127.0.0.1/v1"}
    problem = await server.refused("POST", "/workers", 422, json=row)
    assert "use `token`" in problem["errors"][0]["message"]
