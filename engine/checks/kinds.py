"""Whether what nodes write fits the state keys that take it, as far as that is known before a run."""

from __future__ import annotations

from engine._state_check import check_of
from engine.checks.draft import Draft, DraftNode, Entry
from engine.checks.entries import DEFAULT_REDUCER, types_of
from engine.checks.problem import Findings, clipped, shown
from engine.missing import MISSING
from engine.nodes._common import Given
from engine.plugins import reducer
from reducers._errors import UpdateError
from reducers._overwrite import is_overwrite

NUMBERS = frozenset({"integer", "number"})


def check_given(draft: Draft, findings: Findings) -> None:
    """Adds `mapping.type` for outputs and updates that their state key can never take."""
    for node in draft.nodes.values():
        for given in node.ask("given"):
            entry = draft.state.get(given.key)
            if entry is not None and entry.reducer is not None and (why := _misfit(given, entry)) is not None:
                _report(node, given, why, findings)


def _report(node: DraftNode, given: Given, why: str, findings: Findings) -> None:
    message = clipped(f"state key `{shown(given.key)}` cannot take this: {why}")
    findings.error("mapping.type", node.at(given.path), message, node=node.name)


def _misfit(given: Given, entry: Entry) -> str | None:
    if given.value is MISSING:
        return _schema_misfit(given.schema, entry)
    overwrites = is_overwrite(given.value)
    if overwrites or entry.reducer == DEFAULT_REDUCER:
        value = given.value["value"] if overwrites else given.value
        return None if entry.schema is None else check_of(entry.source, entry.schema)(value, MISSING)
    return _reducer_misfit(given.value, entry)


def _reducer_misfit(value: object, entry: Entry) -> str | None:
    assert entry.reducer is not None
    try:
        reducer(entry.reducer).reduce(None, value)
    except UpdateError as error:
        return str(error)
    return None


def _schema_misfit(schema: object, entry: Entry) -> str | None:
    """What the schema of an output says against the types of the entry; a reducer that collects takes all types."""
    got, wanted = types_of(schema), entry.types
    assert entry.reducer is not None
    collects = entry.reducer != DEFAULT_REDUCER and reducer(entry.reducer).types == frozenset({"array"})
    if not got or not wanted or collects or got & wanted or (got & NUMBERS and wanted & NUMBERS):
        return None
    return f"expected {' or '.join(sorted(wanted))}, the schema of the output says {' or '.join(sorted(got))}"
