"""Workflow-Runner: tasks that hand on payloads, conditional nodes with rules in CEL, loops with three ways out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.checks.problem import shown
from engine.importers._conditions import Untranslatable, translated
from engine.importers._draft import Draft
from engine.importers._fields import milliseconds, retry_of
from engine.importers._listed import Listed, Step, described_top, metadata_of
from engine.importers._notes import Construct, Notes, Outcome
from engine.importers._paths import value_at
from engine.importers._source import Source, in_snake
from engine.model import END

TITLE = "Workflow-Runner"
NEARLY, NOT = Outcome.APPROXIMATED, Outcome.UNMAPPED
CONSTRUCTS: Mapping[str, Construct] = {
    "node": Construct(
        "`function`, `http`, `transform`, `aggregate`, `filter`", "`task` with the type as a worker tag",
        "`config` is handed on as `parameters`, the answer stands in a state key named after the node",
    ),
    "kind": Construct(
        "any other type", "`task` with the type as a worker tag", "a worker has to know what to do", NEARLY,
        "register a worker with this tag",
    ),
    "payload": Construct(
        "the payload of a token", "`input`, by the node that it comes from",
        "first nodes get the run's input `payload`", NEARLY, "start runs with {\"payload\": …}",
    ),
    "edges": Construct("`edges`; several from one node fork", "`edges`", "as they are"),
    "depends": Construct(
        "the older `depends_on`, `dependencies`, `dependents`", "`edges`", "one for each name", Outcome.MAPPED
    ),
    "conditional": Construct(
        "`conditional`, and `branch` of any node", "`route` with `rules` and `default`",
        "the first rule that holds counts; where the node does some work too, the route follows it as `NAME-route`",
    ),
    "condition": Construct(
        "CEL over `output`, `context.NODE`, `payload`", "CEL over `state`", "`output` is the answer of the node before"
    ),
    "merged": Construct(
        "`output` behind several nodes", "the answer of the last of them that has one", "they are not merged", NEARLY
    ),
    "no_default": Construct("a branch without `default`", "an edge to the end", "nothing follows there either", NEARLY),
    "loop": Construct(
        "`loop`, and `loop` of any node", "`transform` that counts and `route`",
        "at `max_iterations` the `timeout_path`; else `loop_back_to` while the condition holds; else the `break_path`",
    ),
    "reset": Construct(
        "the end of a loop that is come to again", "`transform` that sets the count to 0", "before what follows"
    ),
    "no_timeout": Construct("a loop without `timeout_path`", "the `break_path`", "both ways out lead there", NEARLY),
    "beside": Construct(
        "other edges from a branch or a loop", "nothing", "the rules alone say what follows", NEARLY
    ),
    "join": Construct("`wait_for_all`", "`join`: `all`", "it is what a node does that says nothing"),
    "each": Construct("`wait_for_all: false`", "`join`: `each`", "once for every token", NEARLY),
    "retry": Construct("`retry`", "`retry`", "attempts and intervals"),
    "timeout": Construct("`timeout`, `timeout_ms`, `timeout_seconds`", "`timeout_ms`", "a bare number is of seconds"),
    "name": Construct("an id with other signs", "letters, digits, `_`, `.`, `-`", "edges follow", NEARLY),
    "top": Construct("other fields", "`metadata.imported`", "kept, and not read", NOT),
    "derived": Construct("`is_terminal`, `terminal`, counters", "nothing", "worked out from the edges"),
}  # fmt: skip

TASKS = frozenset({"function", "http", "transform", "aggregate", "filter"})
TYPES = TASKS | {"conditional", "loop"}
BEFORE, AFTER = ("depends_on", "dependencies"), ("dependents", "next")
DERIVED = ("is_terminal", "terminal", "incoming_count")
NEXT, DEFAULT = ("next_nodes", "next", "nodes", "to", "targets"), ("default", "default_path", "else")
BRANCH = ("rules", "default", "enabled", "type", "branch")
LOOP = ("max_iterations", "loop_back_to", "condition", "break_path", "timeout_path", "enabled", "loop")
READ = (
    "id", "name", "type", "config", "branch", "loop", "wait_for_all", "waitForAll", "retry", "timeout", "timeout_ms",
    "timeout_seconds", "label", "position", *BEFORE, *AFTER, *DERIVED,
)  # fmt: skip
TOP = ("id", "name", "description", "tags", "nodes", "edges", "metadata", "version")


def recognises(document: Mapping[str, Any]) -> bool:
    """A list of nodes that are all of its types, and that hold neither `data` nor ports."""
    nodes, edges = document.get("nodes"), document.get("edges", [])
    if not isinstance(nodes, list) or not nodes or not isinstance(edges, list) or "schemaVersion" in document:
        return False
    kinds = [node.get("type") for node in nodes if isinstance(node, dict) and "data" not in node]
    return (
        len(kinds) == len(nodes)
        and any(kind in TYPES for kind in kinds if isinstance(kind, str))
        and not any(isinstance(edge, dict) and edge.keys() & {"edgeType", "sourceHandle"} for edge in edges)
    )


def convert(document: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """The document in Clew's language."""
    source, draft = Source(document), Draft(notes)
    listed = Listed(draft, notes, source.get("nodes"), source.get("edges"))
    _depending(listed)
    _deciding(listed)
    graph = _Graph(listed, draft, notes)
    for step in listed.steps.values():
        graph.add(step)
    notes.add("edges", source.get("edges").path, f"{len(listed.links)} edges")
    draft.close()
    left = source.without(*TOP)
    for name in left:
        notes.add("top", Source(document).get(name).path, f"`{shown(name)}` is kept in the metadata")
    top = described_top(source, "workflow") | {
        "definition_version": source.name("version"),
        "metadata": {**source.object("metadata"), **({"imported": left} if left else {})},
    }
    return draft.document(top)


def _depending(listed: Listed) -> None:
    """Edges that nodes say by names, as the older documents do."""
    for step in list(listed.steps.values()):
        before, after = step.at.get(*BEFORE), step.at.get(*AFTER)
        for at in (at for at in (before, after) if at.given()):
            listed.notes.add("depends", at.path, f"edges of `{shown(step.id)}`")
        for name in before.names():
            listed.link(name, step.id, before)
        for name in after.names():
            listed.link(step.id, name, after)


def _deciding(listed: Listed) -> None:
    """Edges that branches and loops say by names alone."""
    for step in list(listed.steps.values()):
        decides = _decision(step)
        for at in _named(_settings(step, decides or ""), decides):
            known = {link.target.id for link in listed.leaving[step.id]}
            for name in at.names():
                if name in listed.steps and name not in known:
                    listed.link(step.id, name, at)


def _named(settings: Source, decides: str | None) -> Iterator[Source]:
    """What names the nodes that follow a decision."""
    if decides == "loop":
        yield from (settings.get(name) for name in ("loop_back_to", "break_path", "timeout_path"))
    elif decides == "branch":
        yield settings.get(*DEFAULT)
        yield from (Source(in_snake(rule.value), rule.path).get(*NEXT) for rule in settings.get("rules").items())


class _Graph:
    """The nodes of a document as they become ours."""

    def __init__(self, listed: Listed, draft: Draft, notes: Notes) -> None:
        self.listed, self.draft, self.notes = listed, draft, notes
        self.payload = draft.key("payload", {"default": {}})
        works = [step for step in listed.steps.values() if _works(step)]
        self.keys = {step.id: draft.key(step.name) for step in works}
        self.branching = any(_decision(step) is not None for step in listed.steps.values())
        self.roots = {"payload": f"state.{self.payload}", "input": f"state.{self.payload}"}
        self.roots |= {f"{word}.{id}": f"state.{key}" for id, key in self.keys.items() for word in ("context", "ctx")}

    def add(self, step: Step) -> None:
        """The node, and what decides behind it."""
        decides = _decision(step)
        name = step.name
        if step.id in self.keys:
            self._task(step)
            name = self.draft.name(f"{step.name}-route") if decides else name
        if decides is None:
            for link in self.listed.leaving[step.id]:
                self.draft.connect(step.name, link.target.name)
        elif decides == "loop":
            self._loop(step, name)
        else:
            self._branch(step, name)

    # ---- tasks

    def _task(self, step: Step) -> None:
        at, kind = step.at, step.at.text("type") or "function"
        known = kind in TYPES
        self.notes.add("node" if known else "kind", at.path, f"`{step.name}` asks workers with the tag `{shown(kind)}`")
        unit = "seconds"
        timeout = milliseconds(at, ("timeout",), unit) or milliseconds(at.get("config"), ("timeout",), unit)
        if timeout is not None:
            self.notes.add("timeout", at.path, f"{timeout} ms")
        if any(name in at.value for name in DERIVED):
            self.notes.add("derived", at.path, "what is worked out from the edges is left out")
        fields = {
            "type": "task",
            "label": at.text("label", "name"),
            "worker_tags": [kind],
            "parameters": at.get("config").value,
            "input": self._input(step),
            "output_key": self.keys[step.id],
            "join": self._join(step),
            "retry": retry_of(at.get("retry"), self.notes, unit),
            "timeout_ms": timeout,
            **self._kept(step),
        }
        self.draft.add(step.name, fields)

    def _kept(self, step: Step) -> dict[str, Any]:
        original = None if step.name == step.id else step.id
        return {"position": step.at.get("position").value, "metadata": metadata_of(step.at, READ, original)}

    def _input(self, step: Step) -> dict[str, Any]:
        sources, begins = self._sources(step), step.id in self.listed.begins
        found: dict[str, Any] = {}
        if begins:
            self.notes.add("payload", step.at.path, f"`{step.name}` gets the run's `{self.payload}`")
            found["payload"] = value_at("state", (self.payload,), certain=True)
        sure = not self.branching or (len(sources) == 1 and len(self.listed.entering[step.id]) == 1)
        certain = sure and not begins and not self.listed.cyclic
        return {**found, **{one.name: value_at("state", (self.keys[one.id],), certain=certain) for one in sources}}

    def _sources(self, step: Step) -> list[Step]:
        """The nodes whose answers come to a node, also through those that only decide."""
        found: dict[str, Step] = {}
        seen, todo = {step.id}, [step.id]
        while todo:
            for link in self.listed.entering[todo.pop()]:
                if link.source.id in self.keys:
                    found[link.source.id] = link.source
                elif link.source.id not in seen:
                    seen.add(link.source.id)
                    todo.append(link.source.id)
        return [one for one in self.listed.steps.values() if one.id in found]

    def _join(self, step: Step) -> str | None:
        waits = step.at.get("wait_for_all", "waitForAll")
        if waits.value is True:
            self.notes.add("join", waits.path, f"`{step.name}` waits for what can still come")
        if waits.value is False and len(self.listed.entering[step.id]) > 1:
            self.notes.add("each", waits.path, f"`{step.name}` runs once for every token")
            return "each"
        return None

    # ---- decisions

    def _condition(self, step: Step, at: Source) -> str | None:
        """A condition as an expression over the state; None, with a note, where it is none."""
        inner = Source(in_snake(at.value), at.path)
        language = inner.text("type", "language") or "cel"
        text = at.value if isinstance(at.value, str) else inner.text("expression", "cel", "condition")
        if not isinstance(text, str) or language.lower() != "cel":
            self.notes.malformed(at.path, f"expected a condition in CEL, got {at.described()}")
            return None
        sources = [step] if step.id in self.keys else self._sources(step)
        if len(sources) > 1:
            self.notes.add("merged", at.path, f"`{step.name}` has {len(sources)} nodes before it")
        output = f"state.{self.keys[sources[0].id]}" if sources else f"state.{self.payload}"
        for other in sources[1:]:
            key = f"state.{self.keys[other.id]}"
            output = f"(has({key}) ? {key} : {output})"
        try:
            found = translated(text, {**self.roots, "output": output, "result": output})
        except Untranslatable as error:
            self.notes.malformed(at.path, f"`{shown(text)}` cannot be an expression: {error}")
            return None
        self.notes.add("condition", at.path, f"`{shown(found)}`")
        return found

    def _ways(self, name: str, targets: Sequence[Step], path: str) -> list[str]:
        """The handles that lead to some nodes, each called as its node; to the end where there are none."""
        if not targets:
            self.draft.connect(name, END, "end")
            return ["end"]
        handles = ["to-error" if target.name == "error" else target.name for target in targets]
        for handle, target in zip(handles, targets, strict=True):
            self.draft.connect(name, target.name, handle)
        return handles

    def _branch(self, step: Step, name: str) -> None:
        at = _settings(step, "branch")
        rules, named = list[dict[str, Any]](), list[Step]()
        for rule in at.get("rules").items():
            rule = Source(in_snake(rule.value), rule.path)
            targets = self.listed.named(rule.get(*NEXT))
            named += targets
            if (when := self._condition(step, rule.get("condition", "when", "expression", "if"))) is not None:
                rules.append({"when": when, "to": self._ways(name, targets, rule.path)})
        default = self.listed.named(at.get(*DEFAULT))
        for link in self.listed.leaving[step.id]:
            if (given := link.at.get("condition", "when")).given():
                when = self._condition(step, given)
                rules += [] if when is None else [{"when": when, "to": self._ways(name, [link.target], given.path)}]
            elif link.target not in named and link.target not in default:
                default.append(link.target)
        self._decide(step, name, rules, default)

    def _decide(self, step: Step, name: str, rules: list[dict[str, Any]], default: Sequence[Step]) -> None:
        self.notes.add("conditional", step.at.path, f"the route `{name}` with {len(rules)} rules")
        if not default:
            self.notes.add("no_default", step.at.path, f"where no rule holds, `{name}` leads to the end")
        ways = self._ways(name, default, step.at.path)
        self._route(step, name, rules, ways)

    def _route(self, step: Step, name: str, rules: list[dict[str, Any]], ways: list[str]) -> None:
        """A route; a default that leads to several nodes is a last rule that always holds."""
        last = [{"when": "true", "to": ways}] if len(ways) > 1 else []
        fields = {"type": "route", "rules": [*rules, *last], "default": ways[0] if not last else None}
        own = self._kept(step) | {"label": step.at.text("label", "name")} if name == step.name else {}
        self.draft.add(name, {**fields, **own})

    # ---- loops

    def _loop(self, step: Step, name: str) -> None:
        at = _settings(step, "loop")
        back = self.listed.named(at.get("loop_back_to"))
        broken, late = self.listed.named(at.get("break_path")), self.listed.named(at.get("timeout_path"))
        others = [link.target for link in self.listed.leaving[step.id]]
        others = [other for other in dict.fromkeys(others) if other not in (*back, *broken, *late)]
        if others and broken:
            self.notes.add("beside", at.path, f"`{shown(others[0].id)}` does not follow `{shown(step.id)}`")
        broken = broken or others
        if not late:
            self.notes.add("no_timeout", at.path, f"`{step.name}` leaves as if its condition did not hold")
        again = step.id in self.listed.reached([*broken, *late])
        count = self.draft.key(f"{step.name}_iterations", {"type": "integer", "reducer": "add"})
        counting = name if name == step.name else self.draft.name(f"{step.name}-count")
        route = self.draft.name(f"{step.name}-route") if name == step.name else name
        self._counts(step, counting, count, own=counting == step.name)
        self.draft.connect(counting, route)
        if counting != step.name:
            self.draft.connect(step.name, counting)
        rules = []
        if (most := at.number("max_iterations")) is not None and most >= 1:
            ways = self._leave(step, route, late or broken, "timeout", count if again else None)
            rules.append({"when": f"state.{count} >= {int(most)}", "to": ways})
        given = at.get("condition")
        when = self._condition(step, given) if given.given() else "true"
        if when is not None and back:
            rules.append({"when": when, "to": self._ways(route, back, at.path)})
        self.notes.add("loop", step.at.path, f"`{counting}` counts, `{route}` decides")
        self._route(step, route, rules, self._leave(step, route, broken, "break", count if again else None))

    def _counts(self, step: Step, name: str, count: str, *, own: bool) -> None:
        kept = self._kept(step) | {"label": step.at.text("label", "name")} if own else {}
        self.draft.add(name, {"type": "transform", "updates": {count: 1}, **kept})

    def _leave(self, step: Step, route: str, targets: Sequence[Step], word: str, count: str | None) -> list[str]:
        """The handles by which a loop is left; a loop that is come to again begins to count anew."""
        if count is None:
            return self._ways(route, targets, step.at.path)
        self.notes.add("reset", step.at.path, f"`{step.name}` can be come to again")
        name = self.draft.name(f"{step.name}-{word}")
        self.draft.add(name, {"type": "transform", "updates": {count: {"__overwrite": True, "value": 0}}})
        self.draft.connect(route, name, word)
        for target in targets:
            self.draft.connect(name, target.name)
        return [word]


def _settings(step: Step, kind: str) -> Source:
    """The settings of a branch or a loop: in a field of the node, in one of its `config`, or its whole `config`."""
    config = step.at.get("config")
    found = next((at for at in (step.at.get(kind), config.get(kind)) if isinstance(at.value, dict)), config)
    return Source(in_snake(found.value), found.path)


def _decision(step: Step) -> str | None:
    """What a node decides: `loop`, `branch` or nothing."""
    kind, config = step.at.text("type"), step.at.get("config")
    for word, own in (("loop", "loop"), ("branch", "conditional")):
        at = next((at for at in (step.at.get(word), config.get(word)) if isinstance(at.value, dict)), None)
        if kind == own or (at is not None and at.value.get("enabled") is not False):
            return word
    return None


def _works(step: Step) -> bool:
    """Whether a worker is asked: not for a branch or loop that has nothing but its settings."""
    if step.at.text("type") not in ("conditional", "loop"):
        return True
    known = BRANCH if step.at.text("type") == "conditional" else LOOP
    return bool(in_snake(step.at.object("config")).keys() - set(known))
