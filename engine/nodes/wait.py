"""The wait node: lets time pass, for so many seconds or until a point in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from engine.codec import dumps
from engine.errors import NodeFailure
from engine.graph import Node
from engine.nodes._common import MILLISECONDS, Computed, Field, Flaw, Text, is_expression, value_texts
from engine.nodes._limits import LimitSpec, limit_texts, parse_limits, stay_fields
from engine.values import dataclass
from engine.view import Sleep, View

FIELDS: dict[str, Field] = {
    "seconds": Field(
        {"type": "number", "minimum": 0, "maximum": MILLISECONDS["maximum"] // 1000}, "how long to wait, in seconds"
    ),
    "until": Field(
        {"type": ["string", "object"]},
        "when to go on: a time with its offset (RFC 3339), or a template or an expression that gives one",
    ),
    **stay_fields("wait", "waits", "begin"),
}
SHAPE = ("([", "])")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitSpec:
    """How long to wait, or until when; one of the two is None."""

    lasts_ms: int | None
    until: Computed | None
    stay: LimitSpec | None
    """What bounds its tasks, which have their place while they wait."""


def parse(fields: Mapping[str, Any]) -> WaitSpec:
    seconds = fields.get("seconds")
    return WaitSpec(
        lasts_ms=None if seconds is None else round(seconds * 1000),
        until=Computed(_source(fields["until"])) if "until" in fields else None,
        stay=parse_limits(fields),
    )


def _source(until: Any) -> Any:
    """An expression may stand there as it is: what is neither a time nor a template is one."""
    if not isinstance(until, str) or "{" in until or _time(until) is not None:
        return until
    return {"$expr": until}


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def texts(fields: Mapping[str, Any]) -> Iterator[Text]:
    yield from limit_texts(fields)
    if "until" not in fields:
        return
    given, source = fields["until"], _source(fields["until"])
    if given is not source:
        yield Text("expression", "/until", given)
    else:
        yield from value_texts(source, "/until")


def flaws(fields: Mapping[str, Any]) -> Iterator[Flaw]:
    """A wait says how long, or until when; a time says in which zone it is meant."""
    if ("seconds" in fields) == ("until" in fields):
        yield Flaw("document.field", "", "a wait needs one of the fields `seconds` and `until`")
    until = fields.get("until")
    if isinstance(until, str) and (time := _time(until)) is not None and time.tzinfo is None:
        message = f"`{until}` says no time zone: add `Z` or an offset such as `+01:00`"
        yield Flaw("document.type", "/until", message)
    if isinstance(until, dict) and not is_expression(until):
        yield Flaw("document.type", "/until", 'expected a string or `{"$expr": …}`')


def enter(node: Node, view: View) -> Sleep:
    spec: WaitSpec = node.spec
    if spec.until is None:
        return Sleep(lasts_ms=spec.lasts_ms or 0)
    found = spec.until.value(view.names())
    time = _time(found) if isinstance(found, str) else None
    if time is None or time.tzinfo is None:
        given = dumps(found)[:80].decode(errors="replace")
        raise NodeFailure("wait.until", f"`until` gave {given}, expected a time with its offset (RFC 3339)")
    return Sleep(until_ms=round(time.timestamp() * 1000))
