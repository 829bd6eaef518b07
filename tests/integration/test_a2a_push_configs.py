"""Push configs of tasks: how they come and go, what is refused, and where pushes may go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dispatch._outside import Outside
from tests.integration.pushing import (
    ANSWER,
    CREDENTIALS,
    TOKEN,
    config,
    created,
    furnished,
    heard,
    listed,
    sent,
    states,
    statuses,
)
from tests.integration.test_a2a_server import V03, message, rpc
from tests.unit.api.serving import Server
from tests.unit.dispatch.builders import HttpWorker, answer


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with furnished(tmp_path) as found:
        yield found


# ---- configs


async def test_configs_are_made_read_listed_replaced_and_deleted(server: Server, receiver: HttpWorker) -> None:
    task = await sent(server, "asking")
    made = (await created(server, task, config(receiver)))["result"]
    shown = {"id": "mine", "taskId": task["id"], "url": f"{receiver.url}/told", "authentication": {"scheme": "Bearer"}}
    assert made == shown
    other = (await created(server, task, {"url": f"{receiver.url}/other"}))["result"]
    assert other["id"]
    moved = (await created(server, task, {"id": "mine", "url": f"{receiver.url}/moved"}))["result"]
    one = {"taskId": task["id"], "id": "mine"}
    assert (await rpc(server, "asking", "GetTaskPushNotificationConfig", one))["result"] == moved
    assert await listed(server, task) == [other, moved]

    for _ in range(2):
        assert (await rpc(server, "asking", "DeleteTaskPushNotificationConfig", one))["result"] == {}
    assert (await rpc(server, "asking", "GetTaskPushNotificationConfig", one))["error"]["code"] == -32001
    assert await listed(server, task) == [other]
    await sent(server, "asking", taskId=task["id"], messageId="m2")
    await heard(receiver, 3, "/other")
    assert {seen.path for seen in receiver.seen} == {"/other"}


async def test_configs_come_in_pages(server: Server, receiver: HttpWorker) -> None:
    task = await sent(server, "asking")
    for name in ("a", "b", "c", "d", "e"):
        await created(server, task, config(receiver, name))
    every, token, sizes, found = await listed(server, task), "", [], []
    for _ in range(3):
        page = await paged(server, task, pageSize=2, pageToken=token)
        sizes.append(len(page["configs"]))
        found, token = [*found, *page["configs"]], page["nextPageToken"]
    assert (found, sizes, token) == (every, [2, 2, 1], "")
    assert await paged(server, task, pageSize=5) == {"configs": every, "nextPageToken": ""}
    assert await paged(server, task) == {"configs": every, "nextPageToken": ""}
    assert await paged(server, await sent(server, "asking", messageId="m2")) == {"configs": [], "nextPageToken": ""}


async def test_a_page_begins_after_the_one_before_whatever_was_deleted_since(
    server: Server, receiver: HttpWorker
) -> None:
    task = await sent(server, "asking")
    for name in ("a", "b", "c"):
        await created(server, task, config(receiver, name))
    token = (await paged(server, task, pageSize=2))["nextPageToken"]
    await rpc(server, "asking", "DeleteTaskPushNotificationConfig", {"taskId": task["id"], "id": "b"})
    rest = await paged(server, task, pageSize=2, pageToken=token)
    assert ([one["id"] for one in rest["configs"]], rest["nextPageToken"]) == (["c"], "")


@pytest.mark.parametrize(
    ("name", "value"),
    [("pageSize", wrong) for wrong in (0, -1, 101, 1.5, "2", True)]
    + [("pageToken", wrong) for wrong in (7, "!", "nonsense", "ä")],
)
async def test_a_page_that_cannot_be_is_refused(server: Server, receiver: HttpWorker, name: str, value: Any) -> None:
    task = await sent(server, "asking", config(receiver))
    found = await rpc(server, "asking", "ListTaskPushNotificationConfigs", {"taskId": task["id"], name: value})
    assert found["error"]["code"] == -32602
    assert name in str(found["error"]["data"])


async def paged(server: Server, task: Any, **params: Any) -> Any:
    found = await rpc(server, "asking", "ListTaskPushNotificationConfigs", {"taskId": task["id"], **params})
    return found["result"]


async def test_0_3_has_one_config_without_an_id_and_others_with_one(server: Server, receiver: HttpWorker) -> None:
    task = await sent(server, "asking")
    named, place = f"{receiver.url}/named", {"id": task["id"]}

    async def ask(what: str, **params: Any) -> Any:
        return (await rpc(server, "asking", f"tasks/pushNotificationConfig/{what}", params, V03))["result"]

    for url in (f"{receiver.url}/first", f"{receiver.url}/second"):
        made = await ask("set", taskId=task["id"], pushNotificationConfig={"url": url})
    assert made == {"taskId": task["id"], "pushNotificationConfig": {"id": "default", "url": f"{receiver.url}/second"}}
    other = await ask("set", taskId=task["id"], pushNotificationConfig={"id": "b", "url": named})
    assert await ask("get", **place) == made
    assert await ask("get", **place, pushNotificationConfigId="b") == other
    assert await ask("list", **place) == [made, other]
    assert await ask("delete", **place, pushNotificationConfigId="default") is None
    assert await ask("get", **place) == other
    assert await ask("list", **place) == [other]


async def test_each_config_is_told_for_itself_in_its_version(server: Server, receiver: HttpWorker) -> None:
    task = await sent(server, "asking")
    await created(server, task, config(receiver, "new", "/new"))
    old = {"taskId": task["id"], "pushNotificationConfig": {"id": "old", "url": f"{receiver.url}/old"}}
    await rpc(server, "asking", "tasks/pushNotificationConfig/set", old, V03)
    await sent(server, "asking", taskId=task["id"], messageId="m2")
    assert states(await heard(receiver, 3, "/new")) == ["working", "artifact", "completed"]
    assert states(await heard(receiver, 2, "/old")) == ["working", "completed"]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("CreateTaskPushNotificationConfig", {"url": "https://93.184.216.34/"}),
        ("GetTaskPushNotificationConfig", {"id": "mine"}),
        ("ListTaskPushNotificationConfigs", {}),
        ("DeleteTaskPushNotificationConfig", {"id": "mine"}),
    ],
)
async def test_tasks_of_others_are_not_there(server: Server, receiver: HttpWorker, method: str, params: Any) -> None:
    task = await sent(server, "asking", config(receiver))
    for workflow, name in (("straight", task["id"]), ("asking", "nothing")):
        found = await rpc(server, workflow, method, {"taskId": name, **params})
        assert found["error"]["code"] == -32001


async def test_a_task_has_so_many_configs_at_most(server: Server, receiver: HttpWorker) -> None:
    task = await sent(server, "asking", config(receiver))
    for number in range(19):
        assert "result" in await created(server, task, config(receiver, str(number)))
    assert (await created(server, task, config(receiver, "one more")))["error"]["code"] == -32004
    assert "result" in await created(server, task, config(receiver, "7"))
    more = message({"data": ANSWER}, taskId=task["id"], messageId="m2")
    more["configuration"] = {"taskPushNotificationConfig": config(receiver, "one more")}
    assert (await rpc(server, "asking", "SendMessage", more))["error"]["code"] == -32004
    assert (await server.get(f"/runs/{task['id']}"))["status"] == "interrupted"


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"url": None}, "url"),
        ({"url": 7}, "url"),
        ({"url": "ftp://told.test/"}, "url"),
        ({"url": "http://me:secret@told.test/"}, "url"),
        ({"url": "http://told.test/\r\nx: y"}, "url"),
        ({"url": "http://" + "x" * 2000}, "url"),
        ({"id": 7}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"token": "a\r\nb: c"}, "token"),
        ({"token": "é"}, "token"),
        ({"authentication": "Bearer x"}, "authentication"),
        ({"authentication": {"credentials": "x"}}, "authentication.scheme"),
        ({"authentication": {"scheme": "Be arer", "credentials": "x"}}, "authentication.scheme"),
        ({"authentication": {"scheme": "Bearer", "credentials": "a\nb"}}, "authentication.credentials"),
    ],
)
async def test_a_config_that_makes_no_sense_is_refused_with_its_place(
    server: Server, receiver: HttpWorker, fields: Any, where: str
) -> None:
    task = await sent(server, "asking")
    error = (await created(server, task, config(receiver, **fields)))["error"]
    assert (error["code"], error["data"][1]["fieldViolations"][0]["field"]) == (-32602, f"config.{where}")
    begun = message({"data": {}}, messageId="m2")
    begun["configuration"] = {"taskPushNotificationConfig": config(receiver, **fields)}
    error = (await rpc(server, "straight", "SendMessage", begun))["error"]
    field = error["data"][1]["fieldViolations"][0]["field"]
    assert (error["code"], field) == (-32602, f"configuration.taskPushNotificationConfig.{where}")
    assert await listed(server, task) == []
    assert (await server.get("/runs?workflow_id=straight"))["items"] == []


async def test_secrets_are_told_to_the_receiver_alone(
    server: Server, receiver: HttpWorker, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver.script = [answer({}, 410)]
    task = await sent(server, "asking", config(receiver))
    await statuses(server, task, "failed")
    place = {"taskId": task["id"]}
    shown = [
        str(await created(server, task, config(receiver))),
        str(await listed(server, task)),
        str(await rpc(server, "asking", "GetTaskPushNotificationConfig", {**place, "id": "mine"})),
        str(await rpc(server, "asking", "GetTask", {"id": task["id"]})),
    ]
    notice = (await server.get("/notices"))["items"][0]["id"]
    for path in (f"/runs/{task['id']}", "/runs", "/notices", f"/notices/{notice}", f"/runs/{task['id']}/export"):
        response = await server.http.get(path)
        assert response.status_code == 200
        shown.append(response.text)
    for row in await server.wired.store.events(1, 0, 100):
        shown.append(str(row))
    shown += capfd.readouterr()
    assert not any(TOKEN in text or CREDENTIALS in text for text in shown)


# ---- where pushes may go


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:9/x", "loopback"),
        ("http://localhost:9/x", "loopback"),
        ("http://2130706433/x", "loopback"),
        ("http://[::ffff:127.0.0.1]/x", "loopback"),
        ("http://169.254.169.254/latest/meta-data", "link-local"),
        ("http://10.0.0.7/x", "private"),
        ("http://[fd00::7]/x", "private"),
        ("http://0.0.0.0/x", "unspecified"),
    ],
)
async def test_addresses_within_are_refused_when_they_are_named(tmp_path: Path, url: str, says: str) -> None:
    async with furnished(tmp_path, private_pushes=False) as server:
        task = await sent(server, "asking")
        error = (await created(server, task, {"url": url}))["error"]
        assert (error["code"], error["data"][1]["fieldViolations"][0]["field"]) == (-32602, "config.url")
        assert says in error["message"]
        begun = message({"data": {}}, messageId="m2") | {"configuration": {"taskPushNotificationConfig": {"url": url}}}
        assert says in (await rpc(server, "straight", "SendMessage", begun))["error"]["message"]


async def test_a_name_that_leads_within_by_then_is_not_connected_to(
    tmp_path: Path, receiver: HttpWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def public(self: Outside, url: str) -> None:
        return None  # what it led to when it was looked up

    monkeypatch.setattr(Outside, "why_not", public)
    async with furnished(tmp_path, private_pushes=False, webhook_give_up_s=0) as server:
        rebound = receiver.url.replace("127.0.0.1", "localhost")
        task = await sent(server, "straight", {"url": f"{rebound}/told"})
        assert "is loopback" in (await statuses(server, task, "failed"))[0]["last_error"]
        await server.post("/workflows/straight/runs?wait=30", {"webhook": f"{receiver.url}/hook"}, 201)
        await receiver.until(lambda: len(receiver.seen) == 1)
    assert [seen.path for seen in receiver.seen] == ["/hook"]
