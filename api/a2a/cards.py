"""The cards of agents: what a workflow says of itself to those who look for an agent, in both versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from api.a2a.extensions import CHECKPOINTS, INPUT, Extension
from api.a2a.rpc import V03, V1
from engine.values import dataclass

NODES = "urn:clew:a2a:nodes:v1"
"""The extension by which the extended card tells what workflows are made of."""
MODES = ["application/json", "text/plain"]
ANY = "*/*"
"""The mode of a skill that takes files: of which type they may be its input schema says, if anything does."""
BEARER, KEY = "bearer", "apiKey"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """A workflow as something that an agent can do."""

    id: str
    name: str
    description: str
    tags: tuple[str, ...]
    input_schema: Mapping[str, Any]
    takes_files: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent at an address below `base`; `path` is where it is for those who speak either version."""

    base: str
    path: str
    name: str
    description: str
    version: str
    skills: tuple[Skill, ...]
    guarded: bool
    """Whether a token is wanted."""
    extensions: tuple[Extension, ...] = ()
    """Those that its workflow declares."""

    def url(self, version: str | None = None) -> str:
        """Its address; that of one version alone where that is named."""
        root, _, name = self.path.partition("/a2a")
        alias = {None: "", V1: "/v1", V03: "/v0.3"}[version]
        return f"{self.base}{root}/a2a{alias}{name}"


def card_v1(agent: Agent, *, strict: bool = True) -> dict[str, Any]:
    """A card of 1.0, with nothing else in it."""
    url = agent.url(V1 if strict else None)
    security = {
        BEARER: {"httpAuthSecurityScheme": {"scheme": "Bearer"}},
        KEY: {"apiKeySecurityScheme": {"location": "header", "name": "X-API-Key"}},
    }
    found = {
        **_common(agent),
        "supportedInterfaces": [{"url": url, "protocolBinding": "JSONRPC", "protocolVersion": V1}],
        "capabilities": {
            "streaming": True,
            "pushNotifications": True,
            "extendedAgentCard": agent.guarded,
            "extensions": _extensions(agent),
        },
        "skills": [_skill(skill) for skill in agent.skills],
    }
    if agent.guarded:
        needs: list[Any] = [{"schemes": {name: {"list": []}}} for name in (BEARER, KEY)]
        found |= {"securitySchemes": security, "securityRequirements": needs}
    return found


def card_v03(agent: Agent, *, strict: bool = True) -> dict[str, Any]:
    """A card of 0.3, which clients of 0.2 read as well."""
    found = {
        **_common(agent),
        "protocolVersion": "0.3.0",
        "url": agent.url(V03 if strict else None),
        "preferredTransport": "JSONRPC",
        "capabilities": {
            "streaming": True,
            "pushNotifications": True,
            "stateTransitionHistory": False,
            "extensions": _extensions(agent),
        },
        "skills": [_skill(skill) for skill in agent.skills],
        "supportsAuthenticatedExtendedCard": agent.guarded,
    }
    if agent.guarded:
        schemes = {
            BEARER: {"type": "http", "scheme": "bearer"},
            KEY: {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        found |= {"securitySchemes": schemes, "security": [{BEARER: []}, {KEY: []}]}
    return found


def card_for_both(agent: Agent) -> dict[str, Any]:
    """One card that clients of either version read, at the address that speaks both."""
    old, new = card_v03(agent, strict=False), card_v1(agent, strict=False)
    interfaces = [*new["supportedInterfaces"], {**new["supportedInterfaces"][0], "protocolVersion": V03}]
    found = {**old, **new, "supportedInterfaces": interfaces}
    found["capabilities"] = {**old["capabilities"], **new["capabilities"]}
    if agent.guarded:
        shapes = {name: {**old["securitySchemes"][name], **new["securitySchemes"][name]} for name in (BEARER, KEY)}
        found["securitySchemes"] = shapes
    return found


CARDS: Mapping[str, Callable[..., dict[str, Any]]] = {V1: card_v1, V03: card_v03}
"""The card of an agent by the version that it is written in."""


def extended(card: dict[str, Any], documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A card with what is not for everybody: of which nodes the workflows are made that its skills are."""
    nodes = {name: _nodes(document) for name, document in documents.items()}
    told = {"uri": NODES, "description": "The nodes of the workflows, which steps name that streams tell."}
    found = [*card["capabilities"]["extensions"], {**told, "required": False, "params": {"nodes": nodes}}]
    return {**card, "capabilities": {**card["capabilities"], "extensions": found}}


def _nodes(document: Mapping[str, Any]) -> dict[str, Any]:
    """The nodes of a workflow with their types, and what is said of them."""
    return {
        name: {key: node[key] for key in ("type", "name", "description") if key in node}
        for name, node in document["nodes"].items()
    }


def _common(agent: Agent) -> dict[str, Any]:
    return {
        "name": agent.name,
        "description": agent.description,
        "version": agent.version,
        "provider": {"organization": "Clew", "url": agent.base},
        "defaultInputModes": list(MODES),
        "defaultOutputModes": list(MODES),
    }


def _skill(skill: Skill) -> dict[str, Any]:
    return {
        "id": skill.id,
        "name": skill.name,
        "description": skill.description,
        "tags": list(skill.tags) or ["workflow"],
        "inputModes": [*MODES, ANY] if skill.takes_files else list(MODES),
        "outputModes": list(MODES),
    }


def _extensions(agent: Agent) -> list[dict[str, Any]]:
    """What is more than the protocol has; of our own nobody has to know."""
    about = "Tasks tell their checkpoint; a message that names one forks from it."
    found = [Extension(uri=CHECKPOINTS, description=about)]
    if schemas := {skill.id: dict(skill.input_schema) for skill in agent.skills if skill.input_schema}:
        about = "The JSON Schema of the data of a first message, by skill."
        found.append(Extension(uri=INPUT, description=about, params={"inputSchemas": schemas}))
    return [one.as_json() for one in (*found, *agent.extensions)]
