"""Bindings of AstraFlow: `@alias.child.#node`, `#node` or nothing, and then a JSON Pointer or a dotted path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from engine.importers._paths import Steps, steps_of
from engine.importers._source import Source
from engine.values import dataclass

RESULTS, PARAMETERS = "results", "parameters"
SCOPE = "scope:"
READ, WRITE, BOTH = "read", "write", "two_way"
_PARTS = re.compile(r"[./]+")
_SIDES = (("inputPorts", "input"), ("inputs", "input"), ("outputPorts", "output"), ("outputs", "output"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a port is bound to. `aliases` lead into subgraphs, `node` is an id, None for the node itself (or for the
    container that the aliases lead to); `part` is results or parameters, `steps` the path below."""

    aliases: tuple[str, ...]
    node: str | None
    part: str
    steps: Steps
    mode: str

    @property
    def local(self) -> bool:
        """Whether it is bound to something of its own node."""
        return not self.aliases and self.node is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port of a node that is bound: `side` is input or output."""

    key: str
    side: str
    binding: Binding
    at: Source


def parse_binding(text: str, mode: str = READ) -> Binding | None:
    """A binding as text; None for what is none. Which of several names is a node is said by `#`, or by the place before
    `results` and `parameters`."""
    words = [word for word in _PARTS.split(text.strip()) if word]
    aliases, node = list[str](), None
    if words and words[0].startswith("@"):
        words[0] = words[0][1:]
        while words and words[0] not in (RESULTS, PARAMETERS) and not words[0].startswith("#"):
            aliases.append(words.pop(0))
        if not aliases or not aliases[0]:
            return None
    if words and words[0].startswith("#"):
        node = words.pop(0)[1:]
    if not words or words[0] not in (RESULTS, PARAMETERS) or node == "":
        return None
    return Binding(
        aliases=tuple(aliases), node=node, part=words[0], steps=steps_of("/" + "/".join(words[1:])), mode=mode
    )


def binding_of(at: Source) -> Binding | None:
    """A binding as documents write it: text, or `{path, mode, prefix, scope}`. None for what is none."""
    if isinstance(at.value, str):
        return parse_binding(at.value)
    mode = at.text("mode") or READ
    path, prefix = at.text("path"), at.text("prefix") or _scope(at.get("scope"))
    if path is None or mode not in (READ, WRITE, BOTH):
        return None
    return parse_binding(path if prefix is None else f"{prefix}.{path.lstrip('/')}", mode)


def _scope(at: Source) -> str | None:
    """The prefix that structured fields stand for; none for the kind `local`. A scope may have an id, such as
    `scope:default/welcomeJourney/stage2`."""
    if at.text("kind") == "local" or not at.given():
        return None
    id = at.value if isinstance(at.value, str) else at.text("id", "scopeId") or ""
    aliases = [word for word in id.removeprefix(SCOPE).split("/") if word]
    aliases += at.get("aliases", "alias", "subgraphId", "path").names()
    node = at.text("nodeId", "node")
    prefix = "@" + ".".join(aliases) if aliases else ""
    return ".".join(part for part in (prefix, f"#{node}" if node else "") if part) or None


def ports_of(node: Source) -> Iterator[Port | Source]:
    """The bound ports of a node: those of `ui` and `ports`, and its list of `bindings`. A Source is one whose binding
    cannot be read."""
    for at, side in _places(node):
        for item in at.items():
            found = (
                item.get("binding")
                if item.get("binding").given()
                else item
                if "path" in (item.value if isinstance(item.value, dict) else ())
                else None
            )
            if found is None:
                continue
            binding = binding_of(found)
            if binding is None:
                yield found
                continue
            given = side or (
                "input" if binding.mode == WRITE and binding.local else "output" if binding.local else "input"
            )
            yield Port(key=item.name("key", "port", "id", "name") or "", side=given, binding=binding, at=found)


def _places(node: Source) -> Sequence[tuple[Source, str | None]]:
    ui, ports = node.get("ui"), node.get("ports")
    found: list[tuple[Source, str | None]] = [(at.get(name), side) for at in (ui, ports) for name, side in _SIDES]
    return [*found, (node.get("bindings"), None)]
