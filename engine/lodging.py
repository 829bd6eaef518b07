"""Outputs that are too large for a state: which part of an answer gives way to a reference, and which never does.

`updates` stay as they are, for reducers work on them; so does the output of a node with an `output_mapping`, whose
paths lead into it, and one that holds references itself: an artifact is kept by the rows that name it, and not by what
other artifacts hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.answer import Answer, AnswerInvalid, parse_answer
from engine.artifacts import is_reference
from engine.codec import digest
from engine.missing import MISSING
from engine.model import TaskId
from engine.run import Run
from engine.schema import Schema
from engine.turns import recorded
from engine.values import replace

GROWTH = 6
"""Written again, JSON has at most so many times the bytes of the text that it was read from: a control character
becomes six, `1e15` becomes `1000000000000000.0`."""
SATISFIES = "satisfies"
"""The field of a recorded answer with the digest of the schema that its output satisfies, which stands elsewhere."""
_PLACES = ("output", "outputs", "response", "reply")


def stays(run: Run, task_id: TaskId) -> bool:
    """Whether the output of an answer to a task is not replaced, however large it is."""
    task = run.open_task(task_id)
    return task is None or bool(run.node_of(task).spec.output.mapping)


def output_in(body: Any) -> Any:
    """The output in an answer that can be replaced; MISSING where there is none, or the answer is not valid."""
    try:
        answer = parse_answer(body)
    except AnswerInvalid:
        return MISSING
    return MISSING if answer.error is not None else answer.output


def with_output(body: Any, value: Any) -> Any:
    """An answer with another value in the place of its output."""
    output = parse_answer(body).output
    if output is body:
        return value
    for name in _PLACES:
        if name in body and body[name] is output:
            return {**body, name: value}
    return {**{name: found for name, found in body.items() if name != "choices"}, "output": value}


def lodged(answer: Answer, output: Any, schema: Schema | None) -> Answer:
    """An answer of which the output stands elsewhere, with the output itself; it says what schema that satisfies."""
    if schema is None or not schema.accepts(output):
        return replace(answer, content=output)
    return replace(answer, content=output, raw={**recorded(answer.raw, ()), SATISFIES: digest(schema.source)})


def satisfies(answer: Answer, schema: Schema) -> bool:
    """Whether a recorded answer has an output that stands elsewhere and satisfied this schema when it came."""
    raw = answer.raw
    if not isinstance(raw, Mapping) or SATISFIES not in raw or not is_reference(answer.output):
        return False
    return bool(raw[SATISFIES] == digest(schema.source))
