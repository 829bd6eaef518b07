"""Webhooks of runs: told when a run ends, signed, as often as it takes, and shown."""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.integration.test_api_metrics import values
from tests.unit.api.serving import PATIENCE_S, Server, a_server, asking, straight, working
from tests.unit.dispatch.builders import HttpWorker, Seen, answer, drop, free_port, hang, http_worker

SECRET = "whsec_" + b64encode(b"a secret of 24 bytes ...").decode()
QUICK = {"webhook_retry_s": 0.01, "webhook_timeout_s": PATIENCE_S}
IMPATIENT = {"webhook_retry_s": 0.01, "webhook_timeout_s": 0.3}
FAILS, HERE = answer({"why": "not now"}, 500), answer({})


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with a_server(tmp_path, **QUICK) as found:
        await furnish(found)
        yield found


async def furnish(server: Server) -> None:
    for document in (straight(), asking(), working()):
        await server.post("/workflows", document, 201)


async def start(server: Server, webhook: Any, workflow: str = "straight", **fields: Any) -> Any:
    return await server.post(f"/workflows/{workflow}/runs?wait=30", {"webhook": webhook, **fields}, 201)


async def webhook_of(server: Server, run: Any, status: str, attempts: int = 1) -> Any:
    """The webhook of a run, once its last notice has this status after so many attempts at least."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = (await server.get(f"/runs/{run['id']}"))["webhook"]
            if (found["status"], found["attempts"] >= attempts) == (status, True):
                return found
            await asyncio.sleep(0)  # the receiver is a task of this loop; nobody is told when an answer is written down


async def counts(server: Server) -> list[float]:
    """What has arrived, was given up, has failed and waits."""
    found = await values(server)
    names = ("notices_delivered_total", "notices_given_up_total", "notice_failures_total", "notices_waiting")
    return [found[f"clew_{name}"] for name in names]


def signed(seen: Seen, secret: str = SECRET) -> str:
    """The signature that a request has to have."""
    text = f"{seen.headers['webhook-id']}.{seen.headers['webhook-timestamp']}.".encode() + seen.raw
    return f"v1,{b64encode(hmac.digest(b64decode(secret.removeprefix('whsec_')), text, sha256)).decode()}"


def ids(receiver: HttpWorker) -> list[str]:
    return [seen.headers["webhook-id"] for seen in receiver.seen]


# ---- what arrives


async def test_the_end_of_a_run_is_told_signed(server: Server, receiver: HttpWorker) -> None:
    run = await start(server, {"url": f"{receiver.url}/told?by=clew", "secret": SECRET}, metadata={"order": 7})
    told = await webhook_of(server, run, "delivered")
    [seen] = receiver.seen
    assert (seen.path, seen.headers["content-type"]) == ("/told", "application/json")
    assert seen.headers["webhook-signature"] == signed(seen)
    assert (seen.body["type"], seen.body["data"]["run_id"]) == ("run.completed", run["id"])
    assert (seen.body["data"]["output"], seen.body["data"]["metadata"]) == ({"n": 1}, {"order": 7})
    assert (told["notice_id"], told["events"]) == (ids(receiver)[0], ["completed", "failed", "cancelled"])


async def test_a_url_alone_is_a_webhook_without_a_signature(server: Server, receiver: HttpWorker) -> None:
    run = await start(server, receiver.url)
    await webhook_of(server, run, "delivered")
    [seen] = receiver.seen
    assert "webhook-signature" not in seen.headers
    assert {"webhook-id", "webhook-timestamp"} <= {name.lower() for name in seen.headers}


async def test_a_run_without_a_webhook_shows_none(server: Server) -> None:
    run = await server.post("/workflows/straight/runs?wait=30", {}, 201)
    assert run["webhook"] is None
    assert (await server.get("/notices"))["items"] == []


async def test_the_secret_is_never_shown(server: Server, receiver: HttpWorker) -> None:
    receiver.script = [answer({}, 410)]
    body = {"webhook": {"url": receiver.url, "secret": SECRET}}
    shown = [await server.http.post("/workflows/straight/runs", json=body, headers={"Idempotency-Key": "k"})]
    run = shown[0].json()
    await webhook_of(server, run, "failed")
    notice = (await server.get("/notices"))["items"][0]["id"]
    shown.append(await server.http.post("/workflows/straight/runs", json=body, headers={"Idempotency-Key": "k"}))
    for path in (f"/runs/{run['id']}", "/runs", "/notices", f"/notices/{notice}"):
        shown.append(await server.http.get(path))
    assert len(shown) == 6
    assert not any(SECRET in response.text or SECRET[6:] in response.text for response in shown)


# ---- what does not arrive at once


async def test_a_receiver_that_fails_is_told_again_with_the_same_id(server: Server, receiver: HttpWorker) -> None:
    receiver.script = [FAILS, drop, HERE]
    run = await start(server, {"url": receiver.url, "secret": SECRET})
    told = await webhook_of(server, run, "delivered")
    assert told["attempts"] == 3
    assert ids(receiver) == [told["notice_id"]] * 3
    assert len({seen.raw for seen in receiver.seen}) == 1
    assert [seen.headers["webhook-signature"] for seen in receiver.seen] == [signed(seen) for seen in receiver.seen]


async def test_a_receiver_that_is_not_there_is_shown_with_the_next_time(tmp_path: Path) -> None:
    async with a_server(tmp_path, webhook_retry_s=600) as server:
        await furnish(server)
        run = await start(server, f"http://127.0.0.1:{free_port()}/")
        told = await webhook_of(server, run, "pending")
        assert "Cannot connect" in told["last_error"]
        assert told["next_at"] > run["updated_at"]
        [listed] = (await server.get("/notices?status=pending"))["items"]
        assert (listed["id"], listed["run_id"], listed["type"]) == (told["notice_id"], run["id"], "run.completed")
        assert (await values(server))["clew_notices_waiting"] == 1


async def test_a_receiver_that_hangs_is_hung_up_on_and_told_again(tmp_path: Path, receiver: HttpWorker) -> None:
    receiver.script = [hang, HERE]
    async with a_server(tmp_path, **IMPATIENT) as server:
        await furnish(server)
        run = await start(server, receiver.url)
        told = await webhook_of(server, run, "delivered")
    assert receiver.hung_up.is_set()
    assert set(ids(receiver)) == {told["notice_id"]}
    assert (len(receiver.seen) > 1, told["last_error"].startswith("no ")) == (True, True)


async def test_an_answer_that_comes_too_late_is_none(tmp_path: Path, receiver: HttpWorker) -> None:
    again = asyncio.Event()

    async def late(seen: Seen, request: web.Request) -> web.StreamResponse:
        await asyncio.shield(again.wait())
        return web.Response()

    async def at_once(seen: Seen, request: web.Request) -> web.StreamResponse:
        again.set()
        return web.Response()

    receiver.script = [late, at_once]
    async with a_server(tmp_path, **IMPATIENT) as server:
        await furnish(server)
        told = await webhook_of(server, await start(server, receiver.url), "delivered")
        assert (told["attempts"] > 1, len(set(ids(receiver)))) == (True, 1)


async def test_a_redirect_is_not_followed(server: Server, receiver: HttpWorker) -> None:
    elsewhere = answer({}, 307, headers={"Location": f"{receiver.url}/elsewhere"})
    receiver.script = [elsewhere, HERE]
    told = await webhook_of(server, await start(server, receiver.url), "delivered")
    assert told["last_error"] == "HTTP 307 Temporary Redirect"
    assert [seen.path for seen in receiver.seen] == ["/", "/"]


async def test_what_is_given_up_is_listed_and_can_be_told_again(server: Server, receiver: HttpWorker) -> None:
    receiver.script = [answer({}, 410), HERE]
    run = await start(server, receiver.url)
    told = await webhook_of(server, run, "failed")
    [listed] = (await server.get("/notices?status=failed"))["items"]
    assert (listed["id"], listed["last_error"], listed["next_at"]) == (told["notice_id"], "HTTP 410 Gone", None)
    driven = await server.post(f"/notices/{listed['id']}/redrive")
    assert (driven["status"], driven["attempts"]) == ("pending", 0)
    await webhook_of(server, run, "delivered")
    refusal = await server.refused("POST", f"/notices/{listed['id']}/redrive", 409)
    assert (refusal["code"], ids(receiver)) == ("notice.closed", [listed["id"]] * 2)


async def test_what_was_told_and_what_was_not_is_counted(server: Server, receiver: HttpWorker) -> None:
    receiver.script = [answer({}, 410), HERE]
    run = await start(server, receiver.url)
    told = await webhook_of(server, run, "failed")
    await server.post(f"/notices/{told['notice_id']}/redrive")
    async with asyncio.timeout(PATIENCE_S):
        while await counts(server) != [1, 1, 1, 0]:  # noqa: ASYNC110 - nobody is told when something is counted
            await asyncio.sleep(0)


async def test_after_a_while_a_notice_is_given_up(tmp_path: Path, receiver: HttpWorker) -> None:
    receiver.script = [FAILS]
    async with a_server(tmp_path, webhook_retry_s=0.01, webhook_give_up_s=0.1) as server:
        await furnish(server)
        told = await webhook_of(server, await start(server, receiver.url), "failed")
        assert told["attempts"] == len(receiver.seen)


async def test_a_server_that_starts_tells_what_the_one_before_could_not(tmp_path: Path, receiver: HttpWorker) -> None:
    receiver.script = [FAILS]
    async with a_server(tmp_path, webhook_retry_s=0.3) as server:
        await furnish(server)
        run = await start(server, {"url": receiver.url, "secret": SECRET})
        await webhook_of(server, run, "pending")
    receiver.script = [HERE]
    async with a_server(tmp_path, **QUICK) as server:
        told = await webhook_of(server, run, "delivered")
    assert (ids(receiver), told["attempts"]) == ([told["notice_id"]] * 2, 2)
    assert receiver.seen[-1].headers["webhook-signature"] == signed(receiver.seen[-1])


# ---- which ends are told


async def test_failed_and_cancelled_runs_are_told_and_waiting_ones_only_when_asked(
    server: Server, receiver: HttpWorker
) -> None:
    run = await start(server, receiver.url, "asking")
    assert run["webhook"]["status"] is None
    await server.post(f"/runs/{run['id']}/cancel")
    await webhook_of(server, run, "delivered")
    run = await start(server, {"url": receiver.url, "events": ["interrupted"]}, "asking")
    await webhook_of(server, run, "delivered")
    await server.post(f"/runs/{run['id']}/resume", {"resume": 4})
    await server.settled(run["id"])
    assert [seen.body["type"] for seen in receiver.seen] == ["run.cancelled", "run.interrupted"]
    [asked] = receiver.seen[1].body["data"]["interrupts"]
    assert (asked["id"], asked["message"]) == (run["interrupts"][0]["id"], "how many?")


async def test_a_run_that_ends_again_is_told_again(server: Server, receiver: HttpWorker) -> None:
    run = await start(server, receiver.url)
    await webhook_of(server, run, "delivered")
    await server.post(f"/runs/{run['id']}/replay", {"checkpoint_id": f"{run['id']}.1", "updates": {"n": 5}})
    await receiver.until(lambda: len(receiver.seen) == 2)
    first, second = receiver.seen
    assert len(set(ids(receiver))) == 2
    assert [seen.body["data"]["output"] for seen in (first, second)] == [{"n": 1}, {"n": 6}]
    assert second.body["data"]["branch"] == "branch-2"


async def test_a_retried_run_is_told_again(server: Server, receiver: HttpWorker) -> None:
    async with http_worker() as worker:
        worker.script = [answer({"error": {"code": "no", "message": "no", "retryable": False}}), answer("well")]
        await server.post("/workers", {"id": "w", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
        run = await start(server, receiver.url, "working")
        await receiver.until(lambda: len(receiver.seen) == 1)
        await server.post(f"/runs/{run['id']}/retry", {})
        await receiver.until(lambda: len(receiver.seen) == 2)
    assert [seen.body["type"] for seen in receiver.seen] == ["run.failed", "run.completed"]
    assert receiver.seen[0].body["data"]["error"]["code"] == "no"


async def test_what_was_not_told_yet_is_withdrawn_when_the_run_is_replayed(tmp_path: Path) -> None:
    async with a_server(tmp_path, webhook_retry_s=600) as server:
        await furnish(server)
        run = await start(server, f"http://127.0.0.1:{free_port()}/")
        first = await webhook_of(server, run, "pending")
        await server.post(f"/runs/{run['id']}/replay", {"checkpoint_id": f"{run['id']}.1"})
        await server.settled(run["id"])
        second, gone = (await server.get(f"/notices?run_id={run['id']}"))["items"]
        assert (gone["id"], gone["status"], gone["next_at"]) == (first["notice_id"], "withdrawn", None)
        assert (second["status"], second["id"] != gone["id"]) == ("pending", True)
        refusal = await server.refused("POST", f"/notices/{gone['id']}/redrive", 409)
        assert refusal["code"] == "notice.closed"


async def test_a_fork_tells_nobody_but_whom_it_is_given(server: Server, receiver: HttpWorker) -> None:
    run = await start(server, receiver.url)
    await webhook_of(server, run, "delivered")
    wish = {"checkpoint_id": f"{run['id']}.1"}
    quiet = await server.post(f"/runs/{run['id']}/fork", wish, 201)
    loud = await server.post("/runs/fork", {**wish, "webhook": f"{receiver.url}/fork"}, 201)
    await webhook_of(server, loud, "delivered")
    assert (quiet["webhook"], [seen.path for seen in receiver.seen]) == (None, ["/", "/fork"])
    assert receiver.seen[1].body["data"]["run_id"] == loud["id"]


async def test_notices_go_with_their_run(server: Server, receiver: HttpWorker) -> None:
    receiver.script = [answer({}, 410)]
    run = await start(server, receiver.url)
    told = await webhook_of(server, run, "failed")
    await server.http.delete(f"/runs/{run['id']}")
    assert (await server.get("/notices"))["items"] == []
    await server.refused("GET", f"/notices/{told['notice_id']}", 404)


# ---- what is refused


@pytest.mark.parametrize(
    ("webhook", "path", "code"),
    [
        ("ftp://told.example", "/webhook/url", "webhook.invalid"),
        ("http://user:pass@told.example", "/webhook/url", "webhook.invalid"),
        ({"url": "http://"}, "/webhook/url", "webhook.invalid"),
        ({"url": ""}, "/webhook/url", "request.invalid"),
        ({"secret": "s"}, "/webhook/url", "request.invalid"),
        ({"url": "http://a.example", "secret": ""}, "/webhook/secret", "request.invalid"),
        ({"url": "http://a.example", "events": []}, "/webhook/events", "request.invalid"),
        ({"url": "http://a.example", "events": ["completed", "running"]}, "/webhook/events/1", "request.invalid"),
        ({"url": "http://a.example", "headers": {}}, "/webhook/headers", "request.invalid"),
        (7, "/webhook", "request.invalid"),
    ],
)
async def test_a_webhook_that_cannot_be_one_is_refused_with_its_place(
    server: Server, webhook: Any, path: str, code: str
) -> None:
    problem = await server.refused("POST", "/workflows/straight/runs", 422, json={"webhook": webhook})
    assert (problem["code"], [fault["path"] for fault in problem["errors"]]) == (code, [path])
    assert (await server.get("/runs"))["items"] == []


async def test_unknown_notices_and_runs_are_not_found(server: Server) -> None:
    await server.refused("GET", "/notices/nothing", 404)
    await server.refused("POST", "/notices/nothing/redrive", 404)
    await server.refused("GET", "/notices?run_id=nothing", 404)
    await server.refused("GET", "/notices?status=lost", 422)
