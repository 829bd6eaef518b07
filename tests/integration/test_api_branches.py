"""Travel in a run, over HTTP: replay, checkout, injected state, retry, reuse, other versions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.serving import Server

ADD = {"$expr": "state.n + 1"}
ASKS = {
    "id": "asks",
    "state_schema": {"n": {"type": "integer", "default": 0}, "said": {"type": "string"}, "last": {"type": "integer"}},
    "nodes": {
        "one": {"type": "transform", "updates": {"n": ADD}},
        "ask": {"type": "interrupt", "message": "what?", "output_key": "said"},
        "two": {"type": "transform", "updates": {"last": {"$expr": "state.n * 10"}}},
    },
    "edges": [["__start__", "one"], ["one", "ask"], ["ask", "two"], ["two", "__end__"]],
}


DOCUMENTS = (ASKS,)


async def asked(server: Server, **body: Any) -> dict[str, Any]:
    """A run that waits at its interrupt."""
    return await server.post("/workflows/asks/runs?wait=10", body, 201)


async def answered(server: Server, run: dict[str, Any], value: Any = "yes") -> dict[str, Any]:
    await server.post(f"/runs/{run['id']}/resume", {"resume": value}, 200)
    return await server.settled(run["id"])


async def kinds(server: Server, run_id: str, query: str = "") -> list[str]:
    page = await server.get(f"/runs/{run_id}/checkpoints?limit=100{query}")
    return [item["kind"] for item in reversed(page["items"])]


async def test_a_replay_goes_on_from_a_checkpoint_on_a_branch_of_its_own(server: Server) -> None:
    run = await answered(server, await asked(server))
    body = {"checkpoint_id": f"{run['id']}.2", "updates": {"n": 7}}

    replayed = await server.post(f"/runs/{run['id']}/replay", body, 200)

    assert (replayed["state"]["n"], replayed["dropped"]) == (7, [])
    assert [branch["id"] for branch in replayed["branches"]] == ["main", "branch-2"]
    assert (await server.settled(run["id"]))["status"] == "interrupted"
    end = await answered(server, run, "no")
    assert end["state"] == {"n": 7, "said": "no", "last": 70}
    assert await kinds(server, run["id"]) == ["start", "node", "replay", "interrupt", "resume", "node", "node", "end"]
    assert await kinds(server, run["id"], "&branch=main") == [
        "start", "node", "interrupt", "resume", "node", "node", "end",
    ]  # fmt: skip


async def test_a_branch_that_was_left_can_be_checked_out(server: Server) -> None:
    run = await answered(server, await asked(server))
    await server.post(f"/runs/{run['id']}/replay", {"checkpoint_id": f"{run['id']}.2"}, 200)

    back = await server.post(f"/runs/{run['id']}/branches/main/checkout", {}, 200)

    assert (back["status"], back["state"]) == (run["status"], run["state"])
    refused = await server.refused("POST", f"/runs/{run['id']}/branches/main/checkout", 409, json={})
    assert refused["code"] == "branch.current"
    await server.refused("POST", f"/runs/{run['id']}/branches/branch-9/checkout", 404, json={})


async def test_an_interrupt_of_a_branch_that_was_left_is_told_from_one_of_a_run_that_has_failed(server: Server) -> None:
    bad = {"type": "transform", "updates": {"said": "{{ state.missing }}"}}
    document = {
        **ASKS,
        "id": "fails",
        "nodes": {**ASKS["nodes"], "bad": bad},
        "edges": [*ASKS["edges"], ["one", "bad"]],
    }
    document["state_schema"] = {**ASKS["state_schema"], "missing": {}}
    await server.post("/workflows", document, 201)
    run = await server.settled((await server.post("/workflows/fails/runs", {}, 201))["id"])
    (old,) = (found["id"] for found in run["interrupts"])
    own = await server.refused("POST", f"/interrupts/{old}/resume", 409, json={"resume": "x"})
    await server.post(f"/runs/{run['id']}/replay", {"checkpoint_id": f"{run['id']}.1"}, 200)
    left = await server.settled(run["id"])

    refused = await server.refused("POST", f"/interrupts/{old}/resume", 409, json={"resume": "x"})

    assert (run["status"], left["status"]) == ("failed", "failed")
    assert (own["code"], refused["code"]) == ("interrupt.closed", "interrupt.other_branch")


async def test_an_interrupt_of_a_branch_that_was_left_cannot_be_answered(server: Server) -> None:
    run = await asked(server)
    old = run["interrupts"][0]["id"]
    await server.post(f"/runs/{run['id']}/replay", {"checkpoint_id": f"{run['id']}.2"}, 200)
    replayed = await server.settled(run["id"])

    refused = await server.refused("POST", f"/interrupts/{old}/resume", 409, json={"resume": "x"})

    assert refused["code"] == "interrupt.other_branch"
    assert [found["id"] for found in (await server.get("/interrupts?status=open"))["items"]] == [
        replayed["interrupts"][0]["id"]
    ]


async def test_state_is_injected_now_and_after_a_node(server: Server) -> None:
    run = await asked(server)
    now = await server.post(f"/runs/{run['id']}/state", {"updates": {"n": 4}}, 202)
    later = await server.post(f"/runs/{run['id']}/state", {"updates": {"n": 9}, "after_node": "ask"}, 202)

    end = await answered(server, run)

    assert (now["checkpoint"]["kind"], now["pending"], later["checkpoint"]) == ("state", None, None)
    assert later["pending"]["after_node"] == "ask" and end["state"]["last"] == 90
    assert (await kinds(server, run["id"]))[-4:] == ["node", "state", "node", "end"]
    over = await server.refused("POST", f"/runs/{run['id']}/state", 409, json={"updates": {"n": 1}})
    assert over["code"] == "run.terminal"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"updates": {"n": "x"}}, "state.invalid"),
        ({"updates": {"ghost": 1}}, "state.unknown_key"),
        ({"updates": {"n": 1}, "after_node": "ghost"}, "reference.node"),
    ],
)
async def test_state_that_does_not_fit_is_refused(server: Server, body: dict[str, Any], code: str) -> None:
    run = await asked(server)

    assert (await server.refused("POST", f"/runs/{run['id']}/state", 422, json=body))["code"] == code
    assert await kinds(server, run["id"]) == ["start", "node", "interrupt"]


async def test_a_run_that_reached_a_limit_goes_on_with_a_higher_one(server: Server) -> None:
    run = await asked(server, config={"max_steps": 1})
    assert (run["status"], run["error"]["code"]) == ("failed", "run.step_limit")

    await server.post(f"/runs/{run['id']}/retry", {"config": {"max_steps": 10}}, 200)

    end = await answered(server, run)
    assert (end["status"], end["state"]["last"]) == ("completed", 10)
    again = await server.refused("POST", f"/runs/{run['id']}/retry", 409, json={})
    assert again["code"] == "run.not_failed"


async def test_a_retry_raises_limits_and_nothing_else(server: Server) -> None:
    run = await asked(server, config={"max_steps": 1})

    refused = await server.refused("POST", f"/runs/{run['id']}/retry", 422, json={"config": {"color": "red"}})

    assert refused["code"] == "config.invalid"


async def test_a_cancelled_run_cannot_be_moved(server: Server) -> None:
    run = await asked(server)
    await server.post(f"/runs/{run['id']}/cancel", {}, 200)

    refused = await server.refused("POST", f"/runs/{run['id']}/replay", 409, json={"checkpoint_id": f"{run['id']}.2"})

    assert refused["code"] == "run.cancelled"


async def test_what_a_human_answered_is_taken_over_where_that_is_asked_for(server: Server) -> None:
    run = await answered(server, await asked(server))
    body = {"checkpoint_id": f"{run['id']}.1", "reuse": "unchanged", "reuse_interrupts": True}

    await server.post("/runs/fork", body, 201)
    replayed = await server.post(f"/runs/{run['id']}/replay", body, 200)
    end = await server.settled(run["id"])

    assert replayed["branches"][-1]["id"] == "branch-2"
    assert (end["status"], end["state"]) == ("completed", run["state"])


@pytest.mark.parametrize("path", ["/runs/fork", "/runs/{id}/replay", "/runs/bulk"])
async def test_the_answers_of_humans_alone_are_not_taken_over(server: Server, path: str) -> None:
    run = await asked(server)
    bulk = {"action": "fork", "filter": {"ids": [run["id"]]}}
    body = bulk if path == "/runs/bulk" else {"checkpoint_id": f"{run['id']}.1"}

    refused = await server.refused("POST", path.format(**run), 422, json={**body, "reuse_interrupts": True})

    assert "goes with reuse" in refused["errors"][0]["message"]


# ---- other versions


async def test_a_fork_goes_on_with_another_version(server: Server) -> None:
    run = await asked(server)
    nodes = {**ASKS["nodes"], "two": {"type": "transform", "updates": {"last": {"$expr": "state.n * 1000"}}}}  # type: ignore[dict-item]
    await server.call("PUT", "/workflows/asks", json={**ASKS, "nodes": nodes})
    body = {"checkpoint_id": run["latest_checkpoint_id"], "workflow_version": 2}

    fork = await server.post("/runs/fork", body, 201)
    end = await answered(server, fork)

    assert (fork["workflow_version"], fork["dropped"], end["state"]["last"]) == (2, [], 1000)
    assert (await answered(server, run))["state"]["last"] == 10
    first = (await server.get(f"/runs/{fork['id']}/checkpoints?limit=100"))["items"][-1]
    assert (first["kind"], first["workflow_version"], first["dropped"]) == ("fork", 2, [])


async def test_a_replay_drops_what_has_no_place_in_the_other_version(server: Server) -> None:
    parallel = {
        **ASKS,
        "nodes": {**ASKS["nodes"], "beside": {"type": "interrupt", "message": "and?", "output_key": "said"}},  # type: ignore[dict-item]
        "edges": [*ASKS["edges"], ["__start__", "beside"], ["beside", "__end__"]],
    }
    await server.call("PUT", "/workflows/asks", json=parallel)
    run = await asked(server)
    await server.call("PUT", "/workflows/asks", json=ASKS)
    body = {"checkpoint_id": run["latest_checkpoint_id"], "workflow_version": 3}

    replayed = await server.post(f"/runs/{run['id']}/replay", body, 200)

    assert (replayed["workflow_version"], replayed["dropped"]) == (3, ["beside"])
    left = await server.settled(run["id"])  # it is answered as it was left, and goes on after that
    assert [found["node"] for found in left["interrupts"]] == ["ask"]
    back = await server.post(f"/runs/{run['id']}/branches/main/checkout", {}, 200)
    assert (back["workflow_version"], len((await server.settled(run["id"]))["interrupts"])) == (2, 2)


async def test_a_key_that_another_version_defines_otherwise_keeps_its_value(server: Server) -> None:
    run = await asked(server)
    state = {
        **ASKS["state_schema"],
        "n": {"type": "integer", "reducer": "add"},
        "new": {"type": "string", "default": "d"},
    }  # type: ignore[dict-item]
    await server.call("PUT", "/workflows/asks", json={**ASKS, "state_schema": state})
    body = {"checkpoint_id": run["latest_checkpoint_id"], "workflow_version": 2, "updates": {"n": 4}}

    fork = await server.post("/runs/fork", body, 201)

    assert fork["state"] == {"n": 5, "new": "d"}


async def test_a_version_that_cannot_hold_the_state_is_refused(server: Server) -> None:
    run = await asked(server)
    state = {**ASKS["state_schema"], "n": {"type": "string"}}  # type: ignore[dict-item]
    nodes = {
        **ASKS["nodes"],
        "one": {"type": "transform", "updates": {"n": "x"}},
        "two": {"type": "transform", "updates": {"last": 1}},
    }  # type: ignore[dict-item]
    await server.call("PUT", "/workflows/asks", json={**ASKS, "state_schema": state, "nodes": nodes})
    body = {"checkpoint_id": run["latest_checkpoint_id"], "workflow_version": 2}

    refused = await server.refused("POST", "/runs/fork", 422, json=body)

    assert refused["code"] == "state.invalid" and "'n'" in refused["detail"]
    fixed = {**body, "updates": {"n": {"__overwrite": True, "value": "one"}}}
    assert (await server.post("/runs/fork", fixed, 201))["state"]["n"] == "one"


async def test_a_version_in_which_nothing_is_left_to_run_is_refused(server: Server) -> None:
    run = await asked(server)
    nodes = {"one": ASKS["nodes"]["one"]}  # type: ignore[index]
    await server.call(
        "PUT", "/workflows/asks", json={**ASKS, "nodes": nodes, "edges": [["__start__", "one"], ["one", "__end__"]]}
    )
    body = {"checkpoint_id": run["latest_checkpoint_id"], "workflow_version": 2}

    for path in ("/runs/fork", f"/runs/{run['id']}/replay"):
        assert (await server.refused("POST", path, 409, json=body))["code"] == "fork.nothing_left"
    await server.refused("POST", "/runs/fork", 404, json={**body, "workflow_version": 9})
