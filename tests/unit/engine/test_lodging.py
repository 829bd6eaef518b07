"""Which part of an answer gives way to a reference: the output, in whichever shape it came, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from engine.answer import parse_answer
from engine.artifacts import is_reference, reference, references_in
from engine.codec import dumps, loads, write
from engine.lodging import GROWTH, lodged, output_in, satisfies, with_output
from engine.missing import MISSING
from engine.schema import compile_schema

NAME = "ab" * 32
REF = reference(NAME, 3, "application/json")
BIG = ["much"] * 3


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (BIG, REF),
        ({"no": "answer"}, REF),
        ({"output": BIG, "updates": {"n": 1}}, {"output": REF, "updates": {"n": 1}}),
        ({"output": None, "response": BIG}, {"output": None, "response": REF}),
        ({"reply": BIG}, {"reply": REF}),
        ({"status": "SUCCEEDED", "outputs": BIG, "error": None},
         {"status": "SUCCEEDED", "outputs": REF, "error": None}),
        ({"choices": [{"message": {"content": BIG}}], "usage": {"cost": 1}}, {"output": REF, "usage": {"cost": 1}}),
    ],
)  # fmt: skip
def test_the_output_is_replaced_and_the_rest_stays(body: Any, after: Any) -> None:
    found = with_output(body, REF)

    assert found == after
    assert parse_answer(found).output == REF
    assert parse_answer(found).usage == parse_answer(body).usage


@pytest.mark.parametrize(
    "body", [{"error": "no", "output": BIG}, {"updates": {"a": BIG}}, {"output": 1, "goto": 2}], ids=str
)
def test_what_has_no_output_that_counts_has_none_to_replace(body: Any) -> None:
    assert output_in(body) is MISSING


def test_an_answer_says_which_schema_its_output_satisfies() -> None:
    strings = compile_schema({"type": "array", "items": {"type": "string"}})
    answer = lodged(parse_answer({"output": REF}), BIG, strings)

    assert answer.said == BIG
    again = parse_answer(answer.raw)
    assert satisfies(again, strings)
    assert not satisfies(again, compile_schema({"type": "array"}))
    assert not satisfies(parse_answer({**answer.raw, "output": BIG}), strings)


def test_an_output_that_does_not_satisfy_its_schema_does_not_say_so() -> None:
    answer = lodged(parse_answer(REF), BIG, compile_schema({"type": "string"}))

    assert (answer.said, answer.raw) == (BIG, REF)


@pytest.mark.parametrize("text", [b"[1e15]", b"[9e14,9e14]", b'"\\u0001"', b'"\x7f"', b"[0e0]", b"[-1e15,1e1]"])
def test_no_text_grows_more_than_is_reckoned_with(text: bytes) -> None:
    assert len(write(loads(text))) <= GROWTH * len(text)


def test_references_are_found_where_they_stand_alone() -> None:
    other = "cd" * 32
    text = dumps({"a": [REF], "b": f"artifact:sha256:{other}", "c": f"see artifact:sha256:{'ef' * 32}"})

    assert references_in(text) == {NAME, other}
    assert references_in(dumps({"quoted": text.decode()})) == set()
    assert references_in(b'{"a":"artifact:sha256:' + b"AB" * 32 + b'"}') == set()


def test_a_reference_is_known_by_all_of_its_fields() -> None:
    assert is_reference(REF)
    assert not is_reference({**REF, "more": 1})
    assert not is_reference({**REF, "sha256": "cd" * 32})
    assert not is_reference(f"artifact:sha256:{NAME}")
