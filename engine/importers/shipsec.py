"""ShipSec: components in a graph with typed edges, join strategies and runner settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.checks.problem import shown
from engine.importers._conditions import Untranslatable, translated
from engine.importers._draft import Draft
from engine.importers._fields import milliseconds, retry_of
from engine.importers._listed import Link, Listed, Step, described_top, metadata_of
from engine.importers._notes import Construct, Notes, Outcome
from engine.importers._paths import present, read, value_at
from engine.importers._ports import WHOLE, inputs_of
from engine.importers._source import Source, in_snake, snake
from engine.model import END

TITLE = "ShipSec"
NEARLY, NOT = Outcome.APPROXIMATED, Outcome.UNMAPPED
CONSTRUCTS: Mapping[str, Construct] = {
    "node": Construct(
        "a node and its component", "`task` with the component as a worker tag",
        "its parameters are handed on as `parameters`, its output stands in a state key named after it",
    ),
    "edges": Construct("`edges` of the type `normal`, with handles", "`edges`, and `input` of the target",
                       "by target handle, what came out of the source handle"),
    "error": Construct("`edges` of the type `error`", "`NODE:error`", "the target gets the error as `input.error`"),
    "conditional": Construct(
        "`edges` of the type `conditional`", "`route` behind the node, called `NODE-route`",
        "taken where the output has a value at the source handle, or the edge's `condition` holds; of several handles"
        " the first", NEARLY, "read the rules of the route",
    ),
    "counts": Construct("`incomingCounts`", "nothing", "worked out from the edges"),
    "counts_differ": Construct("`incomingCounts` that the edges do not have", "nothing", "the edges count", NEARLY),
    "join": Construct("`joinStrategy`: `all`, `any`, `first`, `quorum`", "`join`", "a quorum with its number"),
    "policy": Construct("the failure policy of a node", "`on_error`", "fail, skip or continue"),
    "policy_unknown": Construct("another failure policy", "`on_error`: `fail`", "as where nothing is said", NEARLY),
    "runner": Construct(
        "`runnerConfig` of the kind `docker` or `remote`", "a worker tag `runner:KIND`",
        "the rest is kept in the metadata", NEARLY, "register a worker with this tag",
    ),
    "inline": Construct("`runnerConfig` of the kind `inline`", "nothing", "any worker with the tag may do it", NEARLY),
    "group": Construct("`groupId`", "`metadata.imported`", "kept, and not read", NOT),
    "concurrency": Construct(
        "`maxConcurrency`", "`metadata.imported`", "kept, and not kept to", NOT, "limit the worker: `max_concurrent`"
    ),
    "entry": Construct("what entry nodes get from the runtime", "`input.inputs`, the run's input `inputs`",
                       "an object", NEARLY, "start runs with {\"inputs\": {…}}"),
    "depends": Construct("`dependsOn`", "`edges`", "where no edge says so already"),
    "retry": Construct("`retry`, `retryPolicy`", "`retry`", "attempts and intervals"),
    "timeout": Construct("`timeoutMs`, `timeoutSeconds`, `timeout`", "`timeout_ms`", "a bare number is of ms"),
    "version": Construct("`definitionVersion`, `version`", "`definition_version`", "as it is"),
    "name": Construct("an id with other signs", "letters, digits, `_`, `.`, `-`", "edges follow", NEARLY),
    "top": Construct("other fields", "`metadata.imported`", "kept, and not read", NOT),
}  # fmt: skip

COMPONENT = ("componentId", "component", "type")
PARAMETERS = ("parameters", "params", "inputs", "config")
POLICY = ("onError", "failurePolicy", "on_error")
RETRY, JOIN, RUNNER = ("retry", "retryPolicy"), ("joinStrategy", "join"), ("runnerConfig", "runner")
POLICIES = {
    "fail": "fail", "fail_workflow": "fail", "skip": "skip", "skip_dependents": "skip", "continue": "continue",
    "route": None, "error_edge": None, "error_edges": None, "route_to_error": None, "route_to_error_edges": None,
}  # fmt: skip
READ = (
    "id", "ref", "key", "label", "name", "position", *COMPONENT, *PARAMETERS, *POLICY, *RETRY, *JOIN, "joinQuorum",
    "quorum", "dependsOn", "timeoutMs", "timeoutSeconds", "timeout",
)  # fmt: skip
TOP = (
    "id", "name", "title", "description", "tags", "nodes", "actions", "edges", "incomingCounts", "entrypoint",
    "definitionVersion", "version", "metadata",
)  # fmt: skip


def recognises(document: Mapping[str, Any]) -> bool:
    """Edges that have a type, or the number of edges that lead to each node."""
    edges = document.get("edges")
    typed = any(isinstance(edge, dict) and "edgeType" in edge for edge in (edges if isinstance(edges, list) else ()))
    return "schemaVersion" not in document and (typed or "incomingCounts" in document)


def convert(document: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """The document in Clew's language."""
    source, draft = Source(document), Draft(notes)
    listed = Listed(draft, notes, source.get("nodes", "actions"), source.get("edges"))
    for step in listed.steps.values():
        known = {link.source.id for link in listed.entering[step.id]}
        if (names := step.at.get("dependsOn")).given():
            notes.add("depends", names.path, f"what `{shown(step.id)}` waits for")
        for name in (name for name in names.names() if name not in known):
            listed.link(name, step.id, names)
    graph = _Graph(listed, draft, notes)
    for step in listed.steps.values():
        graph.add(step)
    graph.count(source.get("incomingCounts"))
    draft.close()
    left = source.without(*TOP)
    for name in left:
        notes.add("top", source.get(name).path, f"`{shown(name)}` is kept in the metadata")
    if (version := source.name("definitionVersion", "version")) is not None:
        notes.add("version", source.get("definitionVersion", "version").path, version)
    metadata = {**source.object("metadata"), **({"imported": left} if left else {})}
    return draft.document({**described_top(source, "workflow"), "definition_version": version, "metadata": metadata})


class _Graph:
    """The nodes of a document as they become ours."""

    def __init__(self, listed: Listed, draft: Draft, notes: Notes) -> None:
        self.listed, self.draft, self.notes = listed, draft, notes
        self.inputs = draft.key("inputs", {"type": "object", "default": {}})
        self.keys = {step.id: draft.key(step.name) for step in listed.steps.values()}
        self.roots = {id: f"state.{key}" for id, key in self.keys.items()}
        self.certain = all(_kind(link) == "normal" for link in listed.links) and not any(
            step.at.get(*POLICY, *JOIN).given() for step in listed.steps.values()
        )

    def add(self, step: Step) -> None:
        """The node, the edges that leave it, and the route between them where some are conditional."""
        self.draft.add(step.name, self._fields(step))
        conditional = list[Link]()
        for link in self.listed.leaving[step.id]:
            match _kind(link):
                case "error":
                    self.notes.add("error", link.at.path, f"`{step.name}:error`")
                    self.draft.connect(step.name, link.target.name, "error", **_kept(link))
                case "conditional":
                    conditional.append(link)
                case "normal":
                    self.notes.add("edges", link.at.path, f"from `{step.name}` to `{link.target.name}`")
                    self.draft.connect(step.name, link.target.name, **_kept(link))
                case other:
                    self.notes.malformed(link.at.path, f"`{shown(other)}` is no type of edge")
        if conditional:
            self._route(step, conditional)

    def _fields(self, step: Step) -> dict[str, Any]:
        at = step.at
        component = at.text(*COMPONENT) or step.id
        self.notes.add("node", at.path, f"`{step.name}` asks workers with the tag `{shown(component)}`")
        timeout = milliseconds(at, ("timeout",))
        if timeout is not None:
            self.notes.add("timeout", at.path, f"{timeout} ms")
        self._kept_only(at)
        return {
            "type": "task",
            "label": at.text("label", "name"),
            "worker_tags": [component, *self._runner(at.get(*RUNNER))],
            "parameters": at.get(*PARAMETERS).value,
            "input": self._input(step) or None,
            "output_key": self.keys[step.id],
            "join": self._join(at),
            "on_error": self._policy(at.get(*POLICY)),
            "retry": retry_of(at.get(*RETRY), self.notes),
            "timeout_ms": timeout,
            "position": at.get("position").value,
            "metadata": metadata_of(at, READ, None if step.id == step.name else step.id),
        }

    def _kept_only(self, at: Source) -> None:
        if (group := at.get("groupId")).given():
            self.notes.add("group", group.path, "it is kept in the metadata")
        if (most := at.get("maxConcurrency")).given():
            self.notes.add("concurrency", most.path, "it is kept in the metadata")

    def _input(self, step: Step) -> dict[str, Any]:
        links = self.listed.entering[step.id]
        found: dict[str, Any] = {}
        if step.id in self.listed.begins:
            self.notes.add("entry", step.at.path, f"`{step.name}` gets the run's `{self.inputs}`")
            found["inputs"] = value_at("state", (self.inputs,), certain=True)
        usual = [link for link in links if _kind(link) != "error"]
        if links and not usual:
            return {**found, **({} if found else {"error": "{{ error }}"})}
        alone = len(links) == 1 and not usual[0].source.at.get(*POLICY).given()
        certain = (self.certain or alone) and not self.listed.cyclic
        return {**found, **inputs_of(usual, self.keys, certain=certain)}

    def _runner(self, at: Source) -> list[str]:
        kind = at.value if isinstance(at.value, str) else at.text("kind", "type")
        if kind is None:
            return []
        if kind == "inline":
            self.notes.add("inline", at.path, "it is not said where the work is done")
            return []
        self.notes.add("runner", at.path, f"the worker has to have the tag `runner:{shown(kind)}`")
        return [f"runner:{kind}"]

    def _join(self, at: Source) -> Any:
        found = at.get(*JOIN)
        word = found.value if isinstance(found.value, str) else found.text("type", "strategy")
        number = at.number("joinQuorum", "quorum") if isinstance(found.value, str) else found.number("quorum", "count")
        if not found.given():
            return None
        if word in ("all", "any", "first"):
            self.notes.add("join", found.path, f"`{word}`")
            return word
        if number is None or number < 1 or word not in ("quorum", None):
            self.notes.malformed(
                found.path, f"expected all, any, first, or a quorum with a number, got {found.described()}"
            )
            return None
        self.notes.add("join", found.path, f"a quorum of {int(number)}")
        return {"quorum": int(number)}

    def _policy(self, at: Source) -> str | None:
        if not at.given():
            return None
        word = snake(at.value) if isinstance(at.value, str) else ""
        if word not in POLICIES:
            self.notes.add("policy_unknown", at.path, f"{at.described()} is not known")
            return None
        self.notes.add("policy", at.path, POLICIES[word] or "its error edges")
        return POLICIES[word]

    def _route(self, step: Step, links: list[Link]) -> None:
        """Rules for the conditional edges of a node: those of one handle and condition are taken together."""
        name = self.draft.name(f"{step.name}-route")
        rules: dict[str, list[str]] = {}
        for link in links:
            handle = "to-error" if link.target.name == "error" else link.target.name
            rules.setdefault(self._when(step, link), []).append(handle)
            self.draft.connect(name, link.target.name, handle, **_kept(link))
        several = [{"when": when, "to": list(dict.fromkeys(to))} for when, to in rules.items()]
        none = "none" if all("none" not in to for to in rules.values()) else "none-of-them"
        self.draft.add(name, {"type": "route", "rules": several, "default": none})
        self.draft.connect(step.name, name)
        self.draft.connect(name, END, none)

    def _when(self, step: Step, link: Link) -> str:
        key = self.keys[step.id]
        steps = (key,) if link.out is None or link.out in WHOLE else (key, link.out)
        value = read("state", steps)
        there = f"{present('state', steps)} && {value} != null && {value} != false"
        condition = link.at.get("condition")
        if condition.given():
            try:
                there = translated(str(condition.value), {**self.roots, "output": f"state.{key}"})
            except Untranslatable as error:
                self.notes.malformed(condition.path, f"the condition cannot be an expression: {error}")
        self.notes.add("conditional", link.at.path, f"`{shown(there)}` leads to `{link.target.name}`")
        return there

    def count(self, at: Source) -> None:
        """Compare the numbers of edges that the source says with those that there are."""
        if not at.given():
            return
        for name, said in at.entries():
            there = len(self.listed.entering[name])
            if said.value != there:
                self.notes.add("counts_differ", said.path, f"{there} edges lead to `{shown(name)}`, not {said.value!r}")
        self.notes.add("counts", at.path, "they are not kept")


def _kind(link: Link) -> str:
    found = link.at.get("edgeType", "kind") if isinstance(link.at.value, dict) else Source(None)
    word = in_snake({str(found.value): 0}) if found.given() else {"normal": 0}
    return str(next(iter(word)))


def _kept(link: Link) -> dict[str, Any]:
    """What of an edge is kept with it."""
    if not isinstance(link.at.value, dict):
        return {}
    kept = {"id": link.at.get("id").value, "source_port": link.out}
    return {"target_port": link.into, "metadata": {name: value for name, value in kept.items() if value is not None}}
