"""How a worker's token is said to an agent: as its card wants it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import field

from dispatch._a2a.card import Card, Scheme
from engine.ports import WorkerRow
from engine.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What goes along with every request: headers, and parameters of the address."""

    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


def credentials_of(card: Card, worker: WorkerRow) -> Credentials:
    """How a worker's token is said. An agent whose card says nothing of it gets it as a bearer token."""
    if worker.token is None:
        return Credentials()
    for names in _alternatives(card):
        schemes = [card.schemes.get(name, Scheme(kind="other")) for name in names]
        if all(scheme.kind != "other" for scheme in schemes):
            return _said(schemes, worker.token)
    return _said([Scheme(kind="bearer")], worker.token)


def security_problem(card: Card, worker: WorkerRow) -> str | None:
    """What an agent wants of who asks it that the worker has not, or None."""
    if not card.wanted:
        return None
    own = {name.lower() for name in worker.headers}
    for names in card.wanted:
        schemes = [card.schemes.get(name, Scheme(kind="other")) for name in names]
        if all(_is_met(scheme, own, worker.token) for scheme in schemes):
            return None
    named = " or ".join(sorted({" and ".join(names) for names in card.wanted}))
    if worker.token is None:
        return f"the agent wants to know who asks ({named}): give `token`, or `headers`"
    return f"the agent wants {named}, which a token cannot say: give `headers`"


def _is_met(scheme: Scheme, own: set[str], token: str | None) -> bool:
    name = scheme.field.lower() if scheme.kind == "header" else "authorization"
    return name in own or (token is not None and scheme.kind != "other")


def _alternatives(card: Card) -> tuple[tuple[str, ...], ...]:
    """What a caller needs; where a card asks for nothing, what it knows."""
    return card.wanted or tuple((name,) for name in card.schemes)


def _said(schemes: list[Scheme], token: str) -> Credentials:
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    for scheme in schemes:
        match scheme.kind:
            case "header":
                headers[scheme.field.lower()] = token
            case "query":
                query[scheme.field] = token
            case "basic":
                headers["authorization"] = "Basic " + b64encode(token.encode()).decode()
            case _:
                headers["authorization"] = f"Bearer {token}"
    return Credentials(headers=headers, query=query)
