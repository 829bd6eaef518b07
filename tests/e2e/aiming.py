"""Requests that are made up from the interface's description, aimed at what a server holds."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from schemathesis import APIOperation, Case, GenerationMode

from api.schemas_workers import MAX_WAIT_MS
from tests.e2e import hostile
from tests.e2e.furnished import DOCUMENTS, NOBODY, NODES, PLACES, Found, Ids

SHORT_WAIT_S, SHORT_WAIT_MS = "0.05", 50

TAKE_DOCUMENTS = (
    "POST /v1/workflows", "PUT /v1/workflows/{workflow_id}", "POST /v1/workflows/validate", "POST /v1/workflows/import",
)  # fmt: skip
NEEDED = ("checkpoint_id", "updates", "id", "protocol", "url", "assignee", "workflow", "workflow_id")
CONDITIONS = ("if-match", "last-event-id", "idempotency-key")

TEXTS = st.text(max_size=8)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@st.composite
def aimed(draw: DrawFn, operation: APIOperation, ids: Ids) -> Case:
    """A case that fits the description or does not, most times with names of what is there."""
    case = draw(st.one_of([operation.as_strategy(generation_mode=mode) for mode in _modes(operation)]))
    if not draw(st.integers(0, 9)):
        return _well(case, ids, draw(st.integers(0, 10**6)))
    if draw(st.integers(0, 4)):
        known = _known(draw, operation, ids)
        _aim(draw, case.path_parameters, known)
        for name in draw(st.lists(st.sampled_from(CONDITIONS))):
            case.headers.pop(name, None)
        _aim(draw, case.query, known)
        if operation.label in TAKE_DOCUMENTS:
            case.body = draw(documents())
        elif operation.label == "POST /v1/runs/import":
            case.body = draw(files(ids.file))
        elif operation.label == "POST /v1/workers" and draw(st.booleans()):
            case.body = {"id": draw(TEXTS), "protocol": "webhook", "url": NOBODY, "tags": ["none"]}
        elif isinstance(case.body, dict):
            case.body = _fewer(draw, case.body)
            _aim(draw, case.body, known)
    return _harmless(case)


def _known(draw: DrawFn, operation: APIOperation, ids: Ids) -> Mapping[str, SearchStrategy[Any]]:
    """What may stand where names are, so that the operation can do what it is for."""
    meant = [run for run in ids.runs if len(run.branches) > 1] if "{branch}" in operation.path else ids.runs
    known = names(ids, draw(st.sampled_from(meant)))
    if operation.path.endswith("/release"):
        return {**known, "run_id": st.just(ids.imported)}
    if "{version" in operation.path or "/versions/" in operation.path:
        versions = dict.fromkeys(("a", "b", "version"), st.integers(1, 2))
        return {**known, **versions, "workflow_id": st.just(ids.twice)}
    return known


def _well(case: Case, ids: Ids, number: int) -> Case:
    """A case that is taken, as long as nothing has used up what it names."""
    (operation,) = (one for one in hostile.OPERATIONS if one.name == case.operation.label)
    known = hostile.places(ids)
    case.path_parameters = dict(known.get(operation.name, known[""]))
    case.query = dict(pair.split("=") for pair in hostile.query(operation, ids).split("&") if pair)
    case.headers.clear()
    if operation.body is not None:
        case.body = hostile.bodies(ids, number).get(operation.name, {})
        case.media_type = "application/json"
    return case


def _modes(operation: APIOperation) -> list[GenerationMode]:
    takes = any((operation.path_parameters, operation.query, operation.headers, operation.body))
    return [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if takes else [])]


def names(ids: Ids, run: Found) -> Mapping[str, SearchStrategy[Any]]:
    """What may stand where a name is asked for: for each name, values that hit."""
    checkpoint, node = st.sampled_from(run.checkpoints), st.sampled_from(NODES)
    workflow = st.just(run.workflow_id) | st.sampled_from(ids.workflows)
    number, runs = st.integers(0, 3), st.just(run.run_id)
    ends = checkpoint | runs | number
    return {
        "run_id": runs, "parent_id": runs, "workflow_id": workflow, "id": workflow, "checkpoint_id": checkpoint,
        "checkpoint": checkpoint, "from": checkpoint, "to": checkpoint, "a": ends, "b": ends, "url": st.just(NOBODY),
        "task_id": st.sampled_from(run.tasks), "branch": st.sampled_from([*run.branches, "branch-2"]),
        "interrupt_id": st.sampled_from(run.interrupts or ["none"]), "letter_id": st.sampled_from(ids.letters or ["x"]),
        "notice_id": st.sampled_from(ids.notices), "job_id": st.sampled_from(ids.jobs),
        "session_id": st.sampled_from(ids.sessions), "sha256": st.sampled_from(ids.artifacts),
        "on_busy": st.sampled_from(["reject", "enqueue", "cancel", "interrupt"]),
        "worker_id": st.sampled_from(ids.workers), "version": number, "workflow_version": st.integers(1, 2),
        "path": st.sampled_from(PLACES), "node": node, "after_node": node, "goto": node | st.lists(node, max_size=3),
        "interrupt_before": st.lists(node, max_size=2), "interrupt_after": st.lists(node, max_size=2),
        "cursor": st.sampled_from([*ids.cursors, "x"]), "after": st.sampled_from(["1.0", "0", f"{run.run_id}.1", "7"]),
        "updates": st.dictionaries(st.sampled_from(["n", "log", "word", "said"]), VALUES, max_size=2),
        "input": st.dictionaries(st.sampled_from(["n", "log", "items", "word"]), VALUES, max_size=2),
        "resume": st.dictionaries(st.sampled_from(run.interrupts), VALUES) if run.interrupts else VALUES,
        "workflow": documents(), "config": st.sampled_from([{}, {"max_steps": 9}, {"x": 1}]),
        "tags": st.just(["count"]), "protocol": st.sampled_from(["webhook", "webhook", "local"]),
        "token": st.sampled_from(["", f"{run.run_id}.abc", f"{run.run_id}.1.abc", "a.b.c"]), "assignee": st.just("ann"),
        "status": st.sampled_from(["open", "completed", "running,failed", "active"]),
    }  # fmt: skip


def _fewer(draw: DrawFn, body: dict[str, Any]) -> dict[str, Any]:
    """The body without some of what may be left out: of many fields one is always wrong."""
    found = {name: value for name, value in body.items() if name in NEEDED or not draw(st.integers(0, 2))}
    if "workflow" in found and draw(st.booleans()):
        found.pop("workflow_id", None)
    elif "workflow_id" in found:
        found.pop("workflow", None)
    return found


def _aim(draw: DrawFn, container: Any, known: Mapping[str, SearchStrategy[Any]]) -> None:
    if isinstance(container, dict):
        for name in container:
            if name in known and draw(st.integers(0, 3)):
                container[name] = draw(known[name])


@st.composite
def files(draw: DrawFn, text: bytes) -> bytes:
    """The file of a run, or lines of it in another order, or some of them."""
    lines = text.splitlines(keepends=True)
    if not draw(st.integers(0, 2)):
        return text
    return b"".join(draw(st.permutations(lines) | st.lists(st.sampled_from(lines)) | st.just(lines[:-1])))


@st.composite
def documents(draw: DrawFn) -> Any:
    """A workflow that is in order, or one in which up to two places are not what they were."""
    document: Any = draw(st.sampled_from(DOCUMENTS))
    document = {**document, "id": draw(st.sampled_from(["made", document["id"]]) | TEXTS)}
    for _ in range(draw(st.integers(0, 2))):
        document = draw(_changed(document))
    return document


@st.composite
def _changed(draw: DrawFn, value: Any) -> Any:
    """The same JSON but for one place: another value, one that is gone, one more, or another name."""
    if not isinstance(value, dict | list) or not value or not draw(st.integers(0, 3)):
        return draw(VALUES)
    if isinstance(value, list):
        place = draw(st.integers(0, len(value) - 1))
        new = draw(st.sampled_from([[], [value[place]] * 2]) | _changed(value[place]).map(lambda inner: [inner]))
        return [*value[:place], *new, *value[place + 1 :]]
    name = draw(st.sampled_from(sorted(value)))
    rest = {key: inner for key, inner in value.items() if key != name}
    match draw(st.integers(0, 4)):
        case 0:
            return rest
        case 1:
            return {**rest, draw(TEXTS): value[name]}
        case 2:
            return {**value, draw(TEXTS): draw(VALUES)}
        case _:
            return {**value, name: draw(_changed(value[name]))}


def _harmless(case: Case) -> Case:
    """The same, but nobody waits long for the answer and no address leads away from here."""
    with suppress(KeyError, ValueError):
        if float(str(case.query["wait"])) > float(SHORT_WAIT_S):
            case.query["wait"] = SHORT_WAIT_S
    case.body = _here(case.body)
    if isinstance(case.body, dict):
        for name, kinds, short in (("wait_ms", (int,), SHORT_WAIT_MS), ("wait", (int, float), float(SHORT_WAIT_S))):
            waits = case.body.get(name)
            if type(waits) in kinds and short < waits <= short * MAX_WAIT_MS / SHORT_WAIT_MS:
                case.body[name] = short
    if (
        case.operation.path.endswith("/runs/bulk")
        and isinstance(case.body, dict)
        and case.body.get("action") != "retry"
    ):
        case.body = {**case.body, "dry_run": True}  # whatever it finds is there for others as well
    return case


def _here(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _here(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_here(inner) for inner in value]
    return NOBODY if isinstance(value, str) and "://" in value else value
