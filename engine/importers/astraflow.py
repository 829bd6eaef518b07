"""AstraFlow: packaged nodes, bindings between ports, and containers that run localized subgraphs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import getitem
from typing import Any

from engine.checks.problem import shown
from engine.importers._bindings import BOTH, PARAMETERS, READ, RESULTS, WRITE, Port, ports_of
from engine.importers._conditions import Untranslatable, translated
from engine.importers._fields import milliseconds, retry_of, schema_of
from engine.importers._listed import Link, Step, metadata_of, workflow_id
from engine.importers._notes import Construct, Notes, Outcome
from engine.importers._paths import constant, guarded, literal, read
from engine.importers._scopes import SETTINGS, Scope, Unbound, is_container, settings_of
from engine.importers._source import Source, in_snake
from engine.schema import compile_schema

TITLE = "AstraFlow"
NEARLY, NOT = Outcome.APPROXIMATED, Outcome.UNMAPPED
CONSTRUCTS: Mapping[str, Construct] = {
    "version": Construct("`schemaVersion` `2025-10`", "`definition_version`", "as it is"),
    "version_other": Construct("another `schemaVersion`", "`definition_version`", "read as `2025-10`", NEARLY),
    "metadata": Construct(
        "`metadata`: `name`, `description`, `tags`, `environment`, `namespace`, `originId`",
        "fields of these names, `origin_id`", "the rest is kept in `metadata`",
    ),
    "node": Construct(
        "a node of any type but containers", "`task` with the type and `package@version` as worker tags",
        "`parameters` are handed on as they are, the results stand in a state key named after the node",
    ),
    "expressions": Construct("`{{results.x}}` in parameters", "the same text", "the worker resolves it, as before"),
    "schema": Construct("`schema.results`", "`output_schema`", "answers have to satisfy it"),
    "parameters": Construct("`schema.parameters`", "`parameters`", "defaults are filled in, and the rest is checked"),
    "unfit": Construct("`parameters` that break `schema.parameters`", "`parameters`", "handed on as they are", NEARLY,
                       "correct them: the worker may refuse them"),
    "results": Construct("`results` as authored", "`metadata.imported`", "a run begins without results", NOT),
    "state": Construct("`state` of a node", "nothing", "it belongs to a run; a run's tasks have their own", NOT),
    "ui": Construct("`ui`, `position`, `label`", "fields of these names", "ports, widgets and bindings stay there"),
    "edges": Construct("`edges` with ports", "`edges`", "ports and ids are kept with them"),
    "container": Construct(
        "`workflow.container` with `__container.subgraphId`", "`subgraph`", "its results are the state of what it ran"
    ),
    "given": Construct("other parameters of a container", "`input_mapping`", "the first nodes inside get them", NEARLY),
    "workflow": Construct("a loop with `workflowId`", "`subgraph` with `workflow`", "copied when it is saved", NEARLY,
                          "save the other workflow first, under the same id"),
    "loop": Construct(
        "`loop`: `enabled`, `maxIterations`, `condition`", "`loop`: `until`, `max_iterations`, `on_limit`: `continue`",
        "once more while the condition holds; `results` are those of the last node inside", NEARLY,
        "read the expression of `until`",
    ),
    "retry": Construct("`retry` with `maxAttempts` and a backoff", "`retry`", "of the whole container"),
    "timeout": Construct("`timeoutSeconds`", "`timeout_ms`", "of all turns together"),
    "policy": Construct("other fields of `__container`", "`metadata.imported`", "kept, and not read", NOT),
    "subgraph": Construct("`subgraphs[]`", "`subgraphs`", "where it comes from is kept in its `metadata`"),
    "read": Construct("a binding of the mode `read`", "`input`, an expression over `state`",
                      "`@alias` and `#node` are followed; what is missing is null"),
    "write": Construct("a binding of the mode `write`", "`input` of the node that is written to",
                       "into a container by `input_mapping`; not in `parameters`", NEARLY),
    "two_way": Construct("a binding of the mode `two_way`", "one of each", "read once, when the node begins", NEARLY),
    "unwritten": Construct("a binding that writes to `results`", "nothing", "only the node itself has results", NOT),
    "several": Construct("an alias that several containers run", "the first of them", "as it stands in the document",
                         NEARLY),
    "name": Construct("an id with other signs", "letters, digits, `_`, `.`, `-`", "edges and bindings follow", NEARLY),
    "top": Construct("other fields", "`metadata.imported`", "kept, and not read", NOT),
}  # fmt: skip

VERSION = "2025-10"
READ_FIELDS = ("id", "type", "label", "position", "ui", "parameters", "state", "bindings", "ports")
TOP = ("id", "schemaVersion", "metadata", "tags", "nodes", "edges", "subgraphs")
POLICIES = ("subgraphId", "workflowId", "loop", "retry", "timeoutSeconds")
NAMED = ("name", "description", "tags", "environment", "namespace", "originId")


def recognises(document: Mapping[str, Any]) -> bool:
    """It says the version of its schema."""
    return isinstance(document.get("schemaVersion"), str) and isinstance(document.get("nodes"), list)


def convert(document: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """The document in Clew's language."""
    root = Scope(Source(document), notes)
    for scope in root.all():
        for step in scope.listed.steps.values():
            scope.draft.add(step.name, _container(scope, step) if is_container(step) else _task(scope, step))
        for link in scope.listed.links:
            notes.add("edges", link.at.path, f"from `{link.source.name}` to `{link.target.name}`")
            scope.draft.connect(link.source.name, link.target.name, **_kept(link))
    for scope in root.all():
        _bind(scope)
    return _document(root)


def _document(scope: Scope) -> dict[str, Any]:
    """The document of a definition, with those inside it."""
    source, notes = scope.source, scope.notes
    for child in scope.own.values():
        notes.add("subgraph", child.source.path.rpartition("/")[0], f"the graph `{child.alias}`")
        scope.draft.subgraphs[child.alias] = _document(child)
    scope.draft.close()
    left = source.without(*TOP)
    for name in left:
        notes.add("top", source.get(name).path, f"`{shown(name)}` is kept in the metadata")
    top = _top(source, notes, is_root=scope.around is None)
    return scope.draft.document({**top, "metadata": _metadata(source, left, scope.provenance)})


def _top(source: Source, notes: Notes, *, is_root: bool) -> dict[str, Any]:
    about, version = source.get("metadata"), source.text("schemaVersion")
    if version is not None:
        notes.add("version" if version == VERSION else "version_other", source.get("schemaVersion").path, version)
    if about.given():
        notes.add("metadata", about.path, ", ".join(name for name in NAMED if about.get(name).given()))
    tags = [*about.get("tags").names(), *source.get("tags").names()]
    return {
        "id": workflow_id(source.name("id") or about.text("name") or "workflow") if is_root else source.name("id"),
        "name": about.text("name"),
        "description": about.text("description"),
        "tags": list(dict.fromkeys(tags)),
        "definition_version": version,
        "environment": about.text("environment"),
        "namespace": about.text("namespace"),
        "origin_id": about.name("originId"),
    }


def _metadata(source: Source, left: dict[str, Any], provenance: Source) -> dict[str, Any]:
    about = source.get("metadata")
    own = about.without(*(name for name in NAMED if about.get(name).given()))
    origin = {"provenance": provenance.value} if provenance.given() else {}
    return {**own, **origin, **({"imported": left} if left else {})}


# ---- nodes


def _task(scope: Scope, step: Step) -> dict[str, Any]:
    at, notes = step.at, scope.notes
    kind, package = at.text("type") or "node", _package(at.get("package"))
    tags = [kind, package] if package is not None else [kind]
    notes.add("node", at.path, f"`{step.name}` asks workers with the tags {', '.join(map(shown, tags))}")
    parameters = _parameters(at, notes)
    return {
        "type": "task",
        "label": at.text("label"),
        "worker_tags": tags,
        "parameters": parameters,
        "output_key": scope.keys[step.id],
        "output_schema": schema_of(at.get("schema").get("results"), notes),
        **_shared(step, notes),
    }


def _parameters(at: Source, notes: Notes) -> Any:
    """The parameters of a node, completed by the defaults of their schema, which they should satisfy."""
    given, schema = at.get("parameters"), schema_of(at.get("schema").get("parameters"), notes, "parameters")
    if given.given() and "{{" in literal(given.value):
        notes.add("expressions", given.path, "it is handed on as it is")
    if schema is None:
        return given.value
    compiled = compile_schema(schema, formats=True)
    found = compiled.completed({} if given.value is None else given.value)
    for problem in compiled.problems(found):
        if "{{" not in literal(reduce(getitem, problem.place, found)):  # what an expression gives is not known yet
            notes.add("unfit", f"{at.path}/parameters{problem.path}", problem.message)
    return found or given.value


def _shared(step: Step, notes: Notes, *more: str) -> dict[str, Any]:
    """What is kept of nodes of every type; `more` are fields that have been read."""
    for name in ("results", "state"):
        if (at := step.at.get(name)).given():
            notes.add(name, at.path, "it is left out" if name == "state" else "it is kept in the metadata")
    if (ui := step.at.get("ui")).given():
        notes.add("ui", ui.path, f"of `{step.name}`")
    original = None if step.id == step.name else step.id
    return {
        "position": step.at.get("position").value,
        "ui": step.at.get("ui").value,
        "metadata": metadata_of(step.at, (*READ_FIELDS, *more), original),
    }


def _package(at: Source) -> str | None:
    """The tag of a package: its name, and its version where one is said."""
    name, version = at.text("name"), at.name("version")
    if isinstance(at.value, str):
        return at.value or None
    return f"{name}@{version}" if name and version else name


def _container(scope: Scope, step: Step) -> dict[str, Any]:
    at, notes, settings = step.at, scope.notes, settings_of(step)
    child, outer = scope.child(step), at.get("parameters")
    workflow = settings.text("workflowId")
    wanted = settings.text("subgraphId")
    if child is None and workflow is None:
        place = settings if wanted is None else settings.get("subgraphId")
        notes.malformed(place.path, f"there is no subgraph `{shown(wanted)}`" if wanted else "it names no subgraph")
    notes.add(
        "container" if workflow is None else "workflow", at.path, f"`{step.name}` runs `{shown(workflow or wanted)}`"
    )
    fields: dict[str, Any] = {
        "type": "subgraph",
        "label": at.text("label"),
        "subgraph": None if workflow is not None else child.alias if child is not None else wanted,
        "workflow": workflow,
        "output_key": scope.keys[step.id],
        "loop": _loop(scope, step, settings.get("loop")),
        "retry": retry_of(settings.get("retry"), notes, "seconds"),
        "timeout_ms": milliseconds(settings, ("timeout",), "seconds"),
        **_shared(step, notes),
    }
    if fields["timeout_ms"] is not None:
        notes.add("timeout", settings.path, f"{fields['timeout_ms']} ms")
    if left := settings.without(*POLICIES):
        for name in left:
            notes.add("policy", settings.get(name).path, f"`{shown(name)}` is kept in the metadata")
        metadata = fields["metadata"] or {}
        fields["metadata"] = {**metadata, "imported": {**metadata.get("imported", {}), SETTINGS: left}}
    if workflow is not None and (rest := outer.without(SETTINGS)):
        fields["parameters"] = rest
    return fields


def _loop(scope: Scope, step: Step, at: Source) -> dict[str, Any] | None:
    given = Source(in_snake(at.value), at.path)
    if not at.given() or given.get("enabled").value is False:
        return None
    most, text = given.number("max_iterations"), given.text("condition")
    if most is None and text is None:
        scope.notes.malformed(at.path, "expected a loop with a condition or a number of iterations")
        return None
    until = None if text is None else _until(scope, step, text, at)
    if until is None and most is None:
        return None
    scope.notes.add("loop", at.path, f"until {until}" if until else f"{most:g} turns")
    found = {"until": until, "max_iterations": int(most) if most and most >= 1 else None, "on_limit": "continue"}
    return {name: value for name, value in found.items() if value is not None}


def _until(scope: Scope, step: Step, text: str, at: Source) -> str | None:
    """When a loop has had enough: its condition says when it goes on."""
    child, roots = scope.child(step), dict[str, str]()
    if child is not None and (lasts := child.lasts()):
        wanted = [one for one in lasts if any(name in text for name in _promised(one))]
        last = (wanted or lasts)[-1]
        roots[RESULTS] = read("state", (scope.keys[step.id], child.keys[last.id]))
    parameters = step.at.get("parameters").without(SETTINGS)
    roots |= {
        f"{PARAMETERS}.{name}": literal(value) for name, value in parameters.items() if not isinstance(value, dict)
    }
    try:
        return f"!({translated(text, roots)})"
    except Untranslatable as error:
        scope.notes.malformed(at.get("condition").path, f"the condition cannot be an expression: {error}")
        return None


def _promised(step: Step) -> list[str]:
    """The results that a node's schema promises."""
    return list(step.at.get("schema").get("results").object("properties"))


def _kept(link: Link) -> dict[str, Any]:
    """What of an edge is kept with it."""
    kept = {"id": link.at.get("id").value, "source_port": link.out}
    return {"target_port": link.into, "metadata": {name: value for name, value in kept.items() if value is not None}}


# ---- bindings


def _bind(scope: Scope) -> None:
    """Have every node of a definition get what edges and bindings bring it."""
    found = {step.id: _ports(scope, step) for step in scope.listed.steps.values()}
    bound = {(id, port.side, port.key): port for id, several in found.items() for port in reversed(several)}
    for step in scope.listed.steps.values():
        if is_container(step) and scope.child(step) is not None:
            for name, value in step.at.get("parameters").without(SETTINGS).items():
                _given(scope, step, name, value)
        for port in found[step.id]:
            _port(scope, step, port)
    for link in scope.listed.links:
        out, into = (link.source.id, "output", link.out or ""), (link.target.id, "input", link.into or "")
        _carry(scope, link, bound.get(out), bound.get(into))


def _ports(scope: Scope, step: Step) -> list[Port]:
    found = list[Port]()
    for port in ports_of(step.at):
        if isinstance(port, Port):
            found.append(port)
        else:
            scope.notes.malformed(port.path, f"expected a binding, got {port.described()}")
    return found


def _given(scope: Scope, step: Step, name: str, value: Any) -> None:
    at = step.at.get("parameters").get(name)
    if (made := constant(value)) is None:
        scope.notes.malformed(at.path, "the parameter is too long to be handed into a subgraph")
        return
    scope.notes.add("given", at.path, f"`{step.name}` hands `{shown(name)}` on")
    scope.give(step, name, made)


def _port(scope: Scope, step: Step, port: Port) -> None:
    """A port that is bound to another node: it is read from there, or what stands in the own results goes there."""
    binding = port.binding
    if binding.local:
        return
    running = scope.runners.get("".join(scope.aliases(binding)[:1]), [])
    if len(running) > 1 and step not in running:
        scope.notes.add("several", port.at.path, f"`{running[0].name}` is meant")
    if binding.mode == BOTH:
        scope.notes.add("two_way", port.at.path, f"`{shown(port.key)}` of `{step.name}`")
    try:
        if port.side == "input" and binding.mode != WRITE and not is_container(step):
            scope.give(step, port.key or _last(port), scope.value(binding, step))
            scope.notes.add(READ, port.at.path, f"`{shown(port.key)}` of `{step.name}`")
        elif binding.part == RESULTS and binding.mode == WRITE:
            scope.notes.add("unwritten", port.at.path, f"`{shown(port.key)}` of `{step.name}`")
        elif port.side == "output" and binding.mode != READ and binding.part == PARAMETERS:
            _write(scope, step, port, {"$expr": guarded("state", (scope.keys[step.id], *_own(port)))})
        else:
            scope.way(binding, step)
    except Unbound as error:
        scope.notes.malformed(port.at.path, f"the binding leads nowhere: {error}")


def _write(scope: Scope, step: Step, port: Port, value: Any) -> None:
    """Have the node that a port is bound to get a value. Raises Unbound."""
    chain, _, node = scope.way(port.binding, step)
    scope.hand(chain, node, _last(port), value)
    scope.notes.add("write", port.at.path, f"`{node.name}` gets `{shown(_last(port))}` as input")


def _carry(scope: Scope, link: Link, out: Port | None, into: Port | None) -> None:
    """What an edge carries from a bound port to a bound port; an edge without bindings carries nothing."""
    if into is None and (out is None or out.binding.mode == WRITE):
        return
    try:
        if out is not None and out.binding.mode != WRITE:
            value = scope.value(out.binding, link.source)
            scope.notes.add(READ, out.at.path, f"`{shown(out.key)}` of `{link.source.name}`")
        else:
            value = {"$expr": guarded("state", (scope.keys[link.source.id], *([link.out] if link.out else [])))}
        if into is None:
            scope.give(link.target, link.into or link.source.name, value)
        elif into.binding.mode != READ:
            _write(scope, link.target, into, value)
    except Unbound as error:
        scope.notes.malformed(link.at.path, f"a binding at its end leads nowhere: {error}")


def _last(port: Port) -> str:
    """The name of what a port is bound to."""
    return str(port.binding.steps[-1]) if port.binding.steps else port.key or "value"


def _own(port: Port) -> tuple[str, ...]:
    """The result that an output port without one of its own stands for."""
    return (port.key,) if port.key else ()
