"""Who wrote a place in the state, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.serving import Server

NOTES = {
    "id": "notes",
    "state_schema": {
        "log": {"type": "array", "reducer": "append"},
        "o": {"type": "object", "reducer": "merge"},
        "n": {"type": "integer", "reducer": "add"},
        "top": {"type": "integer", "reducer": "max"},
        "last": {},
        "talk": {"type": "array", "reducer": "add_messages"},
        "unused": {"type": "string"},
        "given": {"type": "string", "default": "so"},
        "hint": {"type": "string", "ephemeral": True},
    },
    "nodes": {
        "a": {
            "type": "transform",
            "updates": {"log": ["a", "b"], "o": {"k": {"x": 1}, "j": 1}, "n": 1, "top": 5, "last": {"p": [1]},
                        "talk": [{"id": "1", "text": "one"}, {"id": "2", "text": "two"}], "hint": "psst"},
        },
        "up": {"type": "transform", "updates": {"log": "c", "o": {"k": {"y": 2}}, "n": 2, "last": {"p": [2, 3]}}},
        "low": {"type": "transform", "updates": {"log": "d", "top": 3, "last": {"q": 1},
                                                 "talk": [{"id": "1", "remove": True}, {"id": "2", "text": "TWO"}]}},
        "ask": {"type": "interrupt", "message": "?", "output_key": "last"},
    },
    "edges": [["__start__", "a"], ["a", "up"], ["a", "low"], ["up", "ask"], ["low", "ask"], ["ask", "__end__"]],
}  # fmt: skip


DOCUMENTS = (NOTES,)


@pytest.fixture
async def run(server: Server) -> str:
    return str((await server.post("/workflows/notes/runs?wait=10", {"input": {"n": 10}}, 201))["id"])


async def blame(server: Server, run: str, path: str, **params: Any) -> Any:
    return await server.get(f"/runs/{run}/blame", params={"path": path, **params})


async def fork_of(server: Server, checkpoint: str, **updates: Any) -> str:
    fork = await server.post("/runs/fork", {"checkpoint_id": checkpoint, "updates": updates}, 201)
    return str((await server.settled(fork["id"]))["id"])


def told(found: Any) -> list[tuple[Any, str, Any]]:
    return [(item["node"] or item["kind"], item["effect"], item["value"]) for item in found["items"]]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("n", [("up", "adds", 2), ("a", "adds", 1), ("start", "adds", 10)]),
        ("state.n", [("up", "adds", 2), ("a", "adds", 1), ("start", "adds", 10)]),
        ("log", [("low", "adds", "d"), ("up", "adds", "c"), ("a", "adds", ["a", "b"])]),
        ("log[1]", [("a", "replaces", "b")]),
        ("log[3]", [("low", "replaces", "d")]),
        ("log[4]", []),
        ("top", [("a", "replaces", 5)]),
        ("o.k", [("up", "adds", {"y": 2}), ("a", "replaces", {"x": 1})]),
        ("o.k.x", [("a", "replaces", 1)]),
        ("o.j", [("a", "replaces", 1)]),
        ("last", [("low", "replaces", {"q": 1}), ("up", "replaces", {"p": [2, 3]}), ("a", "replaces", {"p": [1]})]),
        ("last.p[0]", [("low", "replaces", None), ("up", "replaces", 2), ("a", "replaces", 1)]),
        ("talk[0].text", [("low", "replaces", "TWO"), ("a", "replaces", "two")]),
        ("unused", []),
        ("given", []),
    ],
)
async def test_every_change_of_a_place_is_told_the_last_one_first(
    server: Server, run: str, path: str, expected: list[Any]
) -> None:
    assert told(await blame(server, run, path)) == expected


async def test_the_value_is_the_one_that_the_checkpoint_shows(server: Server, run: str) -> None:
    for seq in range(1, 5):
        state = await server.get(f"/runs/{run}/checkpoints/{run}.{seq}/state")
        for key in NOTES["state_schema"]:  # type: ignore[attr-defined]
            found = await blame(server, run, key, checkpoint=f"{run}.{seq}")
            assert (found["exists"], found["value"]) == (key in state, state.get(key)), (seq, key)


async def test_what_took_a_place_away_is_told_as_removed(server: Server, run: str) -> None:
    found = await blame(server, run, "last.p[0]")
    assert (found["exists"], [item["removed"] for item in found["items"]]) == (False, [True, False, False])


async def test_a_commit_is_told_with_its_task_and_where_it_is_found(server: Server, run: str) -> None:
    item = (await blame(server, run, "top"))["items"][0]
    checkpoint = await server.get(f"/runs/{run}/checkpoints/{item['checkpoint_id']}")
    assert (item["task_id"], item["address"], item["actor"]) == (checkpoint["task_id"], "a", checkpoint["actor"])


async def test_an_ephemeral_key_was_written_by_the_commit_that_shows_it(server: Server, run: str) -> None:
    assert told(await blame(server, run, "hint", checkpoint=f"{run}.2")) == [("a", "replaces", "psst")]
    assert told(await blame(server, run, "hint", checkpoint=f"{run}.3")) == []


async def test_a_fork_tells_its_own_edit_and_what_the_runs_above_it_wrote(server: Server, run: str) -> None:
    fork = (await server.post("/runs/fork", {"checkpoint_id": f"{run}.2", "updates": {"n": 100, "log": "e"}}, 201))[
        "id"
    ]
    await server.settled(fork)
    again = (await server.post("/runs/fork", {"checkpoint_id": f"{fork}.1", "updates": {"log": "f"}}, 201))["id"]
    await server.settled(again)
    found = await blame(server, again, "log")
    assert told(found)[2:] == [("fork", "adds", "f"), ("fork", "adds", "e"), ("a", "adds", ["a", "b"])]
    assert [item["run_id"] for item in found["items"]] == [again, again, again, fork, run]
    assert told(await blame(server, again, "n"))[1] == ("fork", "adds", 100)
    assert found["value"] == (await server.get(f"/runs/{again}"))["state"]["log"]


async def test_a_branch_tells_its_own_line_and_not_the_one_that_was_left(server: Server, run: str) -> None:
    await server.post(f"/runs/{run}/replay", {"checkpoint_id": f"{run}.2", "updates": {"last": "edit"}})
    await server.settled(run)
    found = await blame(server, run, "last")
    assert told(found)[-2:] == [("replay", "replaces", "edit"), ("a", "replaces", {"p": [1]})]
    assert [item["node"] for item in found["items"]] == ["low", "up", None, "a"]
    assert {item["checkpoint_id"] for item in found["items"]}.isdisjoint({f"{run}.3", f"{run}.4"})
    left = await blame(server, run, "last", checkpoint=f"{run}.5")
    assert {item["checkpoint_id"] for item in left["items"]} == {f"{run}.2", f"{run}.3", f"{run}.4"}


async def test_an_injected_edit_is_told_with_its_actor(server: Server, run: str) -> None:
    await server.post(f"/runs/{run}/state", {"updates": {"last": None}}, 202)
    found = await blame(server, run, "last")
    first = found["items"][0]
    assert (first["kind"], first["effect"], first["removed"], first["value"]) == ("state", "replaces", False, None)
    assert (found["exists"], found["value"]) == (True, None)
    assert first["actor"] == (await server.get(f"/runs/{run}/checkpoints/{first['checkpoint_id']}"))["actor"]


async def test_an_overwrite_replaces_whatever_the_reducer(server: Server, run: str) -> None:
    await server.post(f"/runs/{run}/state", {"updates": {"log": {"__overwrite": True, "value": ["z"]}}}, 202)
    assert told(await blame(server, run, "log"))[0] == ("state", "replaces", ["z"])
    assert told(await blame(server, run, "log[1]"))[0] == ("state", "replaces", None)


async def test_pages_fit_together_while_the_run_goes_on(server: Server, run: str) -> None:
    whole = await blame(server, run, "last")
    first = await blame(server, run, "last", limit=2)
    await server.post(f"/runs/{run}/state", {"updates": {"last": 9}}, 202)
    second = await blame(server, run, "last", limit=2, cursor=first["next_cursor"])
    assert [*first["items"], *second["items"]] == whole["items"]
    assert (second["checkpoint_id"], second["next_cursor"]) == (whole["checkpoint_id"], None)


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({}, 422, "request.invalid"),
        ({"path": ""}, 422, "path.invalid"),
        ({"path": "a..b"}, 422, "path.invalid"),
        ({"path": "[0]"}, 422, "path.invalid"),
        ({"path": "ghost"}, 422, "state.unknown_key"),
        ({"path": "n", "checkpoint": "{run}.99"}, 404, "not_found"),
        ({"path": "n", "checkpoint": "other.1"}, 404, "not_found"),
        ({"path": "n", "cursor": "x"}, 422, "cursor.invalid"),
        ({"path": "n", "cursor": "1.99"}, 422, "cursor.invalid"),
        ({"path": "n", "cursor": "99.0"}, 422, "cursor.invalid"),
        ({"path": "n", "cursor": "1.0", "checkpoint": "{run}.2"}, 422, "cursor.invalid"),
        ({"path": "n", "x": "1"}, 422, "request.invalid"),
    ],
)
async def test_what_cannot_be_answered_is_refused_by_name(
    server: Server, run: str, params: dict[str, str], status: int, code: str
) -> None:
    given = {name: value.format(run=run) for name, value in params.items()}
    assert (await server.refused("GET", f"/runs/{run}/blame", status, params=given))["code"] == code


async def test_a_run_that_is_none_is_not_found(server: Server) -> None:
    await server.refused("GET", "/runs/ghost/blame", 404, params={"path": "n"})
