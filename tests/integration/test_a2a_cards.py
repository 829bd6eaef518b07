"""The cards of agents: who sees what, in which version."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.integration.test_a2a_server import SAYING, V03, V1, rpc
from tests.unit.api.serving import ORIGIN, Server, a_server, asking, straight, working

DOCUMENTS = [straight(), asking(), working(), SAYING]

# ---- cards


async def card(server: Server, path: str, **headers: str) -> httpx.Response:
    return await server.http.get(f"{ORIGIN}{path}", headers=headers)


async def test_one_card_is_for_both_versions_and_the_strict_ones_for_either(server: Server) -> None:
    both = (await card(server, "/a2a/asking/.well-known/agent-card.json")).json()
    new = (await card(server, "/a2a/v1/asking/.well-known/agent-card.json")).json()
    old = (await card(server, "/a2a/v0.3/asking/.well-known/agent-card.json")).json()

    assert both["url"] == both["supportedInterfaces"][0]["url"] == f"{ORIGIN}/a2a/asking"
    assert "url" not in new and new["supportedInterfaces"][0]["url"] == f"{ORIGIN}/a2a/v1/asking"
    assert "supportedInterfaces" not in old and old["url"] == f"{ORIGIN}/a2a/v0.3/asking"
    assert both["skills"][0]["id"] == "asking"


@pytest.mark.parametrize("alias", ["", "/v1", "/v0.3"])
async def test_cards_say_that_there_are_pushes(server: Server, alias: str) -> None:
    found = (await card(server, f"/a2a{alias}/asking/.well-known/agent-card.json")).json()
    assert found["capabilities"]["pushNotifications"] is True


async def test_a_card_is_not_sent_again_to_who_has_it(server: Server) -> None:
    first = await card(server, "/a2a/asking/.well-known/agent-card.json")
    again = await card(server, "/a2a/asking/.well-known/agent-card.json", **{"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert "max-age" in first.headers["Cache-Control"]


async def test_the_agent_of_all_has_every_active_workflow_as_a_skill(server: Server) -> None:
    await server.post("/workflows/working/pause")
    found = (await card(server, "/.well-known/agent-card.json")).json()

    assert [skill["id"] for skill in found["skills"]] == ["asking", "saying", "straight"]
    assert (await card(server, "/a2a/working/.well-known/agent-card.json")).status_code == 404


# ---- what is only for those who have the token

EXTENDED = [("/a2a/v1", "GetExtendedAgentCard", V1), ("/a2a/v0.3", "agent/getAuthenticatedExtendedCard", V03)]
BOTH = [("/a2a", method, headers) for _, method, headers in EXTENDED]


@pytest.mark.parametrize(("path", "method", "headers"), [*EXTENDED, *BOTH])
async def test_the_extended_card_is_the_card_with_what_the_workflow_is_made_of(
    tmp_path: Any, path: str, method: str, headers: Any
) -> None:
    async with a_server(tmp_path, token="secret") as server:
        bearer = {"Authorization": "Bearer secret"}
        await server.post("/workflows", asking(), 201, headers=bearer)
        found = (await rpc(server, "asking", method, {}, {**headers, **bearer}, path))["result"]
        shown = (await card(server, f"{path}/asking/.well-known/agent-card.json")).json()
        refused = await server.http.post(f"{ORIGIN}{path}/asking", json={"method": method}, headers=headers)

    told = shown["capabilities"].get("extendedAgentCard", shown.get("supportsAuthenticatedExtendedCard"))
    assert (told, refused.status_code) == (True, 401)
    more = found["capabilities"]["extensions"].pop()
    assert (more["uri"], more["params"]) == ("urn:clew:a2a:nodes:v1", {"nodes": {"asking": NODES}})
    assert "urn:clew:a2a:nodes:v1" not in str(shown)
    assert found["skills"] == shown["skills"]
    if path != "/a2a":
        assert found == shown


NODES = {name: {"type": node["type"]} for name, node in asking()["nodes"].items()}


@pytest.mark.parametrize(
    ("path", "method", "headers", "code"), [(*one, code) for one, code in zip(EXTENDED, (-32004, -32007), strict=True)]
)
async def test_where_there_is_no_token_there_is_no_extended_card(
    server: Server, path: str, method: str, headers: Any, code: int
) -> None:
    shown = (await card(server, f"{path}/asking/.well-known/agent-card.json")).json()
    assert shown["capabilities"].get("extendedAgentCard", shown.get("supportsAuthenticatedExtendedCard")) is False
    assert (await rpc(server, "asking", method, {}, headers, path))["error"]["code"] == code


async def test_the_extended_card_of_all_tells_of_every_workflow(tmp_path: Any) -> None:
    async with a_server(tmp_path, token="secret") as server:
        bearer = {"Authorization": "Bearer secret"}
        for document in (straight(), asking()):
            await server.post("/workflows", document, 201, headers=bearer)
        found = (await rpc(server, "", "GetExtendedAgentCard", {}, {**V1, **bearer}))["result"]
    assert found["capabilities"]["extensions"][-1]["params"]["nodes"].keys() == {"asking", "straight"}
