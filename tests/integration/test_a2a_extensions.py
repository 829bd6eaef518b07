"""Extensions: those that workflows declare, those that a client has to know of, and those that are in force."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from api.a2a.extensions import CHECKPOINTS, declared
from tests.integration.test_a2a_cards import card
from tests.integration.test_a2a_server import V03, V1, message
from tests.unit.api.serving import ORIGIN, Server, straight

URI, OTHER = "urn:example:signed", "urn:example:polite"
DECLARED = [
    {"uri": URI, "description": "Messages are signed.", "required": True, "params": {"keys": 1}},
    {"uri": OTHER, "description": "It says please."},
]
STRICT = straight("strict", metadata={"a2a": {"extensions": DECLARED}})
DOCUMENTS = [STRICT, straight()]
KNOWN = {"A2A-Extensions": f"urn:example:unknown, {URI}"}


async def asked(server: Server, name: str, method: str, headers: Any, **fields: Any) -> Any:
    old = "/" in method
    params = message({"kind": "data", "data": {}} if old else {"data": {}}, **fields)
    body = {"jsonrpc": "2.0", "id": "r1", "method": method, "params": params}
    given = {**(V03 if old else V1), **headers}
    return await server.http.post(f"{ORIGIN}/a2a/{name}".rstrip("/"), json=body, headers=given)


async def test_a_card_has_the_extensions_that_its_workflow_declares(server: Server) -> None:
    for alias in ("", "/v1", "/v0.3"):
        found = (await card(server, f"/a2a{alias}/strict/.well-known/agent-card.json")).json()
        told = {one["uri"]: one for one in found["capabilities"]["extensions"]}
        assert told[URI] == DECLARED[0]
        assert told[OTHER] == {**DECLARED[1], "required": False}
        assert not told[CHECKPOINTS]["required"]


@pytest.mark.parametrize(("method", "code"), [("SendMessage", -32008), ("SendStreamingMessage", -32008),
                                              ("message/send", -32603)])  # fmt: skip
async def test_who_does_not_know_of_a_required_extension_is_not_served(server: Server, method: str, code: int) -> None:
    found = (await asked(server, "strict", method, {"A2A-Extensions": OTHER})).json()

    assert found["error"]["code"] == code
    if code == -32008:
        [told] = found["error"]["data"]
        assert (told["reason"], told["metadata"]) == ("EXTENSION_SUPPORT_REQUIRED", {"extensions": URI})
    assert (await server.get("/runs"))["items"] == []


@pytest.mark.parametrize("name", ["strict", ""])
async def test_who_knows_of_it_is_served_whatever_else_is_known(server: Server, name: str) -> None:
    to = {"metadata": {"skillId": "strict"}}
    for number, headers in enumerate((KNOWN, {"X-A2A-Extensions": URI})):
        found = (await asked(server, name, "SendMessage", headers, messageId=f"m{number}", **to)).json()
        assert "result" in found, found
    assert "result" in (await asked(server, name, "SendMessage", {}, messageId="m9", extensions=[URI], **to)).json()
    assert (await asked(server, name, "SendMessage", {}, messageId="m8", **to)).json()["error"]["code"] == -32008


@pytest.mark.parametrize("method", ["SendMessage", "SendStreamingMessage"])
async def test_an_answer_says_which_extensions_are_in_force(server: Server, method: str) -> None:
    wanted = {"A2A-Extensions": f"{OTHER},{CHECKPOINTS},{URI},urn:example:unknown"}
    found = await asked(server, "strict", method, wanted)
    assert found.headers["a2a-extensions"] == ", ".join(sorted([OTHER, CHECKPOINTS, URI]))
    assert "a2a-extensions" not in (await asked(server, "straight", method, {"A2A-Extensions": "urn:x"})).headers


NONE: list[Any] = [
    {}, {"metadata": 7}, {"metadata": {"a2a": []}}, {"metadata": {"a2a": {"extensions": {}}}},
    {"metadata": {"a2a": {"extensions": [7, {"uri": 7}, {"required": True}]}}},
]  # fmt: skip


@pytest.mark.parametrize("document", NONE, ids=lambda document: orjson.dumps(document).decode())
def test_what_is_no_extension_is_none(document: Any) -> None:
    assert declared(document) == ()
