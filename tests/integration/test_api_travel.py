"""Time travel to look at, over HTTP: what differs between checkpoints and runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.serving import Server, asking, straight
from tests.unit.engine.test_patch import patched

WRITING = {
    "id": "writing",
    "state_schema": {
        "log": {"type": "array", "reducer": "append"},
        "o": {"type": "object", "reducer": "merge"},
        "n": {"type": "integer"},
    },
    "nodes": {
        "a": {"type": "transform", "updates": {"log": ["a", "b"], "o": {"k": {"x": 1}, "gone": 1}, "n": 1}},
        "b": {
            "type": "transform",
            "updates": {"log": "c", "o": {"__overwrite": True, "value": {"k": {"x": 2, "y/z": [1]}}}},
        },
    },
    "edges": [["__start__", "a"], ["a", "b"], ["b", "__end__"]],
}
SUM = {"$expr": "state.n + 1"}
COUNTING = {
    "id": "counting",
    "state_schema": {"n": {"type": "integer", "default": 0}, "m": {"type": "integer"}},
    "nodes": {
        "one": {"type": "transform", "updates": {"n": SUM}},
        "two": {"type": "transform", "updates": {"n": SUM}},
        "same": {"type": "transform", "updates": {"m": 1}},
    },
    "edges": [["__start__", "one"], ["one", "two"], ["two", "same"], ["same", "__end__"]],
}


DOCUMENTS = (straight(), asking(), WRITING, COUNTING)


async def run_of(server: Server, workflow: str, **body: Any) -> str:
    return str((await server.post(f"/workflows/{workflow}/runs?wait=10", body, 201))["id"])


async def fork_of(server: Server, checkpoint: str, **body: Any) -> str:
    fork = await server.post("/runs/fork", {"checkpoint_id": checkpoint, **body}, 201)
    return str((await server.settled(fork["id"]))["id"])


async def state_at(server: Server, checkpoint: str) -> Any:
    return await server.get(f"/runs/{checkpoint.rpartition('.')[0]}/checkpoints/{checkpoint}/state")


async def diff(server: Server, before: str, after: str) -> Any:
    return await server.get("/diff", params={"from": before, "to": after})


async def test_a_diff_leads_from_one_state_to_the_other_and_back(server: Server) -> None:
    run = await run_of(server, "writing")
    points = [f"{run}.{seq}" for seq in range(1, 5)]
    for before in points:
        for after in points:
            found = await diff(server, before, after)
            assert patched(await state_at(server, before), found["patch"]) == await state_at(server, after)


async def test_a_diff_within_a_run_tells_the_tasks_between(server: Server) -> None:
    run = await run_of(server, "writing")
    there = (await diff(server, f"{run}.1", f"{run}.3"))["tasks"]
    back = (await diff(server, f"{run}.3", f"{run}.2"))["tasks"]
    assert [(task["address"], task["change"], task["from"]) for task in there] == [
        ("a", "added", None),
        ("b", "added", None),
    ]
    assert [(task["address"], task["change"], task["to"]) for task in back] == [("b", "removed", None)]
    assert there[1]["to"]["checkpoint_id"] == f"{run}.3"


async def test_a_diff_with_a_fork_leaves_out_what_came_before_it_and_what_is_the_same(server: Server) -> None:
    run = await run_of(server, "counting")
    fork = await fork_of(server, f"{run}.2", updates={"n": 10})
    found = await diff(server, f"{run}.4", f"{fork}.3")
    assert found["patch"] == [{"op": "replace", "path": "/n", "value": 11}]
    assert [(task["address"], task["change"], task["same_output"]) for task in found["tasks"]] == [
        ("two", "changed", False)
    ]


async def test_a_diff_of_unrelated_runs_compares_them_whole(server: Server) -> None:
    one, other = await run_of(server, "counting"), await run_of(server, "writing")
    found = await diff(server, f"{one}.4", f"{other}.3")
    changes = {(task["address"], task["change"]) for task in found["tasks"]}
    assert changes == {
        ("one", "removed"), ("two", "removed"), ("same", "removed"), ("a", "added"), ("b", "added"),
    }  # fmt: skip


async def test_the_tasks_of_a_diff_come_in_pages(server: Server) -> None:
    one, other = await run_of(server, "counting"), await run_of(server, "writing")
    ends = {"from": f"{one}.4", "to": f"{other}.3"}
    whole, pages, cursor = await server.get("/diff", params=ends), [], ""
    while cursor is not None:
        page = await server.get("/diff", params={**ends, "limit": 2, **({"cursor": cursor} if cursor else {})})
        pages.append(page["tasks"])
        cursor = page["next_cursor"]
        assert page["patch"] == whole["patch"]
    assert whole["next_cursor"] is None
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [task for page in pages for task in page] == whole["tasks"]


@pytest.mark.parametrize("cursor", ["x", "-1", "1.1", "", "9" * 13])
async def test_a_diff_takes_no_cursor_that_it_has_not_given(server: Server, cursor: str) -> None:
    run = await run_of(server, "straight")
    ends = {"from": f"{run}.1", "to": f"{run}.1", "cursor": cursor}
    assert (await server.refused("GET", "/diff", 422, params=ends))["code"] == "cursor.invalid"


@pytest.mark.parametrize("point", ["nonsense", "{run}", "{run}.0", "{run}.99", "{run}.01", "ghost.1"])
async def test_a_diff_with_a_checkpoint_that_is_none_is_not_found(server: Server, point: str) -> None:
    run = await run_of(server, "straight")
    await server.refused("GET", "/diff", 404, params={"from": f"{run}.1", "to": point.format(run=run)})
    await server.refused("GET", "/diff", 404, params={"to": f"{run}.1", "from": point.format(run=run)})


async def test_a_diff_needs_two_checkpoints(server: Server) -> None:
    run = await run_of(server, "straight")
    problem = await server.refused("GET", "/diff", 422, params={"from": f"{run}.1"})
    assert problem["errors"][0]["path"] == "/to"
    await server.refused("GET", "/diff", 422, params={"from": f"{run}.1", "to": f"{run}.1", "x": "1"})


# ---- goto


async def test_a_fork_and_a_replay_go_on_where_they_are_told(server: Server) -> None:
    run = await run_of(server, "counting")
    asked: dict[str, Any] = {"checkpoint_id": f"{run}.5", "goto": ["two", "two"], "updates": {"n": 10}}
    fork = await fork_of(server, asked["checkpoint_id"], goto="two", updates={"n": 10})
    assert (await state_at(server, f"{fork}.3"))["n"] == 11
    await server.post(f"/runs/{run}/replay", asked, 200)
    await server.settled(run)
    again = await server.get(f"/runs/{run}/checkpoints/{run}.7")
    assert (again["node"], again["branch"]) == ("two", "branch-2")
    assert (await state_at(server, f"{run}.8"))["n"] == 11


async def test_a_goto_that_cannot_be_is_refused(server: Server) -> None:
    run = await run_of(server, "counting")
    path, here = f"/runs/{run}/fork", {"checkpoint_id": f"{run}.5"}
    ghost = await server.refused("POST", path, 422, json={**here, "goto": "ghost"})
    assert ghost["code"] == "goto.unknown_node"
    over = await server.refused("POST", path, 409, json={**here, "goto": "__end__"})
    assert over["code"] == "fork.nothing_left"
    await server.refused("POST", path, 422, json={**here, "goto": []})
    await server.refused("POST", path, 422, json={**here, "goto": 1})


# ---- compare


async def compare(server: Server, a: str, b: str) -> Any:
    return await server.get("/compare", params={"a": a, "b": b})


async def test_a_fork_is_compared_from_the_checkpoint_that_both_come_from(server: Server) -> None:
    run = await run_of(server, "counting")
    fork = await fork_of(server, f"{run}.2", updates={"n": 10})
    found = await compare(server, run, fork)
    assert found["common_ancestor"] == f"{run}.2"
    assert found["first_divergence"] == {
        "a": {"checkpoint_id": f"{run}.3", "kind": "node", "node": "two"},
        "b": {"checkpoint_id": f"{fork}.1", "kind": "fork", "node": None},
        "address": "two",
    }
    assert [(task["address"], task["change"]) for task in found["tasks"]] == [("two", "changed"), ("same", "same")]
    assert found["patch"] == [{"op": "replace", "path": "/n", "value": 11}]
    assert found["usage"]["delta"] == {"input_tokens": 0, "output_tokens": 0, "cost": 0.0}


async def test_two_forks_have_their_common_ancestor_in_the_run_they_come_from(server: Server) -> None:
    run = await run_of(server, "counting")
    one, other = await fork_of(server, f"{run}.3"), await fork_of(server, f"{run}.2")
    again = await fork_of(server, f"{one}.1")
    assert (await compare(server, one, other))["common_ancestor"] == f"{run}.2"
    assert (await compare(server, again, other))["common_ancestor"] == f"{run}.2"
    assert (await compare(server, again, one))["common_ancestor"] == f"{one}.1"


async def test_runs_of_one_workflow_are_compared_whole(server: Server) -> None:
    one, other = await run_of(server, "counting"), await run_of(server, "counting", input={"n": 5})
    found = await compare(server, one, other)
    assert found["common_ancestor"] is None
    assert [(task["address"], task["change"]) for task in found["tasks"]] == [
        ("one", "changed"), ("two", "changed"), ("same", "same"),
    ]  # fmt: skip


async def test_the_pages_of_a_comparison_are_of_what_was_compared_first(server: Server) -> None:
    one, other = await run_of(server, "counting"), await run_of(server, "asking")
    whole = await compare(server, one, other)
    first = await server.get("/compare", params={"a": one, "b": other, "limit": 1})
    await server.post(f"/runs/{other}/resume", {"resume": 5}, 200)
    await server.settled(other)
    ends = {"a": one, "b": other, "cursor": first["next_cursor"]}
    rest = await server.get("/compare", params=ends)
    assert [*first["tasks"], *rest["tasks"]] == whole["tasks"]
    assert rest["b"] == whole["b"] != (await compare(server, one, other))["b"]
    assert rest["next_cursor"] is None
    for wrong in ("1", "9.9.1", "0.1.1", "1.1.x"):
        problem = await server.refused("GET", "/compare", 422, params={**ends, "cursor": wrong})
        assert problem["code"] == "cursor.invalid"
    fixed = {"a": f"{one}.2", "b": f"{other}.1", "cursor": "1.1.0"}
    await server.refused("GET", "/compare", 422, params=fixed)


async def test_a_run_does_not_differ_from_itself(server: Server) -> None:
    run = await run_of(server, "counting")
    found = await compare(server, run, run)
    assert (found["first_divergence"], found["tasks"], found["patch"]) == (None, [], [])
    earlier = await compare(server, f"{run}.3", run)
    assert [(task["address"], task["change"]) for task in earlier["tasks"]] == [("same", "only_b")]
    await server.refused("GET", "/compare", 404, params={"a": run, "b": "ghost"})


# ---- workflows


async def test_versions_of_a_workflow_are_compared(server: Server) -> None:
    await server.call("PUT", "/workflows/straight", json=straight(name="new"))
    found = await server.get("/workflows/straight/versions/1/diff/2")
    assert found == {"from": 1, "to": 2, "patch": [{"op": "add", "path": "/name", "value": "new"}]}
    await server.refused("GET", "/workflows/straight/versions/1/diff/3", 404)
    await server.refused("GET", "/workflows/straight/versions/x/diff/1", 404)


async def test_a_workflow_is_duplicated_under_a_free_id(server: Server) -> None:
    first = await server.post("/workflows/straight/duplicate", None, 201)
    second = await server.post("/workflows/straight/duplicate", {}, 201)
    named = await server.post("/workflows/straight/duplicate", {"id": "mine", "name": "Mine"}, 201)
    assert [first["id"], second["id"], named["id"]] == ["straight-copy", "straight-copy-2", "mine"]
    assert (named["version"], named["name"], named["definition"]["id"]) == (1, "Mine", "mine")
    assert first["definition"] == {**(await server.get("/workflows/straight"))["definition"], "id": "straight-copy"}
    taken = await server.refused("POST", "/workflows/straight/duplicate", 409, json={"id": "mine"})
    assert taken["code"] == "workflow.exists"
    await server.refused("POST", "/workflows/ghost/duplicate", 404)


async def test_a_workflow_is_paused_and_made_active_again(server: Server) -> None:
    assert (await server.post("/workflows/straight/pause"))["status"] == "paused"
    assert [found["id"] for found in (await server.get("/workflows?status=paused"))["items"]] == ["straight"]
    assert (await server.post("/workflows/straight/activate"))["status"] == "active"
    await server.refused("POST", "/workflows/ghost/pause", 404)
