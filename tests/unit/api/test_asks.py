"""What an answer may be, told from the schema of a question."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from api.cli._asks import answer_lines, takes

OK = {"type": "object", "properties": {"ok": {"type": "boolean"}, "note": {"type": "string"}}, "required": ["ok"]}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (None, "anything"),
        (True, "anything"),
        (OK, '{"ok": boolean, "note"?: string}'),
        ({"enum": ["yes", "no"]}, '"yes" | "no"'),
        ({"const": 3}, "3"),
        ({"type": ["integer", "null"]}, "integer | null"),
        ({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "number"}}]}, "string | [number, …]"),
        ({"type": "object"}, "an object"),
    ],
)
def test_a_schema_is_told_in_short(schema: Any, told: str) -> None:
    assert takes(schema) == told


def asking(*schemas: Any, actions: Any = None) -> dict[str, Any]:
    asked = [{"id": f"i{n}", "schema": schema, "actions": actions} for n, schema in enumerate(schemas)]
    return {"id": "r", "interrupts": asked}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (OK, '{"ok": true}'),
        ({"enum": ["yes", "no"]}, '"yes"'),
        ({"type": "integer", "minimum": 7}, "7"),
        ({"type": "array", "items": {"type": "string"}}, '["text"]'),
        ({"type": "string", "pattern": "^x$"}, "VALUE"),
        ({"anyOf": []}, "VALUE"),
        (None, "VALUE"),
    ],
)
def test_a_command_that_answers_has_a_value_that_fits(schema: Any, value: str) -> None:
    assert answer_lines(asking(schema)) == [f"answer it: clew runs resume r {shlex.quote(value)}"]


def test_what_an_action_gives_is_the_value() -> None:
    (line,) = answer_lines(asking(OK, actions=[{"label": "no", "value": {"ok": False}}]))
    assert line.endswith(shlex.quote('{"ok": false}'))


def test_of_several_questions_each_is_named() -> None:
    lines = answer_lines(asking(OK, {"const": 1}))
    assert [line.split()[6:8] for line in lines] == [["--interrupt", "i0"], ["--interrupt", "i1"]]
