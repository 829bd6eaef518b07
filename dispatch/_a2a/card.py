"""What an agent says of itself: where it is, which versions it speaks, what it can do and who may ask it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from engine.errors import EngineError
from engine.values import dataclass

V1, V03, V01 = "1.0", "0.3", "0.1"
VERSIONS = (V1, V03, V01)
"""The versions that can be spoken, newest first; 0.2 is on the wire what 0.3 is."""
JSON_RPC = "JSONRPC"


class CardInvalid(EngineError):
    """A card that says too little, or nothing that can be used here."""

    code = "agent.card"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """An address of an agent, and the version that is spoken there; `tenant` goes along with what is asked."""

    url: str
    version: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """A way to say who asks: `kind` is `bearer`, `basic`, `header`, `query` or `other`; `field` is the name of the
    header or of the parameter."""

    kind: str
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card. `wanted` has the alternatives of schemes that a caller needs, by their names; none: it needs nothing."""

    name: str
    interfaces: tuple[Interface, ...]
    description: str = ""
    version: str = ""
    streams: bool = False
    pushes: bool = False
    skills: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    schemes: Mapping[str, Scheme]
    wanted: tuple[tuple[str, ...], ...] = ()


def read_card(given: Any) -> Card:
    """Read a card of any version; what is not understood is left out. Raises CardInvalid."""
    if not isinstance(given, dict):
        raise CardInvalid("the card is no JSON object")
    interfaces = tuple(_interfaces(given))
    if not interfaces:
        raise CardInvalid(
            "the card names no address at which JSON-RPC is spoken: neither in `supportedInterfaces` nor as `url`"
        )
    capabilities = _object(given.get("capabilities"))
    skills = [skill for skill in _list(given.get("skills")) if isinstance(skill, dict)]
    schemes = {name: _scheme(one) for name, one in _object(given.get("securitySchemes")).items()}
    tags = (tag for skill in skills for tag in (skill.get("id"), *_list(skill.get("tags"))))
    return Card(
        name=_text(given.get("name")) or "an agent without a name",
        interfaces=interfaces,
        description=_text(given.get("description")),
        version=_text(given.get("version")),
        streams=capabilities.get("streaming") is True,
        pushes=capabilities.get("pushNotifications") is True,
        skills=tuple(_text(skill.get("id")) for skill in skills),
        tags=tuple(dict.fromkeys(tag for tag in tags if isinstance(tag, str) and tag)),
        modes=tuple(mode for mode in _list(given.get("defaultOutputModes")) if isinstance(mode, str)),
        schemes=schemes,
        wanted=tuple(_wanted(given)),
    )


def interface_of(card: Card, pinned: str | None) -> Interface:
    """Where an agent is asked, and in which version: the newest that both speak, or the one that is `pinned`. Raises
    CardInvalid."""
    for version in VERSIONS if pinned is None else (pinned,):
        for one in card.interfaces:
            if one.version == version:
                return one
    if pinned is not None:  # whoever pins a version knows better than the card
        return Interface(url=card.interfaces[0].url, version=pinned, tenant=card.interfaces[0].tenant)
    said = ", ".join(sorted({one.version for one in card.interfaces}))
    raise CardInvalid(f"the agent speaks {said}; spoken here: {', '.join(VERSIONS)}. `metadata.a2a_version` pins one")


def _interfaces(card: Mapping[str, Any]) -> list[Interface]:
    """Where JSON-RPC is spoken. Cards for both have `supportedInterfaces` beside a `url`: those say more."""
    found = [one for one in _list(card.get("supportedInterfaces")) if isinstance(one, dict)]
    named = [
        Interface(
            url=one["url"], version=_spoken(one.get("protocolVersion"), V1), tenant=_text(one.get("tenant")) or None
        )
        for one in found
        if _text(one.get("url")) and str(one.get("protocolBinding", JSON_RPC)).upper() == JSON_RPC
    ]
    return named or _older(card)


def _older(card: Mapping[str, Any]) -> list[Interface]:
    """Where an agent is by a card from before 1.0."""
    version = _spoken(card.get("protocolVersion"), V03)
    more = [one for one in _list(card.get("additionalInterfaces")) if isinstance(one, dict)]
    first = {"url": card.get("url"), "transport": card.get("preferredTransport") or JSON_RPC}
    return [
        Interface(url=one["url"], version=version)
        for one in (first, *more)
        if _text(one.get("url")) and str(one.get("transport", "")).upper() == JSON_RPC
    ]


def _spoken(given: Any, absent: str) -> str:
    """A version as it is spoken: the patch plays no part, 0.2 is 0.3, and what is newer than 1.0 is 1.0."""
    if not isinstance(given, str) or not given:
        return absent
    major, _, rest = given.partition(".")
    short = f"{major}.{rest.partition('.')[0] or '0'}"
    if short == "0.2":
        return V03
    return V1 if major == "1" else short


def _scheme(given: Any) -> Scheme:
    """A scheme in the shape of either version; cards for both have both in one object."""
    given = _object(given)
    http, key = given.get("httpAuthSecurityScheme"), given.get("apiKeySecurityScheme")
    if isinstance(http, dict) or given.get("type") == "http":
        kind = str(_object(http).get("scheme") or given.get("scheme") or "").lower()
        return Scheme(kind=kind if kind in ("bearer", "basic") else "other")
    if isinstance(key, dict) or given.get("type") == "apiKey":
        place = _object(key).get("location") or given.get("in")
        name = _text(_object(key).get("name") or given.get("name"))
        return Scheme(kind=str(place) if name and place in ("header", "query") else "other", field=name)
    tokens = ("oauth2SecurityScheme", "openIdConnectSecurityScheme")
    if given.get("type") in ("oauth2", "openIdConnect") or any(name in given for name in tokens):
        return Scheme(kind="bearer")
    return Scheme(kind="other")


def _wanted(card: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The alternatives of schemes that a caller needs."""
    new = [_object(one).get("schemes") for one in _list(card.get("securityRequirements"))]
    old = _list(card.get("security"))
    return [tuple(one) for one in (new or old) if isinstance(one, dict) and one]


def origin_problem(card_url: str, url: str) -> str | None:
    """Why an address that a card names is not used: it is not where the card was had from."""
    ours, theirs = urlsplit(card_url), urlsplit(url)
    try:
        host, downgraded = theirs.hostname, ours.scheme == "https" and theirs.scheme != "https"
        _ = theirs.port
    except ValueError:
        return f"the card names an address that is none: '{url[:200]}'"
    if theirs.scheme not in ("http", "https") or not host or "@" in theirs.netloc:
        return f"the card names an address that is none for HTTP: '{url[:200]}'"
    if host != ours.hostname or downgraded:
        return (
            f"the card, had from {ours.scheme}://{ours.netloc}, names another place to ask: '{url[:200]}'. "
            "If that is right, say so in `metadata.a2a_url`"
        )
    return None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
