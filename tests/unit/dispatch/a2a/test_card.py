"""Cards of every version, and of agents that mix them."""

from __future__ import annotations

from typing import Any

import pytest

from dispatch._a2a.card import CardInvalid, Interface, Scheme, interface_of, origin_problem, read_card
from dispatch._a2a.security import credentials_of, security_problem
from tests.unit.dispatch.builders import a_worker

URL = "http://host/rpc"


def interface(pinned: str | None = None, **card: Any) -> tuple[str, str]:
    found = interface_of(read_card(card), pinned)
    return found.url, found.version


def test_the_newest_version_that_both_speak_is_chosen() -> None:
    listed = [
        {"url": "http://host/grpc", "protocolBinding": "GRPC", "protocolVersion": "1.0"},
        {"url": "http://host/old", "protocolBinding": "JSONRPC", "protocolVersion": "0.3"},
        {"url": "http://host/new", "protocolBinding": "JSONRPC", "protocolVersion": "1.0.1"},
    ]
    assert interface(supportedInterfaces=listed) == ("http://host/new", "1.0")
    assert interface("0.3", supportedInterfaces=listed) == ("http://host/old", "0.3")


@pytest.mark.parametrize(
    ("given", "spoken"), [(None, "0.3"), ("0.2.5", "0.3"), ("0.3.0", "0.3"), ("1.0", "1.0"), ("0.1", "0.1")]
)
def test_an_older_card_says_its_version_or_is_taken_for_one(given: str | None, spoken: str) -> None:
    card = {"url": URL} | ({} if given is None else {"protocolVersion": given})
    assert interface(**card) == (URL, spoken)


def test_a_card_for_both_is_read_as_the_newer_one() -> None:
    new = [{"url": "http://host/new", "protocolBinding": "JSONRPC", "protocolVersion": "1.0", "tenant": "t"}]
    card = read_card({"url": URL, "protocolVersion": "0.3", "supportedInterfaces": new})
    assert interface_of(card, None) == Interface(url="http://host/new", version="1.0", tenant="t")


def test_another_transport_leads_to_the_interface_that_is_spoken() -> None:
    more = [{"url": "http://host/rest", "transport": "HTTP+JSON"}, {"url": "http://host/rpc2", "transport": "JSONRPC"}]
    assert interface(url=URL, preferredTransport="GRPC", additionalInterfaces=more) == ("http://host/rpc2", "0.3")


def test_a_pin_is_above_the_card() -> None:
    assert interface("1.0", url=URL) == (URL, "1.0")


def test_a_version_that_nobody_speaks_here_is_told_with_what_would_help() -> None:
    with pytest.raises(CardInvalid, match=r"speaks 2\.0; spoken here: 1\.0, 0\.3, 0\.1"):
        interface(url=URL, protocolVersion="2.0")


@pytest.mark.parametrize("given", [None, [], 7, {}, {"url": 7}, {"skills": 7, "supportedInterfaces": [7, {}]}])
def test_what_is_no_card_is_refused(given: Any) -> None:
    with pytest.raises(CardInvalid):
        read_card(given)


@pytest.mark.parametrize(
    ("card_url", "url", "is_used"),
    [
        ("https://a/card", "https://a/rpc", True),
        ("https://a/card", "https://a:8443/rpc", True),
        ("http://a/card", "https://a/rpc", True),
        ("https://a/card", "http://a/rpc", False),
        ("https://a/card", "https://b/rpc", False),
        ("https://a/card", "https://a@b/rpc", False),
        ("https://a/card", "https://a:x/rpc", False),
        ("https://a/card", "/rpc", False),
    ],
)
def test_an_agent_is_asked_where_its_card_is(card_url: str, url: str, is_used: bool) -> None:
    assert (origin_problem(card_url, url) is None) is is_used


@pytest.mark.parametrize(
    ("scheme", "kind", "field"),
    [
        ({"httpAuthSecurityScheme": {"scheme": "Bearer"}}, "bearer", ""),
        ({"type": "http", "scheme": "basic"}, "basic", ""),
        ({"type": "http", "scheme": "digest"}, "other", ""),
        ({"apiKeySecurityScheme": {"location": "header", "name": "X"}}, "header", "X"),
        ({"type": "apiKey", "in": "query", "name": "k"}, "query", "k"),
        ({"type": "apiKey", "in": "cookie", "name": "k"}, "other", "k"),
        ({"oauth2SecurityScheme": {}}, "bearer", ""),
        ({"mtlsSecurityScheme": {}}, "other", ""),
        (7, "other", ""),
    ],
)
def test_schemes_of_both_versions_are_understood(scheme: Any, kind: str, field: str) -> None:
    card = read_card({"url": URL, "securitySchemes": {"s": scheme}})
    assert card.schemes["s"] == Scheme(kind=kind, field=field)


def test_what_cannot_be_said_is_left_for_what_can() -> None:
    schemes = {"m": {"mtlsSecurityScheme": {}}, "k": {"type": "apiKey", "in": "query", "name": "key"}}
    card = read_card({"url": URL, "securitySchemes": schemes, "security": [{"m": []}, {"k": []}]})
    assert credentials_of(card, a_worker(token="t")).query == {"key": "t"}
    assert security_problem(card, a_worker(token="t")) is None
    assert "give `token`" in (security_problem(card, a_worker()) or "")


def test_headers_of_the_worker_may_say_who_asks() -> None:
    card = read_card(
        {"url": URL, "securitySchemes": {"b": {"type": "http", "scheme": "bearer"}}, "security": [{"b": []}]}
    )
    assert security_problem(card, a_worker(headers={"Authorization": "Bearer x"})) is None
