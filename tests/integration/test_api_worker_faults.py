"""What a worker could not be asked by is told when it is registered or changed, over every protocol alike."""

from __future__ import annotations

from typing import Any

import pytest

from dispatch._registry import protocols
from tests.unit.api.serving import Server

URLS = {
    "a2a": "http://127.0.0.1:9/",
    "api_chat": "http://127.0.0.1:9/",
    "mqtt": "mqtt://127.0.0.1:9/tasks",
    "openai_chat": "http://127.0.0.1:9/v1",
    "redis_stream": "redis://127.0.0.1:9/tasks",
    "webhook": "http://127.0.0.1:9/",
}
"""An address that each protocol takes; the others have none."""
ALL = sorted({*protocols()} - {"local"})
"""Those whose workers are not refused as a whole: no code of others runs in this server."""
GROUP = "metadata.group must be the name of a consumer group"
MAX_LEN = "metadata.max_len must be a whole number of entries"
VERSION = 'metadata.mqtt_version must be "5" or "3.1.1"'
FAULTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("webhook", {"metadata": {"cancel": "yes"}}, "/metadata/cancel", "metadata.cancel must be true or false"),
    ("openai_chat", {"metadata": {"stream": 1}}, "/metadata/stream", "metadata.stream must be true or false"),
    ("redis_stream", {"metadata": {"group": ""}}, "/metadata/group", GROUP),
    ("redis_stream", {"metadata": {"group": None}}, "/metadata/group", GROUP),
    ("redis_stream", {"metadata": {"group": "x" * 501}}, "/metadata/group", GROUP),
    ("redis_stream", {"metadata": {"max_len": 0}}, "/metadata/max_len", MAX_LEN),
    ("redis_stream", {"metadata": {"max_len": True}}, "/metadata/max_len", MAX_LEN),
    ("redis_stream", {"metadata": {"max_len": "10"}}, "/metadata/max_len", MAX_LEN),
    ("mqtt", {"metadata": {"mqtt_version": "4"}}, "/metadata/mqtt_version", VERSION),
    ("mqtt", {"metadata": {"mqtt_version": None}}, "/metadata/mqtt_version", VERSION),
    ("mqtt", {"token": ":only-a-password"}, "/token", "the token must be user:password"),
    ("a2a", {"metadata": {"a2a_version": "2.0"}}, "/metadata/a2a_version", "metadata.a2a_version must be one of '1.0'"),
    ("a2a", {"metadata": {"a2a_url": 7}}, "/metadata/a2a_url", "metadata.a2a_url must be a URL"),
    ("a2a", {"metadata": {"a2a_url": "ftp://x"}}, "/metadata/a2a_url", "must begin with http:// or https://"),
    *((name, {"health": "well"}, "/health", "the URL must begin with http:// or https://") for name in ALL),
    *((name, {"health": "{"}, "/health", "a promise is an object") for name in ALL),
    *((name, {"metadata": {"rate_limit": 5}}, "/metadata/rate_limit", "") for name in ALL),
    *((name, {"url": "nowhere at all"}, "/url", "") for name in ALL),
    *((name, {"url": None}, "/url", "needs an address in `url`") for name in URLS),
]


def described(protocol: str, **fields: Any) -> dict[str, Any]:
    found = {"id": "w1", "protocol": protocol, **fields}
    return found if protocol not in URLS or "url" in fields else {**found, "url": URLS[protocol]}


@pytest.mark.parametrize(("protocol", "fields", "path", "why"), FAULTS)
async def test_a_fault_is_told_at_the_registration_and_at_a_change(
    server: Server, protocol: str, fields: dict[str, Any], path: str, why: str
) -> None:
    refused = await server.refused("POST", "/workers", 422, json=described(protocol, **fields))
    assert (refused["code"], [error["path"] for error in refused["errors"]]) == ("worker.invalid", [path])
    assert why in refused["errors"][0]["message"]
    assert (await server.get("/workers"))["items"] == []

    made = await server.post("/workers", described(protocol), 201)
    changed = await server.refused("PATCH", "/workers/w1", 422, json=fields)
    assert changed["errors"] == refused["errors"]
    assert await server.get("/workers/w1") == {name: value for name, value in made.items() if name != "secret"}


async def test_all_faults_are_told_at_once(server: Server) -> None:
    fields = {"url": "redis://h/", "metadata": {"group": 1, "max_len": 0, "rate_limit": 5}, "health": "x"}
    refused = await server.refused("POST", "/workers", 422, json=described("redis_stream", **fields))
    assert [error["path"] for error in refused["errors"]] == [
        "/url", "/metadata/group", "/metadata/max_len", "/metadata/rate_limit", "/health",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("protocol", "metadata"),
    [
        ("webhook", {"cancel": True, "cancels": "yes"}),
        ("redis_stream", {"group": "g", "max_len": 1}),
        ("mqtt", {"mqtt_version": 5}),
        ("mqtt", {"mqtt_version": "3.1.1"}),
        ("a2a", {"a2a_version": "0.2", "a2a_url": "http://127.0.0.1:9/a"}),
        ("pull", {"group": 7, "mqtt_version": 7, "cancel": 7}),
    ],
)
async def test_what_fits_is_taken_and_what_is_of_others_is_nobodys_business(
    server: Server, protocol: str, metadata: dict[str, Any]
) -> None:
    made = await server.post("/workers", described(protocol, metadata=metadata), 201)
    assert made["metadata"].items() >= metadata.items()
