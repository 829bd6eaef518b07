"""What expressions compute, what is known of them beforehand, and how they fail."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.expression import (
    ExpressionFailed,
    ExpressionSyntaxError,
    ExpressionTypeError,
    compile_expression,
    evaluate,
    evaluate_bool,
)

STATE = {
    "n": 2,
    "score": 8.5,
    "s": "text",
    "t": True,
    "nul": None,
    "l": ["a", "b", "c"],
    "o": {"z": 1, "k": "value", "a": 2},
    "d": [{"k": 1}, {"k": 2}, {}],
    "items": 5,
    "a b": 7,
}
NAMES = {"state": STATE, "input": {"q": "why"}, "config": {}, "meta": {"step": 3}}
TYPES = {"n": "integer", "score": "number", "s": "string", "t": "boolean", "l": "array", "o": "object"}


def value(source, names=NAMES):
    return evaluate(compile_expression(source), names)


def failure(source, names=NAMES):
    with pytest.raises(ExpressionFailed) as caught:
        value(source, names)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("state.n * 2 + 1", 5),
        ("state.score / 2.0", 4.25),
        ("7 / 2", 3),
        ("'k' in state.o && state.o.k.startsWith('va')", True),
        ("size(state.l) > 2 && state.l.exists(e, e == 'c')", True),
        ("state.l.map(e, e + '!')", ["a!", "b!", "c!"]),
        ("state.l.filter(e, e != 'b')", ["a", "c"]),
        ("state.l.map(e, e != 'a', e + e)", ["bb", "cc"]),
        ("state.l.all(e, size(e) == 1) ? 'all' : 'some'", "all"),
        ("state.l.exists_one(e, e == 'a')", True),
        ("state.l.map(x, state.l.filter(y, y > x).map(z, z + x))", [["ba", "ca"], ["cb"], []]),
        ("state.d.filter(item, has(item.k) && item.k > 1)", [{"k": 2}]),
        ("{'b': [1, 2.5, null], 'a': state.t}", {"a": True, "b": [1, 2.5, None]}),
        ("state.nul == null", True),
        ("state['a b'] + state.items", 12),
        ("state[state.l[0] + ' b']", 7),
        ("string(state.n) + state.s + input.q", "2textwhy"),
        ("state.s.matches('^t.*t$') && state.s.size() == 4", True),
        ("has(state.nope) ? state.nope : 'none'", "none"),
        ("has(state.o.nope) || has(state.o.k)", True),
        ("meta.step", 3),
        (".state.n", 2),
        ("state.n // state.l.map(\n + 1", 3),
        ("'state.l.map(e, e)'", "state.l.map(e, e)"),
        ("timestamp('2024-02-03T04:05:06Z') + duration('90s')", "2024-02-03T04:06:36Z"),
        ("duration('1500ms')", "1.5s"),
        ("5u", 5),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_expressions_give_json_values(source, expected):
    found = value(source)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "source",
    [
        "state.score >= 8",
        "state.score > state.n",
        "state.n < 2.5",
        "state.n == 2.0",
        "state.n != 2.5",
        "1 == 1.0",
        "state.n in [2.0, 3.0]",
        "size(state.l) == 3.0",
    ],
)
def test_comparisons_mix_integers_and_doubles(source):
    assert evaluate_bool(compile_expression(source), NAMES)


def test_a_number_without_a_fraction_is_an_integer():
    assert value("state.v", {"state": {"v": 9007199254740993}}) == 9007199254740993
    assert type(value("state.v", {"state": {"v": 3}})) is int
    assert type(value("state.v", {"state": {"v": 3.0}})) is float


@pytest.mark.parametrize("source", ["state.n * 2.0", "state.score + 1", "state.s + state.n"])
def test_arithmetic_does_not_mix_types_and_says_how_to_convert(source):
    assert "convert one side with int(…), double(…) or string(…)" in failure(source)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("state.nope", "'state.nope' does not exist; guard it with has(…)"),
        ("state.o.nope.deeper", "'state.o.nope' does not exist; guard it with has(…)"),
        ("state['no pe']", "'state.no pe' does not exist; guard it with has(…)"),
        ("state.d.map(e, e.k)", "'k' does not exist; guard it with has(…)"),
        ("item", "'item' does not exist here"),
        ("error.code == 'x'", "'error' does not exist here"),
        ("unknown.x", "'unknown' does not exist here"),
        ("state.n.x", "a key is read from a value that is no object"),
        ("state.n.map(x, x)", "map and filter need a list or an object"),
        ("state.n ? 1 : 2", "a condition is neither true nor false"),
        ("size(state.n)", "there is no 'size()' for int"),
        ("state.l[5]", "Index error"),
        ("9223372036854775807 + state.n", "integer overflow"),
        ("state.n / 0", "divide by zero"),
        ("state.s.matches('(a+')", "invalid regular expression"),
        ("1.0 / 0.0", "the result is inf, which JSON cannot say"),
        ("[0.0 / 0.0]", "the result is nan, which JSON cannot say"),
        ("18446744073709551615u", "out of range"),
        ("b'bytes'", "no JSON value"),
        ("type(1)", "no JSON value"),
        ("{1: 2}", "keys of an object have to be strings"),
    ],
)
def test_what_has_no_value_fails_and_says_why(source, reason):
    assert reason in failure(source)


def test_a_text_that_looks_like_an_error_is_a_text():
    assert value("state.v", {"state": {"v": 'NOT_FOUND: Key not found in map : "x"'}}).startswith("NOT_FOUND")


@pytest.mark.parametrize(
    ("source", "kind"), [("state.s", "a string"), ("state.n", "a number"), ("state.nul", "null"), ("state.l", "a list")]
)
def test_a_condition_has_to_be_true_or_false(source, kind):
    with pytest.raises(ExpressionFailed, match=f"gives {kind}, expected true or false"):
        evaluate_bool(compile_expression(source), NAMES)


def test_the_keys_of_objects_come_in_one_order():
    state = {"o": {chr(97 + (place * 7) % 26): place for place in range(26)}}

    assert value("state.o.map(k, k)", {"state": state}) == sorted(state["o"])
    assert value("state.o.filter(k, state.o[k] > 3)", {"state": state}) == sorted(
        k for k, v in state["o"].items() if v > 3
    )
    assert list(value("state.o", {"state": state})) == sorted(state["o"])


@given(st.lists(st.integers(-100, 100), max_size=100), st.integers(-100, 100))
@settings(max_examples=50)
def test_long_lists_are_mapped_and_filtered_in_order(numbers, limit):
    names = {"state": {"l": numbers, "limit": limit}}

    assert value("state.l.map(x, x * 2)", names) == [x * 2 for x in numbers]
    assert value("state.l.filter(x, x > state.limit)", names) == [x for x in numbers if x > limit]
    assert value("state.l.map(x, x > 0, [x].map(y, y + 1))", names) == [[x + 1] for x in numbers if x > 0]


@pytest.mark.parametrize(
    ("source", "references", "guarded"),
    [
        ("1 + 2", set(), set()),
        ("state.x > 1", {("state", "x")}, set()),
        ("state.a.b[0].c", {("state", "a", "b")}, set()),
        ("state['a'].b['c d'].`e-f`", {("state", "a", "b", "c d", "e-f")}, set()),
        ("state[input.k].z", {("state",), ("input", "k")}, set()),
        ("state.l.exists(e, e.k == item.z)", {("state", "l"), ("item", "z")}, set()),
        ("state.l.exists(item, item.k == 1) && item.q", {("state", "l"), ("item", "q")}, set()),
        ("state.l.map(state, state.x)", {("state", "l")}, set()),
        ("state.l.map(a, a.l.map(b, b + a.x + c))", {("state", "l"), ("c",)}, set()),
        ("has(state.x) && state.x > state.y", {("state", "x"), ("state", "y")}, {("state", "x")}),
        ("state.o.size() + size(state.l)", {("state", "o"), ("state", "l")}, set()),
        ("'k' in state", {("state",)}, set()),
        ("errors[0].code == error.code", {("errors",), ("error", "code")}, set()),
        ("'state.x' + r'\\d' + \"\"\"'state.y'\"\"\" + state.z // state.q", {("state", "z")}, set()),
        ("type(state.a) == int || state.b == double(2)", {("state", "a"), ("state", "b")}, set()),
        ("{'a': state.x}.a + [state.y][0]", {("state", "x"), ("state", "y")}, set()),
        ("unknown.x", {("unknown", "x")}, set()),
        ("true ? state.a : .state.b", {("state", "a"), ("state", "b")}, set()),
    ],
)
def test_the_names_that_an_expression_reads_are_known(source, references, guarded):
    expression = compile_expression(source)

    assert expression.references == references
    assert expression.guarded == guarded


class Watched(dict):
    """An object that remembers the keys that were read."""

    def __init__(self, *args):
        super().__init__(*args)
        self.read = set()

    def __getitem__(self, key):
        self.read.add(key)
        return super().__getitem__(key)


def test_only_the_keys_that_are_named_are_handed_over():
    inner = Watched({"x": 1, "large": object()})
    state = Watched({"n": 1, "o": inner, "large": object()})

    assert value("state.n + state.o.x", {"state": state, "item": object()}) == 2
    assert state.read == {"n", "o"}
    assert inner.read == {"x"}


def test_a_value_that_is_read_whole_and_in_part_is_handed_over_whole():
    assert value("size(state.o) + state.o.a + size(state)", NAMES) == 3 + 2 + len(STATE)


def test_the_state_may_be_any_mapping():
    assert value("size(state) + state.a + state.o.b", {"state": MappingProxyType({"a": 1, "o": {"b": 5}})}) == 8


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("state.n >", "line 1, column 10"),
        ("", ""),
        ("state.l.map(1, x)", "simple identifier"),
        ("has(state)", "field selection"),
        ("as", "reserved"),
        ("'open", ""),
        ("(" * 100 + "1" + ")" * 100, "recursion"),
        ("1" + " + 1" * 100, "recursion"),
        ("1" * 20_000, "longer than"),
        ("\ud800", ""),
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_what_cannot_be_read_is_a_syntax_error(source, reason):
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_expression(source)
    assert reason in str(caught.value)
    assert caught.value.code == "expression.syntax"


@pytest.mark.parametrize(
    "source",
    [
        "1 + 'a'",
        "true && 1",
        "'a' < 1",
        "true ? 1 : 'a'",
        "nosuch(1)",
        "state.l.nosuch()",
        "size(1)",
        "[1].map(x, x + 'a')",
        "1 == 1.0 && 'a'",
    ],
)
def test_what_can_never_work_is_a_type_error(source):
    with pytest.raises(ExpressionTypeError) as caught:
        compile_expression(source)
    assert caught.value.code == "expression.type"


def test_a_type_error_comes_with_the_names_that_are_read():
    with pytest.raises(ExpressionTypeError) as caught:
        compile_expression("state.n + item && 'a'")
    assert caught.value.expression.references == {("state", "n"), ("item",)}


@pytest.mark.parametrize(
    "source",
    [
        "state.s + 1",
        "state.n * 2.0",
        "state.s && true",
        "state.n.foo",
        "state.l > 1",
        "size(state.n)",
        "state.s.map(x, x)",
        "-state.s",
    ],
)
def test_known_types_of_state_keys_are_checked(source):
    compile_expression(source)

    with pytest.raises(ExpressionTypeError):
        compile_expression(source, {**TYPES, "ü": "string", "a b": "string", "for": "string"})


@pytest.mark.parametrize(
    "source",
    [
        "state.n == 2.0 && state.score > 8 && state.n in [2.0]",
        "state.s == null || state.n != null",
        "has(state.s) && state.s == 'text'",
        "state.t ? 1 : 2.5",
        "state.undeclared + 1",
        "state.o.k + 1",
        "state.d.exists(state, state.n == 'x')",
        "state.score + 1.0 > 0.0",
    ],
)
def test_known_types_refuse_nothing_that_could_work(source):
    assert compile_expression(source, TYPES).source == source


@pytest.mark.parametrize("source", ["state.l.all(x, state.l.all(y, true))", "state.l.map(x, state.l.map(y, y))"])
def test_comprehensions_end(source):
    assert "10,000 items" in failure(source, {"state": {"l": list(range(1000))}})


def test_a_result_is_bounded():
    names = {"state": {"l": list(range(2000)), "s": "x" * 10_000}}

    assert failure("state.l.map(e, state.s)", names) == "the result is too large"


def test_a_pattern_that_would_take_for_ever_is_fast():
    assert value("state.s.matches('^(a+)+$')", {"state": {"s": "a" * 5000 + "b"}}) is False


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("has(error.code)", False),
        ("has(error.code) ? error.code : 'none'", "none"),
        ("has(error.code) ? errors[0].code : 'none'", "none"),
    ],
)
def test_an_error_may_be_asked_for_where_there_is_none(source, value):
    assert evaluate(compile_expression(source), {"state": {}}) == value
