"""What the official conformance kits of Agent2Agent demand, with the types of the official SDKs as the judge.

The agents are those of `examples/a2a-conformance`, as its README has them, at the addresses of one version alone.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import ROOT, client_of, serving
from tests.e2e.test_a2a_peers import ran

FOLDER = ROOT / "examples" / "a2a-conformance"
WORKER = {"id": "tck", "protocol": "local", "url": f"{FOLDER}/worker.py:tck", "tags": ["tck"], "max_concurrent": 4}
STATE = "TASK_STATE_"
V1, V03 = pytest.mark.xdist_group("a2a-1.3"), pytest.mark.xdist_group("a2a-0.3")


async def asked(folder: Path, version: str, script: str, agent: str) -> Any:
    """What a script says of an agent of a server that is started as the README says."""
    env = {"CLEW_WORKFLOWS": str(FOLDER), "CLEW_LOCAL_WORKERS": "1"}
    async with serving(folder, env=env) as server, client_of(server.url) as client:
        await client.ask("POST", "/workers", WORKER)
        return await ran(version, script, f"{server.url}/a2a/{agent}")


@pytest.fixture(scope="session")
def v1(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """All that the client of 1.0 was told by `tck-v1`."""
    return asyncio.run(asked(tmp_path_factory.mktemp("v1"), "1.3", "conformance_v1.py", "v1/tck-v1"))


@pytest.fixture(scope="session")
def v03(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """All that the client of 0.3 was told by `tck-v03`."""
    return asyncio.run(asked(tmp_path_factory.mktemp("v03"), "0.3", "conformance_v03.py", "v0.3/tck-v03"))


def texts(message: Any) -> list[str]:
    return [part["text"] for part in message["parts"] if "text" in part]


def states(told: list[Any]) -> list[str]:
    """The states that a stream told, each once in a row, without the first task."""
    found = [one["statusUpdate"]["status"]["state"].removeprefix(STATE) for one in told if "statusUpdate" in one]
    return [state for place, state in enumerate(found) if found[place - 1 : place] != [state]]


def updates(told: list[Any]) -> list[Any]:
    return [one["artifactUpdate"] for one in told if "artifactUpdate" in one]


# ---- 1.0: what a message leads to


@V1
def test_a_task_completes_with_a_status_message(v1: Any) -> None:
    task = v1["unary"]["complete-task"]["task"]
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert texts(task["status"]["message"]) == ["Hello from TCK"]
    assert task["id"] and task["contextId"]


@V1
@pytest.mark.parametrize(
    ("about", "part"),
    [
        ("artifact-text", {"text": "Generated text content"}),
        ("artifact-file", {"raw": "dGNr", "filename": "output.txt", "mediaType": "text/plain"}),
        (
            "artifact-file-url",
            {"url": "https://example.com/output.txt", "filename": "output.txt", "mediaType": "text/plain"},
        ),
        ("artifact-data", {"data": {"key": "value", "count": 42}}),
    ],
)
def test_an_artifact_has_the_kind_of_part_that_it_should(v1: Any, about: str, part: Any) -> None:
    task = v1["unary"][about]["task"]
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert [artifact["parts"] for artifact in task["artifacts"]] == [[part]]


@V1
def test_a_message_comes_instead_of_a_task(v1: Any) -> None:
    [(kind, message)] = v1["unary"]["message-response"].items()
    assert (kind, message["role"], texts(message)) == ("message", "ROLE_AGENT", ["Direct message response"])
    assert message["contextId"] and "taskId" not in message


@V1
@pytest.mark.parametrize(("about", "state"), [("input-required", "INPUT_REQUIRED"), ("reject-task", "REJECTED")])
def test_a_task_asks_or_is_rejected(v1: Any, about: str, state: str) -> None:
    assert v1["unary"][about]["task"]["status"]["state"] == f"{STATE}{state}"


@V1
def test_who_does_not_wait_gets_a_task_at_work_and_who_waits_one_that_is_over(v1: Any) -> None:
    states = {name: found["task"]["status"]["state"] for name, found in v1["modes"].items()}
    assert states["at_once"] in ("TASK_STATE_SUBMITTED", "TASK_STATE_WORKING")
    assert states["waits"] == "TASK_STATE_COMPLETED"


# ---- 1.0: streams


@V1
@pytest.mark.parametrize(
    ("about", "parts"),
    [
        ("stream-001", [{"text": "Stream hello from TCK"}]),
        ("stream-002", []),
        ("stream-003", [{"text": "Stream task lifecycle"}]),
        ("stream-ordering-001", [{"text": "Ordered output"}]),
        ("stream-artifact-text", [{"text": "Streamed text content"}]),
        ("stream-artifact-file", [{"raw": "dGNr", "filename": "output.txt", "mediaType": "text/plain"}]),
        ("stream-artifact-chunked", [{"text": "chunk-1 "}, {"text": "chunk-2"}]),
    ],
)
def test_a_stream_tells_the_task_then_work_then_what_came_of_it_then_the_end(v1: Any, about: str, parts: Any) -> None:
    told = v1["streams"][about]
    assert "task" in told[0]
    assert states(told) == ["WORKING", "COMPLETED"]
    assert told[-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"
    assert [part for update in updates(told) for part in update["artifact"]["parts"]] == parts


@V1
def test_chunks_say_what_they_belong_to_and_which_is_the_last(v1: Any) -> None:
    found = updates(v1["streams"]["stream-artifact-chunked"])
    assert [(one["artifact"]["artifactId"], one.get("append"), one.get("lastChunk")) for one in found] == [
        ("chunked", None, None),
        ("chunked", True, True),
    ]


@V1
def test_a_stream_of_a_task_says_its_message_in_the_last_status(v1: Any) -> None:
    told = v1["streams"]["message-response"]
    assert "task" in told[0]
    assert texts(told[-1]["statusUpdate"]["status"]["message"]) == ["Direct message response"]


@V1
def test_a_long_task_can_be_followed_again_while_it_lasts(v1: Any) -> None:
    found = v1["resubscribe"]
    assert found["seconds"] >= 4
    assert "task" in found["again"][0]
    assert found["again"][-1] == found["first"][-1]
    assert states(found["again"]) in (["COMPLETED"], ["WORKING", "COMPLETED"])


@V1
def test_every_subscription_to_a_task_that_asks_tells_the_same_until_it_ends(v1: Any) -> None:
    one, other = v1["broadcast"]["streams"]
    assert one == other
    assert one[0]["task"]["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    assert states(one)[-1] == "COMPLETED"
    assert v1["broadcast"]["answered"]["task"]["status"]["state"] == "TASK_STATE_COMPLETED"


@V1
def test_a_subscription_that_is_left_does_not_end_another(v1: Any) -> None:
    left, other = v1["closed"]["streams"]
    assert len(left) == 1
    assert states(other)[-1] == "COMPLETED"


# ---- 1.0: tasks


@V1
@pytest.mark.parametrize(("length", "kept"), [("0", 0), ("1", 1), ("2", 2), ("10", 3), ("unset", 3)])
def test_the_history_is_as_long_as_it_is_wanted_at_most(v1: Any, length: str, kept: int) -> None:
    whole = v1["history"]["unset"]["history"]
    assert v1["history"][length].get("history", []) == (whole[-kept:] if kept else [])
    assert [(one["role"], texts(one)) for one in whole] == [
        ("ROLE_USER", ["prerequisite"]), ("ROLE_AGENT", ["What else?"]), ("ROLE_USER", ["follow-up"]),
    ]  # fmt: skip


@V1
def test_an_answer_without_history_has_none(v1: Any) -> None:
    task = v1["history"]["sent"]["task"]
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert "history" not in task


@V1
def test_a_cancelled_task_is_over_and_the_same_message_begins_another(v1: Any) -> None:
    found = v1["cancelled"]
    assert (found["over"]["id"], found["over"]["status"]["state"]) == (found["task"]["id"], "TASK_STATE_CANCELED")
    assert found["again"] == {"error": "TaskNotCancelableError"}
    assert found["anew"]["id"] != found["task"]["id"]
    assert found["anew"]["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"


@V1
def test_a_context_is_kept_inferred_or_refused_but_never_replaced(v1: Any) -> None:
    found = v1["contexts"]
    assert found["own"]["task"]["contextId"].startswith("client-")
    assert found["wrong"] == found["unfit"] == {"error": "InvalidParamsError"}
    task, answered = found["inferred"]
    assert answered["task"]["contextId"] == task["contextId"]


@V1
@pytest.mark.parametrize(
    ("about", "error"),
    [
        ("terminal", "UnsupportedOperationError"),
        ("unknown", "TaskNotFoundError"),
        ("get", "TaskNotFoundError"),
        ("cancel", "TaskNotFoundError"),
        ("subscribe", "TaskNotFoundError"),
        ("over", "UnsupportedOperationError"),
        ("content", "ContentTypeNotSupportedError"),
    ],
)
def test_what_cannot_be_done_has_the_error_for_it(v1: Any, about: str, error: str) -> None:
    assert v1["errors"][about] == {"error": error}


@V1
def test_lists_come_in_pages_the_last_changed_first(v1: Any) -> None:
    found = v1["lists"]
    first, rest = found["first"], found["rest"]
    assert [task["id"] for task in (*first["tasks"], *rest["tasks"])] == found["made"][::-1]
    assert (first["nextPageToken"] != "", rest["nextPageToken"]) == (True, "")
    assert {(page["pageSize"], page["totalSize"]) for page in (first, rest)} == {(2, 3)}
    assert (found["none"]["tasks"], found["none"]["nextPageToken"]) == ([], "")


@V1
def test_lists_have_artifacts_only_where_they_are_wanted(v1: Any) -> None:
    assert not any(task["artifacts"] for task in v1["lists"]["first"]["tasks"])
    assert all(task["artifacts"] for task in v1["lists"]["whole"]["tasks"])


# ---- 0.3


@V03
def test_a_task_of_0_3_goes_on_with_every_message(v03: Any) -> None:
    found = v03["goes_on"]
    tasks = [found["first"], *found["turns"], found["context"]]
    assert {(task["id"], task["contextId"], task["status"]["state"]) for task in tasks} == {
        (found["first"]["id"], found["first"]["contextId"], "input-required")
    }
    assert texts(found["first"]["status"]["message"]) == ["You said: Hello!. What else?"]


@V03
def test_a_history_of_0_3_is_as_long_as_it_is_wanted_at_most(v03: Any) -> None:
    found = v03["goes_on"]
    whole = found["unset"]["history"]
    assert [one["role"] for one in whole] == ["user", *["agent", "user"] * 4]
    assert texts(whole[-1]) == ["more"]
    assert [found[str(n)].get("history", []) for n in (0, 1, 2)] == [[], whole[-1:], whole[-2:]]


@V03
def test_a_task_of_0_3_ends_and_then_takes_nothing_more(v03: Any) -> None:
    found = v03["ends"]
    assert found["done"]["status"]["state"] == "completed"
    assert [found[name]["code"] for name in ("again", "cancel", "resubscribe")] == [-32004, -32002, -32004]


@V03
def test_a_task_of_0_3_is_cancelled_once(v03: Any) -> None:
    cancelled, again = v03["cancelled"]
    assert (cancelled["status"]["state"], again) == ("canceled", {"code": -32002})


@V03
def test_data_of_any_shape_are_taken_by_0_3(v03: Any) -> None:
    assert [task["status"]["state"] for task in v03["data"]] == ["input-required", "input-required"]


@V03
@pytest.mark.parametrize(
    ("about", "code"),
    [("get", -32001), ("cancel", -32001), ("send", -32001), ("resubscribe", -32001), ("file", -32005),
     ("context", -32602)],
)  # fmt: skip
def test_what_0_3_cannot_do_has_the_error_for_it(v03: Any, about: str, code: int) -> None:
    assert v03["errors"][about] == {"code": code}


@V03
def test_a_stream_of_0_3_begins_with_the_task_and_ends_where_it_asks(v03: Any) -> None:
    assert {task["kind"] for task in v03["stream"]} == {"task"}
    assert v03["stream"][-1]["status"]["state"] == "input-required"


@V03
def test_a_long_task_of_0_3_can_be_followed_again_while_it_lasts(v03: Any) -> None:
    found = v03["long"]
    assert found["seconds"] >= 4
    assert found["again"][-1]["status"]["state"] == found["first"][-1]["status"]["state"] == "completed"
    assert {task["id"] for task in found["again"]} == {found["first"][0]["id"]}
