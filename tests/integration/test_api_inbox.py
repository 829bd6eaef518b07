"""The inbox over HTTP: how long questions wait, and what is known where they were asked."""

from __future__ import annotations

from typing import Any

import pytest

from engine.ports import InterruptRow
from tests.unit.api.serving import Server, asking

MANY = {
    "id": "many",
    "state_schema": {"note": {"type": "string"}, "pages": {"type": "array"}, "answer": {}},
    "nodes": {"ask": {"type": "interrupt", "message": "Well?", "output_key": "answer"}},
    "edges": [["__start__", "ask"], ["ask", "__end__"]],
}
DOCUMENTS = (asking(), MANY)


async def begun(server: Server, **given: Any) -> Any:
    return await server.post("/workflows/many/runs?wait=30", {"input": given}, 201)


async def listed(server: Server, query: str = "status=open") -> list[Any]:
    found: list[Any] = (await server.get(f"/interrupts?{query}"))["items"]
    return found


def forget(server: Server) -> None:
    """Have no run left in memory."""
    loop = server.wired.engine.loop
    for key in list(loop.lives):
        loop.drop(key)


@pytest.mark.parametrize("in_memory", [True, False])
async def test_open_questions_come_with_an_excerpt_of_the_state(server: Server, in_memory: bool) -> None:
    await begun(server, note="first", pages=["x" * 3000])
    await begun(server, note="y" * 400)
    if not in_memory:
        forget(server)
    second, first = await listed(server)
    assert (first["state"], first["state_cut"]) == ({"note": "first"}, ["pages"])
    assert (second["state"]["note"], second["state_cut"]) == ("y" * 299 + "…", ["note"])


async def test_the_excerpt_is_of_the_state_that_was_asked_about(server: Server) -> None:
    run = await begun(server, note="first")
    await server.post(f"/runs/{run['id']}/state", {"updates": {"note": "second"}}, 202)
    [found] = await listed(server)
    assert (found["state"], (await server.get(f"/runs/{run['id']}"))["state"]["note"]) == ({"note": "first"}, "second")
    again = await server.get(f"/interrupts/{found['id']}")
    assert {**again, "age_ms": 0} == {**found, "age_ms": 0}


@pytest.mark.parametrize(
    ("act", "body", "status"), [("resume", {"resume": 1}, "resolved"), ("cancel", {}, "cancelled")]
)
async def test_what_is_over_has_no_excerpt_and_keeps_its_age(server: Server, act: str, body: Any, status: str) -> None:
    run = await begun(server, note="first")
    [waiting] = await listed(server)
    await server.post(f"/runs/{run['id']}/{act}", body)
    [one], [again] = await listed(server, f"status={status}"), await listed(server, f"status={status}")
    assert (one["state"], one["state_cut"]) == (None, [])
    assert waiting["age_ms"] <= one["age_ms"] == again["age_ms"]


async def test_questions_of_one_run_share_a_page_with_those_of_others(server: Server) -> None:
    both = {**MANY, "id": "both", "nodes": dict.fromkeys(("a", "b"), MANY["nodes"]["ask"])}
    both["edges"] = [edge for name in ("a", "b") for edge in (["__start__", name], [name, "__end__"])]
    await server.post("/workflows", both, 201)
    await begun(server, note="other")
    await server.post("/workflows/both/runs?wait=30", {"input": {"note": "mine"}}, 201)
    forget(server)
    assert [found["state"]["note"] for found in await listed(server)] == ["mine", "mine", "other"]


async def test_who_looks_again_reads_no_states(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for note in ("first", "second"):
        await begun(server, note=note, pages=["x" * 3000])
    forget(server)
    inbox, made = server.wired.inbox, []
    making = inbox._excerpts

    async def counted(run_key: int, asked: list[InterruptRow]) -> Any:
        made.append(run_key)
        return await making(run_key, asked)

    monkeypatch.setattr(inbox, "_excerpts", counted)
    pages = [await listed(server) for _ in range(3)]
    await begun(server, note="third")
    pages.append((await listed(server))[1:])

    assert len(made) == 3
    for page in pages:
        assert [(found["state"], found["state_cut"]) for found in page] == [
            ({"note": "second"}, ["pages"]), ({"note": "first"}, ["pages"]),
        ]  # fmt: skip
