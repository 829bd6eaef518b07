"""Flow Builder: nodes of an editor with their inputs, edges between handles, a cron line and a status."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.checks.problem import listed as in_a_row
from engine.checks.problem import shown
from engine.importers._conditions import Untranslatable, translated
from engine.importers._draft import Draft
from engine.importers._fields import milliseconds
from engine.importers._listed import Link, Listed, Step, described_top, metadata_of
from engine.importers._notes import Construct, Notes, Outcome
from engine.importers._paths import literal
from engine.importers._ports import inputs_of
from engine.importers._source import Source, snake
from engine.model import END

TITLE = "Flow Builder"
NEARLY, NOT = Outcome.APPROXIMATED, Outcome.UNMAPPED
CONSTRUCTS: Mapping[str, Construct] = {
    "node": Construct(
        "a node of any type but those below", "`task` with the type as a worker tag",
        "`data.inputs` are handed on as `parameters`, the outputs stand in a state key named after the node",
    ),
    "edges": Construct("`edges` with handles", "`edges`, and `input` of the target",
                       "by target handle, what came out of the source handle"),
    "delay": Construct("a delay of a known length", "`wait`", "a durable timer"),
    "delay_unread": Construct(
        "a delay whose length cannot be read", "`task` with the type as a worker tag", "a worker waits", NEARLY,
        "give `seconds` or `ms` among its inputs",
    ),
    "branch": Construct(
        "a branch whose `condition` can be an expression", "`route`",
        "the handle `true` where it holds, else the handle `false`",
    ),
    "decided": Construct(
        "any other branch, and a loop", "`task`, and behind it a `route` called `NODE-route`",
        "the worker says by which handle it goes on", NEARLY, "have the worker answer {\"handle\": …}",
    ),
    "agent": Construct("AI extraction, such as `extract_data_openai`", "`agent` with the type as a worker tag",
                       "one turn", NEARLY, "register an agent with this tag"),
    "critical": Construct("a node that is not critical", "`on_error`: `continue`", "the run goes on without it"),
    "cron": Construct("`cron`", "`metadata.imported`", "kept; a workflow has no times of its own", NOT,
                      "start its runs by whatever keeps your times"),
    "status": Construct("`status`", "`metadata.imported`", "kept; an imported workflow is active", NEARLY,
                        "POST /v1/workflows/{id}/pause"),
    "name": Construct("an id with other signs", "letters, digits, `_`, `.`, `-`", "edges follow", NEARLY),
    "top": Construct("other fields", "`metadata.imported`", "kept, and not read", NOT),
}  # fmt: skip

DELAYS = frozenset({"delay", "sleep", "wait", "timer"})
BRANCHES = frozenset({"branch", "condition", "conditional", "if", "switch"})
LOOPS = frozenset({"loop", "foreach", "repeat", "iterate"})
MODELS = frozenset({"openai", "ai", "llm", "anthropic"})
ELEMENTS = frozenset({"element", "selector", "page", "navigation"})
LENGTHS = ("delay", "duration", "wait", "sleep", "time", "timeout")
YES, NO = "true", "false"
READ = ("id", "type", "position", "data", "label")
TOP = ("id", "name", "description", "tags", "nodes", "edges", "metadata", "cron", "status")


def recognises(document: Mapping[str, Any]) -> bool:
    """A list of nodes that have `data`, as editors keep it."""
    nodes = document.get("nodes")
    if not isinstance(nodes, list) or "schemaVersion" in document or "incomingCounts" in document:
        return False
    edges = document.get("edges")
    typed = any(isinstance(edge, dict) and "edgeType" in edge for edge in (edges if isinstance(edges, list) else ()))
    return not typed and any(isinstance(node, dict) and isinstance(node.get("data"), dict) for node in nodes)


def convert(document: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """The document in Clew's language."""
    source, draft = Source(document), Draft(notes)
    listed = Listed(draft, notes, source.get("nodes"), source.get("edges"))
    graph = _Graph(listed, draft, notes)
    for step in listed.steps.values():
        graph.add(step)
    draft.close()
    left = source.without(*(name for name in TOP if name not in ("cron", "status")))
    for name in left:
        construct = name if name in ("cron", "status") else "top"
        notes.add(construct, source.get(name).path, f"`{shown(name)}` is kept in the metadata")
    metadata = {**source.object("metadata"), **({"imported": left} if left else {})}
    return draft.document({**described_top(source, "workflow"), "metadata": metadata})


class _Graph:
    """The nodes of a document as they become ours."""

    def __init__(self, listed: Listed, draft: Draft, notes: Notes) -> None:
        self.listed, self.draft, self.notes = listed, draft, notes
        working = [step for step in listed.steps.values() if _length(step) is None]
        self.keys = {step.id: draft.key(step.name) for step in working}
        self.conditions = {step.id: found for step in working if (found := self._condition(step)) is not None}
        for id in self.conditions:
            del draft.state[self.keys.pop(id)]
        deciding = any(words_of(step) & (BRANCHES | LOOPS) or not _critical(step) for step in listed.steps.values())
        self.certain = not deciding and not listed.cyclic

    def add(self, step: Step) -> None:
        """The node, what decides behind it, and the edges that leave it."""
        kept = self._kept(step)
        if step.id in self.conditions:
            self._branch(step, kept)
        elif (length := _length(step)) is not None:
            self.notes.add("delay", step.at.path, f"`{step.name}` waits {length / 1000:g} seconds")
            self.draft.add(step.name, {"type": "wait", "seconds": length / 1000, **kept})
            self._edges(step)
        else:
            self._task(step, kept)

    def _kept(self, step: Step) -> dict[str, Any]:
        data = step.at.get("data")
        metadata = metadata_of(step.at, READ, None if step.id == step.name else step.id) or {}
        if more := data.without("inputs", "label", "type"):
            metadata = {**metadata, "imported": {**metadata.get("imported", {}), "data": more}}
        label = step.at.text("label") or data.text("label", "name")
        return {"label": label, "position": step.at.get("position").value, "metadata": metadata or None}

    def _task(self, step: Step, kept: Mapping[str, Any]) -> None:
        kind, words = kind_of(step) or "node", words_of(step)
        handles = dict.fromkeys(link.out for link in self.listed.leaving[step.id] if link.out)
        deciding = bool(words & (BRANCHES | LOOPS)) and bool(handles)
        model = bool(words & MODELS)
        construct = "delay_unread" if is_delay(words) else "agent" if model else "node"
        self.notes.add(construct, step.at.path, f"`{step.name}` asks workers with the tag `{shown(kind)}`")
        if not _critical(step):
            self.notes.add("critical", step.at.path, f"`{step.name}` may fail")
        fields = {
            "type": "agent" if model else "task",
            "worker_tags": [kind],
            "parameters": step.at.get("data").get("inputs").value,
            "input": self._input(step) or None,
            "output_key": self.keys[step.id],
            "on_error": None if _critical(step) else "continue",
            **kept,
        }
        self.draft.add(step.name, fields)
        if deciding:
            self._decided(step)
        else:
            self._edges(step)

    def _input(self, step: Step) -> dict[str, Any]:
        links = [self._whole(link) for link in self.listed.entering[step.id]]
        return inputs_of(links, self.keys, certain=self.certain)

    def _whole(self, link: Link) -> Link:
        """The handle of a branch or loop says where it goes on, not what comes out."""
        if words_of(link.source) & (BRANCHES | LOOPS):
            return Link(link.source, link.target, None, link.into, link.at)
        return link

    def _edges(self, step: Step) -> None:
        for link in self.listed.leaving[step.id]:
            self.notes.add("edges", link.at.path, f"from `{step.name}` to `{link.target.name}`")
            self.draft.connect(step.name, link.target.name, **_with(link))

    # ---- decisions

    def _condition(self, step: Step) -> str | None:
        """The condition of a branch with the handles `true` and `false`, as an expression; None where it is none."""
        handles = {link.out for link in self.listed.leaving[step.id]}
        text = step.at.get("data").get("inputs").text("condition", "expression")
        if not words_of(step) & BRANCHES or text is None or not handles or not handles <= {YES, NO}:
            return None
        before = [link.source for link in self.listed.entering[step.id]]
        roots = {id: f"state.{key}" for id, key in self.keys.items()}
        if len(before) == 1 and before[0].id in self.keys:
            roots |= dict.fromkeys(("output", "input"), f"state.{self.keys[before[0].id]}")
        try:
            return translated(text, roots)
        except Untranslatable:
            return None

    def _branch(self, step: Step, kept: Mapping[str, Any]) -> None:
        when = self.conditions[step.id]
        self.notes.add("branch", step.at.path, f"`{shown(when)}`")
        links = self.listed.leaving[step.id]
        chosen = {word: [link for link in links if link.out == word] for word in (YES, NO)}
        self.draft.add(step.name, {"type": "route", "rules": [{"when": when, "to": YES}], "default": NO, **kept})
        for word, mine in chosen.items():
            self._ways(step.name, word, mine)

    def _decided(self, step: Step) -> None:
        """A route by the handle that the worker has named."""
        links, name = self.listed.leaving[step.id], self.draft.name(f"{step.name}-route")
        handles = {link.out: "to-error" if link.out == "error" else link.out for link in links if link.out}
        said = {handle: [link for link in links if link.out == handle] for handle in handles}
        self.notes.add("decided", step.at.path, f"the worker of `{step.name}` says {in_a_row(handles)}")
        rules = [
            {"when": f"state.{self.keys[step.id]}.handle == {literal(handle)}", "to": called}
            for handle, called in handles.items()
        ]
        other = "otherwise" if len(handles) < 2 and "otherwise" not in handles else None
        self.draft.add(name, {"type": "route", "rules": rules, "default": other})
        self.draft.connect(step.name, name)
        if other is not None:
            self.draft.connect(name, END, other)
        for handle, mine in said.items():
            self._ways(name, handles[handle], mine)
        for link in (link for link in links if not link.out):
            self.draft.connect(step.name, link.target.name, **_with(link))

    def _ways(self, name: str, handle: str, links: Sequence[Link]) -> None:
        for link in links:
            self.draft.connect(name, link.target.name, handle, **_with(link))
        if not links:
            self.draft.connect(name, END, handle)


def kind_of(step: Step) -> str | None:
    """The type of a node; where editors write their own, the one in its `data`."""
    return step.at.get("data").text("type") or step.at.text("type")


def words_of(step: Step) -> set[str]:
    """The words of a node's type."""
    return set(re.split(r"[^a-z0-9]+|_", snake(kind_of(step) or "")))


def is_delay(words: set[str]) -> bool:
    """Whether a node only lets time pass."""
    return bool(words & DELAYS) and not words & ELEMENTS


def _length(step: Step) -> int | None:
    """The milliseconds of a delay; None for what is none, or does not say."""
    if not is_delay(words_of(step)):
        return None
    inputs = step.at.get("data").get("inputs")
    whole = ("seconds", 1000), ("ms", 1), ("milliseconds", 1), ("minutes", 60_000)
    found = next((round(number * unit) for name, unit in whole if (number := inputs.number(name)) is not None), None)
    return found if found is not None and found > 0 else milliseconds(inputs, LENGTHS, "seconds")


def _critical(step: Step) -> bool:
    """Whether a failure of the node is one of the run."""
    data = step.at.get("data")
    said = [at.value for at in (step.at.get("critical"), data.get("critical")) if isinstance(at.value, bool)]
    return all(said)


def _with(link: Link) -> dict[str, Any]:
    """What of an edge is kept with it."""
    kept = {"id": link.at.get("id").value, "source_port": link.out}
    return {"target_port": link.into, "metadata": {name: value for name, value in kept.items() if value is not None}}
